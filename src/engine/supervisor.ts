/** Starts and stops the lanes' Workers, and keeps what they share. */

import { RunError } from "../errors.ts";
import type { IpVersion } from "../net/prefix.ts";
import type { OpenTun } from "../tun/device.ts";
import { COUNTERS, LANE_COUNTERS_BYTES, type LaneCounters, laneCounters } from "./counters.ts";
import type { CounterName } from "./counters.ts";
import { Fib, FIB_BYTES, LANES_MAX } from "./fib.ts";
import type { ControlDatagram } from "./inbound.ts";
import type { LaneEnd } from "./lane.ts";
import {
  LANE_DIRECTIONS,
  type LaneDirection,
  type LaneMessage,
  type LaneSetup,
} from "./lane_protocol.ts";

/** Wakes lanes; `wait.ts` has the real one. */
export interface Waker {
  open(): number;
  signal(eventFd: number): void;
  close(eventFd: number): void;
}

/** What the lanes need and report to. */
export interface SupervisorParts {
  readonly workerUrl: string;
  readonly socketFd: number;
  readonly ipVersion: IpVersion;
  /** The directions of each lane (plan_lanes.ts). */
  readonly lanes: readonly (readonly LaneDirection[])[];
  readonly waker: Waker;
  /** A control datagram from a peer, or something of a stranger that is worth a look. */
  readonly onControl: (datagram: ControlDatagram) => void;
  /** The lanes ended without having been stopped. */
  readonly onEnd: (reason: LaneEnd | RunError) => void;
}

/** What ends the lanes, and counts the turns of each (see LaneParts.stop). */
const STOP_BYTES = 4 * (1 + LANES_MAX);

interface Lane {
  readonly worker: Worker;
  readonly eventFd: number;
  readonly ended: Promise<void>;
}

/** The lanes of one node. */
export class Supervisor {
  readonly fib = new Fib(new SharedArrayBuffer(FIB_BYTES));
  readonly #counters = LANE_DIRECTIONS.map(() => new SharedArrayBuffer(LANE_COUNTERS_BYTES));
  #stop = new SharedArrayBuffer(STOP_BYTES);
  #lanes: Lane[] = [];

  constructor(readonly parts: SupervisorParts) {}

  /** Number of lanes that follow the table. */
  get laneCount(): number {
    return this.#lanes.length;
  }

  /** Starts all lanes on a device; resolves when every one is about to enter its loop. */
  async start(device: OpenTun): Promise<void> {
    const stop = new SharedArrayBuffer(STOP_BYTES);
    this.#stop = stop;
    const running = this.parts.lanes.map((directions, lane) =>
      new Promise<void>((resolve, reject) => {
        this.#lanes.push(this.#startLane(directions, lane, device, stop, resolve, reject));
      })
    );
    await Promise.all(running);
  }

  /** Ends all lanes and waits for it. The device may be closed afterwards. */
  async stop(): Promise<void> {
    Atomics.store(new Int32Array(this.#stop), 0, 1);
    const lanes = this.#lanes;
    this.#lanes = [];
    for (const { eventFd } of lanes) this.parts.waker.signal(eventFd);
    await Promise.all(lanes.map(({ ended }) => ended));
    for (const { eventFd } of lanes) this.parts.waker.close(eventFd);
  }

  /** Makes the lanes look at the table that was published. */
  wake(): void {
    for (const { eventFd } of this.#lanes) this.parts.waker.signal(eventFd);
  }

  /** How many turns each running lane has made, modulo 2^32: none while the device is away. */
  turns(): readonly number[] {
    const cells = new Int32Array(this.#stop);
    return this.#lanes.map((_, lane) => Atomics.load(cells, 1 + lane));
  }

  /**
   * Starts a peer's counters from 0. Only while no lane knows the peer: lanes
   * count without locks.
   */
  clearPeer(peer: number): void {
    for (const direction of LANE_DIRECTIONS) {
      const { peerPackets, peerBytes } = this.countersOf(direction);
      peerPackets[peer] = 0;
      peerBytes[peer] = 0;
    }
  }

  /** The counters of one direction, live. */
  countersOf(direction: LaneDirection): LaneCounters {
    return laneCounters(this.#counters[LANE_DIRECTIONS.indexOf(direction)]!);
  }

  /** Totals of one direction by name. */
  totals(direction: LaneDirection): Record<CounterName, number> {
    const { totals } = this.countersOf(direction);
    return Object.fromEntries(COUNTERS.map((name, i) => [name, totals[i]!])) as Record<
      CounterName,
      number
    >;
  }

  #startLane(
    directions: readonly LaneDirection[],
    lane: number,
    device: OpenTun,
    stop: SharedArrayBuffer,
    onRunning: () => void,
    onFailed: (error: RunError) => void,
  ): Lane {
    const { parts } = this;
    const eventFd = parts.waker.open();
    const name = directions.join("+");
    const worker = new Worker(parts.workerUrl, { type: "module", name });
    const stopped = () => Atomics.load(new Int32Array(stop), 0) !== 0;
    const ended = new Promise<void>((resolve) => {
      const end = (reason: LaneEnd | RunError) => {
        worker.terminate();
        resolve();
        if (stopped()) return;
        if (reason instanceof RunError) onFailed(reason);
        parts.onEnd(reason);
      };
      worker.onmessage = ({ data }: MessageEvent<LaneMessage>) => {
        switch (data.type) {
          case "running":
            return onRunning();
          case "control":
            return parts.onControl(data.datagram);
          case "ended":
            return end(data.reason);
          case "failed":
            return end(new RunError({ what: `the ${name} lane failed`, why: data.message }));
        }
      };
      worker.onerror = (event) => {
        event.preventDefault();
        end(new RunError({ what: `the ${name} lane failed`, why: event.message }));
      };
    });
    const setup: LaneSetup = {
      lane,
      directions,
      device,
      socketFd: parts.socketFd,
      eventFd,
      ipVersion: parts.ipVersion,
      fib: this.fib.memory,
      counters: this.#counters,
      stop,
    };
    worker.postMessage(setup);
    return { worker, eventFd, ended };
  }
}
