/** The running node's status: gathered from its parts, and served. */

import { COUNTER } from "../forwarding/counters.ts";
import type { Lanes } from "../dataplane/lanes/lanes.ts";
import { RATE_SAMPLE_INTERVAL_MS } from "../base/limits.ts";
import { netnsName } from "../host/netns.ts";
import { type Count, RateMeter, type Sample } from "../status/model/rates.ts";
import type { ReloadOutcome } from "../status/reload.ts";
import { StatusServer } from "../status/server.ts";
import { buildStatus, TOTAL } from "../status/model/snapshot.ts";
import type { Status } from "../status/model/types.ts";
import type { UdpSide } from "../io/udp_open.ts";
import { featuresInUse } from "./engine.ts";
import type { KernelSide } from "./kernel_side.ts";
import type { NodeOptions } from "./options.ts";
import type { Roster } from "../peers/roster.ts";
import type { WrongPorts } from "../peers/wrong_port.ts";
import type { TunnelDevice } from "./tunnel_device.ts";

/** What the status is gathered from. */
export interface NodeStatusParts {
  readonly options: NodeOptions;
  readonly roster: Roster;
  readonly device: TunnelDevice;
  readonly supervisor: Lanes;
  readonly kernel: KernelSide;
  readonly udp: UdpSide;
  readonly wrongPorts: WrongPorts;
  /** Reads the config again. */
  readonly reload: () => Promise<ReloadOutcome>;
  /** Whether peers are called by names of a file, which should be the same on every node. */
  readonly sharedNames: boolean;
}

/** Gathers and serves the status between `open` and `close`. */
export class NodeStatus {
  readonly #rates = new RateMeter();
  readonly #server: StatusServer;
  #timer: ReturnType<typeof setInterval> | undefined;

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
    this.#rates.add(this.#sample());
    this.#timer = setInterval(() => this.#rates.add(this.#sample()), RATE_SAMPLE_INTERVAL_MS);
    await this.#server.open();
    return { status_socket: this.#server.socket ?? null, http: this.#server.http ?? null };
  }

  /** Closes the servers. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#server.close();
  }

  /** The status of this moment. */
  status(): Status {
    const { options, roster, device, supervisor, kernel, udp, wrongPorts, sharedNames } =
      this.parts;
    const { config } = roster;
    return buildStatus({
      version: options.version,
      pid: Deno.pid,
      config,
      source: options.loaded.source,
      self: roster.self,
      listen: options.listen,
      device: {
        name: config.device,
        mode: config.mode,
        mtu_bytes: device.mtu_bytes,
        state: device.state,
      },
      engine: {
        name: udp.batch ? "batch" : "datagram",
        lanes: supervisor.laneCount,
        features: device.tun ? [...featuresInUse(device.tun, udp, kernel.inUse)] : [],
      },
      peers: roster.peers,
      book: roster.book,
      sharedNames,
      wrongPortOf: (index) => wrongPorts.of(index),
      outbound: supervisor.totals("outbound"),
      inbound: supervisor.totals("inbound"),
      sample: this.#sample(),
      rates: this.#rates,
      clock: { wall_ms: Date.now(), monotonic_ms: performance.now() },
    });
  }

  /** The counters of now. */
  #sample(): Sample {
    const { roster: { peers }, supervisor, kernel } = this.parts;
    kernel.read();
    const outbound = supervisor.countersOf("outbound");
    const inbound = supervisor.countersOf("inbound");
    const of = ({ peerPackets, peerBytes }: typeof outbound, peer: number): Count => ({
      packets: peerPackets[peer]!,
      bytes: peerBytes[peer]!,
    });
    const counts = new Map(
      peers.map(({ name, index }) =>
        [name, { outbound: of(outbound, index), inbound: of(inbound, index) }] as const
      ),
    );
    const total = ({ totals }: typeof outbound): Count => ({
      packets: totals[COUNTER.packets]!,
      bytes: totals[COUNTER.bytes]!,
    });
    counts.set(TOTAL, { outbound: total(outbound), inbound: total(inbound) });
    return { at_ms: performance.now(), counts };
  }
}
