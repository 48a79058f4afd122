/** The loop of a lane: move bursts, follow the published table, sleep when idle. */

import { BURST_PACKETS } from "../limits.ts";
import { DEVICE_GONE } from "../tun/device.ts";
import type { Fib, FibHalf } from "./fib.ts";

/** One direction: `Outbound` or `Inbound`. */
export interface Direction {
  useFib(fib: FibHalf): void;
  turn(): number;
}

/** `poll` answers this when a descriptor is broken. */
export const WAIT_BROKEN = -1;

/** What a lane waits on; `wait.ts` has the real one. */
export interface Wait {
  /**
   * Looks which descriptors are readable: a bit for each, in their order. With
   * `sleep`, waits until one is or somebody wakes the lane.
   */
  poll(sleep: boolean): number;
}

/** Why a lane came to its end. */
export type LaneEnd = "stopped" | "device_gone";

/** What a lane runs with. */
export interface LaneParts {
  readonly lane: number;
  readonly directions: readonly Direction[];
  readonly fib: Fib;
  /** Waits on one descriptor for each direction, in the same order. */
  readonly wait: Wait;
  /** Cell 0 is raised by the main thread to end the lane; cell 1 + lane counts the lane's turns. */
  readonly stop: Int32Array;
}

/** Runs until stopped or until the device is gone. Never awaits: a Worker in here gets no messages. */
export function runLane({ lane, directions, fib, wait, stop }: LaneParts): LaneEnd {
  let generation = -1;
  /** A bit for each direction that may have something to move. */
  let ready = -1;
  while (Atomics.load(stop, 0) === 0) {
    Atomics.add(stop, 1 + lane, 1);
    if (fib.generation !== generation) {
      generation = fib.generation;
      const half = fib.acquire(lane);
      for (const direction of directions) direction.useFib(half);
    }
    let full = 0;
    for (let i = 0; i < directions.length; i++) {
      if ((ready & 1 << i) === 0) continue;
      const count = directions[i]!.turn();
      if (count === DEVICE_GONE) return "device_gone";
      // A burst that is not full has taken all there was.
      if (count >= BURST_PACKETS) full |= 1 << i;
    }
    const found = wait.poll(full === 0);
    if (found === WAIT_BROKEN) return "device_gone";
    ready = found | full;
  }
  return "stopped";
}
