/** How many lanes a node runs, and which directions each one moves. Pure. */

import { LANE_DIRECTIONS, type LaneDirection } from "./lane_protocol.ts";

/** Cores from which the two directions get a lane each. */
const CORES_FOR_TWO_LANES = 3;

/**
 * The lanes for a machine with so many cores. On one or two, a single lane
 * moves both directions: measured against two lanes there, round trips take
 * half as long, since an answer is often found on the way back to sleep, and
 * there is one thread less to wake for every acknowledgment.
 */
export function planLanes(cores: number): readonly (readonly LaneDirection[])[] {
  return cores < CORES_FOR_TWO_LANES
    ? [LANE_DIRECTIONS]
    : LANE_DIRECTIONS.map((direction) => [direction]);
}
