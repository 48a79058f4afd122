/** The loop of a lane: move bursts, follow the published table, sleep when idle. */

import { DEVICE_GONE } from "../tun/device.ts";
import type { Fib, FibHalf } from "./fib.ts";
import type { Wait } from "./wait.ts";

/** One direction: `Outbound` or `Inbound`. */
export interface Direction {
  useFib(fib: FibHalf): void;
  turn(): number;
}

/** Why a lane came to its end. */
export type LaneEnd = "stopped" | "device_gone";

/** What a lane runs with. */
export interface LaneParts {
  readonly lane: number;
  readonly directions: readonly Direction[];
  readonly fib: Fib;
  readonly wait: Wait;
  /** Cell 0 is raised by the main thread to end the lane; cell 1 + lane counts the lane's turns. */
  readonly stop: Int32Array;
}

/** Runs until stopped or until the device is gone. Never awaits: a Worker in here gets no messages. */
export function runLane({ lane, directions, fib, wait, stop }: LaneParts): LaneEnd {
  let generation = -1;
  while (Atomics.load(stop, 0) === 0) {
    Atomics.add(stop, 1 + lane, 1);
    if (fib.generation !== generation) {
      generation = fib.generation;
      const half = fib.acquire(lane);
      for (const direction of directions) direction.useFib(half);
    }
    let moved = 0;
    for (let i = 0; i < directions.length; i++) {
      const count = directions[i]!.turn();
      if (count === DEVICE_GONE) return "device_gone";
      moved += count;
    }
    if (moved === 0 && !wait.sleep()) return "device_gone";
  }
  return "stopped";
}
