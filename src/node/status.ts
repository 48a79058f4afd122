/** The running node's status, gathered from its parts. */

import type { Time } from "../base/time.ts";
import type { Lanes } from "../dataplane/lanes/lanes.ts";
import type { UdpSide } from "../io/udp_open.ts";
import type { KernelPathController } from "../kernel_path/controller.ts";
import type { Registry } from "../peers/registry.ts";
import type { WrongPorts } from "../peers/wrong_port.ts";
import { buildStatus } from "../status/model/snapshot.ts";
import type { Status } from "../status/model/types.ts";
import { featuresInUse } from "./engine.ts";
import type { NodeOptions } from "./options.ts";
import type { OwnAddress } from "./own_address.ts";
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
  readonly ownAddress: OwnAddress;
  readonly wrongPorts: WrongPorts;
  /** Whether peers are called by names of a file, which should be the same on every node. */
  readonly sharedNames: boolean;
  readonly time: Time;
}

/** The status of this moment. Only reads. */
export function nodeStatus(parts: NodeStatusParts): Status {
  const {
    options,
    registry,
    device,
    lanes,
    kernel,
    sampler,
    udp,
    ownAddress,
    wrongPorts,
    sharedNames,
    time,
  } = parts;
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
    problems: ownAddress.problem === undefined ? [] : [ownAddress.problem],
    sharedNames,
    wrongPortOf: (peer) => wrongPorts.of(peer),
    outbound: lanes.totals("outbound"),
    inbound: lanes.totals("inbound"),
    sample: sampler.counts(),
    rates: sampler.rates,
    clock: { wall_ms: time.wall_ms(), monotonic_ms: time.now_ms() },
  });
}
