/** The loop of a lane: move bursts, follow the published table, sleep when idle. */

import { DEVICE_GONE } from "../../io/device.ts";
import { type Wait, WAIT_BROKEN } from "../../io/wait.ts";
import type { LaneTable } from "../../forwarding/lane_table.ts";

/** One direction: `Outbound` or `Inbound`. */
export interface Direction {
  /** Takes over what the table has acquired. */
  useTable(table: LaneTable): void;
  turn(): number;
}

/** Why a lane came to its end. */
export type LaneEnd = "stopped" | "device_gone";

/** What a lane runs with. */
export interface LaneParts {
  /** In the order in which they take their turns. */
  readonly directions: readonly Direction[];
  readonly table: LaneTable;
  /** Called with each table that was taken up: what else the main thread says may have changed. */
  readonly onTable?: () => void;
  /** Waits on one descriptor for each direction, in the same order. */
  readonly wait: Wait;
  /** Cell 0 is raised by the main thread to end the lane; cell 1 + lane counts the lane's turns. */
  readonly stop: Int32Array;
  /** Takes up new sessions before each turn; absent where no peer has a key. */
  readonly sealing?: { turn(): void } | undefined;
}

/** Runs until stopped or until the device is gone. Never awaits: a Worker in here gets no messages. */
export function runLane(
  { directions, table, onTable, wait, stop, sealing }: LaneParts,
): LaneEnd {
  /** A bit for each direction that may have something to move. */
  let ready = -1;
  while (Atomics.load(stop, 0) === 0) {
    Atomics.add(stop, 1 + table.lane, 1);
    if (table.stale) {
      table.acquire();
      for (const direction of directions) direction.useTable(table);
      onTable?.();
    }
    sealing?.turn();
    for (let i = 0; i < directions.length; i++) {
      if ((ready & 1 << i) === 0) continue;
      const count = directions[i]!.turn();
      if (count === DEVICE_GONE) return "device_gone";
      // What was moved may be answered at once: the next direction looks without being told.
      if (count > 0) ready |= 2 << i;
    }
    ready = wait.poll();
    if (ready === WAIT_BROKEN) return "device_gone";
  }
  return "stopped";
}
