/** The running node's status: gathered from its parts, and served. */

import type { Time } from "../base/time.ts";
import type { Lanes } from "../dataplane/lanes/lanes.ts";
import { netnsName } from "../host/netns.ts";
import type { ReloadOutcome } from "../peers/source/source.ts";
import { StatusServer } from "../status/server.ts";
import { buildStatus } from "../status/model/snapshot.ts";
import type { Status } from "../status/model/types.ts";
import type { UdpSide } from "../io/udp_open.ts";
import { featuresInUse } from "./engine.ts";
import type { KernelPathController } from "../kernel_path/controller.ts";
import type { NodeOptions } from "./options.ts";
import type { Registry } from "../peers/registry.ts";
import type { WrongPorts } from "../peers/wrong_port.ts";
import type { Sampler } from "./sampler.ts";
import type { TunnelDevice } from "./tunnel_device.ts";

/** What the status is gathered from. */
export interface NodeStatusParts {
  readonly options: NodeOptions;
  readonly registry: Registry;
  readonly device: TunnelDevice;
  readonly lanes: Lanes;
  readonly kernel: KernelPathController;
  readonly sampler: Sampler;
  readonly udp: UdpSide;
  readonly wrongPorts: WrongPorts;
  /** Reads the config again. */
  readonly reload: () => Promise<ReloadOutcome>;
  /** Whether peers are called by names of a file, which should be the same on every node. */
  readonly sharedNames: boolean;
  readonly time: Time;
}

/** Gathers and serves the status between `open` and `close`. It only reads. */
export class NodeStatus {
  readonly #server: StatusServer;

  constructor(readonly parts: NodeStatusParts) {
    const { options: { loaded, status, log } } = parts;
    this.#server = new StatusServer({
      status: () => this.status(),
      reload: parts.reload,
      socket: status.socket,
      place: { device: loaded.config.device, netns: netnsName(), uid: Deno.uid() ?? 0 },
      http: status.http,
      log,
    });
  }

  /** Opens the servers; resolves to what the ready line tells of them. Throws a RunError. */
  async open(): Promise<{ status_socket: string | null; http: string | null }> {
    await this.#server.open();
    return { status_socket: this.#server.socket ?? null, http: this.#server.http ?? null };
  }

  /** Closes the servers. */
  async close(): Promise<void> {
    await this.#server.close();
  }

  /** The status of this moment. */
  status(): Status {
    const {
      options,
      registry,
      device,
      lanes,
      kernel,
      sampler,
      udp,
      wrongPorts,
      sharedNames,
      time,
    } = this.parts;
    const { config } = registry;
    return buildStatus({
      version: options.version,
      pid: Deno.pid,
      config,
      source: options.loaded.source,
      self: registry.self,
      listen: options.listen,
      device: {
        name: config.device,
        mode: config.mode,
        mtu_bytes: device.mtu_bytes,
        state: device.state,
      },
      engine: {
        name: udp.batch ? "batch" : "datagram",
        lanes: lanes.laneCount,
        features: device.tun ? [...featuresInUse(device.tun, udp, kernel.inUse)] : [],
      },
      peers: registry.peers,
      sharedNames,
      wrongPortOf: (peer) => wrongPorts.of(peer),
      outbound: lanes.totals("outbound"),
      inbound: lanes.totals("inbound"),
      sample: sampler.counts(),
      rates: sampler.rates,
      clock: { wall_ms: time.wall_ms(), monotonic_ms: time.now_ms() },
    });
  }
}
