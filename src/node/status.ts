/** The running node's status, gathered from its parts. */

import type { Time } from "../base/time.ts";
import type { Lanes } from "../dataplane/lanes/lanes.ts";
import type { UdpSide } from "../io/udp_open.ts";
import type { KernelPathController } from "../kernel_path/controller.ts";
import type { SealingControl } from "../peers/sealing.ts";
import type { Registry } from "../peers/registry.ts";
import type { WrongPorts } from "../peers/wrong_port.ts";
import { isOpen, TRANSPORT, type Transport } from "../forwarding/peer_row.ts";
import type { Rtnetlink } from "../host/netlink/rtnetlink.ts";
import { processStats } from "../host/process_stats.ts";
import type { Peer } from "../peers/peer.ts";
import type { Publisher } from "../peers/publish.ts";
import { transportOf } from "../peers/transport.ts";
import { buildStatus, type SnapshotParts } from "../status/model/snapshot.ts";
import type { PeerTransport, Status } from "../status/model/types.ts";
import { featuresInUse } from "./engine.ts";
import { etcdStatus } from "./etcd_status.ts";
import { linksOf } from "./links.ts";
import type { NodeOptions } from "./options.ts";
import type { OwnAddress } from "./own_address.ts";
import type { Reloader } from "./reload.ts";
import type { PathWatch } from "./path_watch.ts";
import type { Sampler } from "./sampler.ts";
import type { TunnelDevice } from "./tunnel_device.ts";

/** What the status is gathered from. */
export interface NodeStatusParts {
  readonly options: NodeOptions;
  readonly registry: Registry;
  readonly rt: Rtnetlink;
  readonly device: TunnelDevice;
  readonly lanes: Lanes;
  readonly kernel: KernelPathController;
  readonly sampler: Sampler;
  readonly udp: UdpSide;
  readonly ownAddress: OwnAddress;
  readonly pathWatch: Pick<PathWatch, "problem">;
  readonly wrongPorts: WrongPorts;
  readonly reloader: Pick<Reloader, "read">;
  readonly publisher: Pick<Publisher, "mtuOf">;
  /** Absent where no node has a key. */
  readonly sealing: Pick<SealingControl, "sessionAge_ms"> | undefined;
  /** Whether peers are called by names of a file, which should be the same on every node. */
  readonly sharedNames: boolean;
  readonly time: Time;
}

/** By what packets go to each peer, and how many went no further. */
function waysOf({ registry: { config }, lanes, kernel, publisher, sealing }: NodeStatusParts) {
  const outbound = lanes.countersOf("outbound").peerDrops;
  const inbound = lanes.countersOf("inbound").peerDrops;
  return (peer: Peer): ReturnType<SnapshotParts["wayOf"]> => ({
    transport: transportName(transportOf(peer, config.mode), kernel.carries(peer.index)),
    session_age_seconds: secondsOf(sealing?.sessionAge_ms(peer.index)),
    path_mtu_bytes: publisher.mtuOf(peer.index) || null,
    dropped: { outbound: outbound[peer.index]!, inbound: inbound[peer.index]! },
  });
}

const secondsOf = (age_ms: number | undefined): number | null =>
  age_ms === undefined ? null : age_ms / 1000;

function transportName(transport: Transport, inKernel: boolean): PeerTransport | null {
  if (transport === TRANSPORT.sealed) return "sealed";
  if (!isOpen(transport)) return null;
  return transport === TRANSPORT.kernel && inKernel ? "kernel" : "lanes";
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
    pathWatch,
    wrongPorts,
    reloader,
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
    links: linksOf(parts.rt, registry, device.index),
    engine: {
      name: udp.batch ? "batch" : "datagram",
      lanes: lanes.laneCount,
      features: device.tun ? [...featuresInUse(device.tun, udp, kernel.inUse)] : [],
    },
    peers: registry.peers,
    problems: [ownAddress.problem, pathWatch.problem, options.etcd?.subnetFile.problem].filter((
      one,
    ) => one !== undefined),
    sharedNames,
    wrongPortOf: (peer) => wrongPorts.of(peer),
    wayOf: waysOf(parts),
    process: processStats(),
    etcd: options.etcd ? etcdStatus(options.etcd.source.state) : null,
    configRead: reloader.read,
    outbound: lanes.totals("outbound"),
    inbound: lanes.totals("inbound"),
    sample: sampler.counts(),
    rates: sampler.rates,
    clock: { wall_ms: time.wall_ms(), monotonic_ms: time.now_ms() },
  });
}
