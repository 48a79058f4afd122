/** Chooses the engine that moves the packets, and wires it to the real device and socket. */

import { libc } from "../../ffi/libc.ts";
import type { Mode } from "../config/types.ts";
import { AsyncPollWait } from "../engine/async_wait.ts";
import { WallClock } from "../engine/clock.ts";
import { DatagramLanes, type DatagramParts } from "../engine/datagram_lanes.ts";
import {
  describeEngine,
  type EngineChoice,
  type EngineUse,
  type Feature,
} from "../engine/features.ts";
import type { Lanes } from "../engine/lanes.ts";
import { lanesFor } from "../engine/plan_lanes.ts";
import { Supervisor } from "../engine/supervisor.ts";
import { openEvent, signalEvent } from "../engine/wait.ts";
import type { Log } from "../log.ts";
import { RingWriter } from "../trace/ring.ts";
import type { Tracer } from "../trace/tracer.ts";
import type { OpenTun } from "../tun/device.ts";
import { LinuxTun } from "../tun/linux.ts";
import type { UdpSide } from "../udp/datagram.ts";
import { UdpPaths } from "../udp/path.ts";

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
  workerUrl: string,
  lanes: number,
  mode: Mode,
  { onControl, onEnd }: Pick<DatagramParts, "onControl" | "onEnd">,
  tracer: Tracer | undefined,
): Lanes {
  if (!udp.batch) {
    return new DatagramLanes({
      connection: udp.connection,
      paths: new UdpPaths(udp.fd, udp.ipVersion),
      mode,
      openDevice: (device) => new LinuxTun(device),
      openWait: (fd) => new AsyncPollWait(fd),
      openObserver: tracer && (() => {
        const { memory, snap_bytes } = tracer.openRing();
        return new RingWriter(memory, snap_bytes, new WallClock());
      }),
      onControl,
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
    openObserver: tracer && (() => tracer.openRing()),
    onControl,
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
  kernel: boolean,
): void {
  const features = featuresInUse(device, udp, kernel);
  const engine = udp.batch ? "batch" : "datagram";
  const queues = device.queues.length;
  const use: EngineUse = { engine, features, lanes, queues };
  log.info("engine", describeEngine(use, choice), {
    engine: use.engine,
    features: [...features],
    off: [...choice.off],
    lanes,
    queues,
  });
}
