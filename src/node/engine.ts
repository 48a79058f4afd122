/** Chooses the engine that moves the packets, and wires it to the real device and socket. */

import { libc } from "../../ffi/libc.ts";
import type { Mode } from "../wire/mode.ts";
import { AsyncPollWait } from "../io/poll_async.ts";
import { WallClock } from "../io/clock.ts";
import { DatagramLanes, type DatagramParts } from "../dataplane/lanes/main_thread_lanes.ts";
import type { EngineChoice } from "../config/engine.ts";
import { describeEngine, type EngineUse } from "../dataplane/lanes/features.ts";
import type { Feature } from "../base/features.ts";
import type { Lanes } from "../dataplane/lanes/lanes.ts";
import { lanesFor } from "../dataplane/lanes/plan.ts";
import { Supervisor } from "../dataplane/lanes/worker_lanes.ts";
import type { KernelPathController } from "../kernel_path/controller.ts";
import { openEvent, signalEvent } from "../io/poll.ts";
import type { Log } from "../base/log.ts";
import { RingWriter } from "../inspect/trace/ring.ts";
import type { TraceHub } from "../inspect/trace/hub.ts";
import type { OpenTun } from "../io/device.ts";
import { LinuxTun } from "../io/tun_linux.ts";
import { openSealing } from "./open_sealing.ts";
import type { UdpSide } from "../io/udp_open.ts";
import { UdpPaths } from "../io/path_mtu.ts";

/** A switch has one lane that learns and one that looks up (mode tap). */
const TAP_LANES_MAX = 2;

/** How many lanes the engine is to have: what was asked for, or what suits this machine. */
export function lanesOf({ engine, lanes }: EngineChoice, mode: Mode): number {
  if (engine === "datagram") return 1;
  const wanted = lanes ?? lanesFor(navigator.hardwareConcurrency);
  return mode === "tap" ? Math.min(wanted, TAP_LANES_MAX) : wanted;
}

/** Makes the lanes that suit the socket. */
export function makeLanes(
  udp: UdpSide,
  workerUrl: () => string,
  lanes: number,
  mode: Mode,
  { control, onEnd, keys }: Pick<DatagramParts, "control" | "onEnd" | "keys">,
  hub: TraceHub,
  keepRights: () => boolean,
): Lanes {
  if (!udp.batch) {
    return new DatagramLanes({
      connection: udp.connection,
      paths: new UdpPaths(udp.fd, udp.ipVersion),
      mode,
      openDevice: (device) => new LinuxTun(device),
      openWait: (fd) => new AsyncPollWait(fd),
      openObserver: () => new RingWriter(hub.openRing(), new WallClock()),
      control,
      keys,
      openSealing: (setup) => openSealing(setup, 0, mode, keys!.onSealed),
      onEnd,
    });
  }
  return new Supervisor({
    workerUrl,
    socketFd: udp.fd,
    ipVersion: udp.ipVersion,
    lanes,
    mode,
    gso: udp.features.has("gso"),
    waker: {
      open: openEvent,
      signal: signalEvent,
      close: (eventFd) => void libc().call.close(eventFd),
    },
    openRing: () => hub.openRing(),
    keepRights,
    control,
    keys,
    onEnd,
  });
}

/** The features that a device and a socket turned out to have. */
export function featuresInUse(
  { vnet, features }: OpenTun,
  udp: UdpSide,
  kernel: boolean,
): ReadonlySet<Feature> {
  const found: Readonly<Partial<Record<Feature, boolean>>> = {
    vnet,
    csum: features.checksum,
    partial: features.partial,
    tso4: features.tcp4,
    tso6: features.tcp6,
    uso: features.udp,
    kernel,
  };
  const ofDevice = (Object.keys(found) as Feature[]).filter((feature) => found[feature]);
  return new Set([...ofDevice, ...udp.features]);
}

/** Says in one line what is in use, and what is not and why. */
export function logEngine(
  log: Log,
  choice: EngineChoice,
  udp: UdpSide,
  device: OpenTun,
  lanes: number,
  kernelPath: Pick<KernelPathController, "inUse" | "obstacle" | "parts">,
  aead: string | undefined,
): void {
  const features = featuresInUse(device, udp, kernelPath.inUse);
  const engine = udp.batch ? "batch" : "datagram";
  const queues = device.queues.length;
  const use: EngineUse = { engine, features, lanes, queues, aead };
  // What has come in the way has a line of its own.
  log.info("engine", describeEngine(use, choice, kernelPath.parts.unwanted), {
    engine: use.engine,
    features: [...features],
    off: [...choice.off],
    no_kernel_path: kernelPath.obstacle ?? null,
    lanes,
    queues,
    aead: aead ?? null,
  });
}
