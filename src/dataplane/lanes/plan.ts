/** How many lanes a node runs, and what each one moves. Pure. */

import { LANES_AUTO_MAX } from "../../base/limits.ts";
import type { LaneDirection } from "./protocol.ts";

/** What one lane does. */
export interface LanePlan {
  readonly directions: readonly LaneDirection[];
  /** Index of the device's queue that its outbound direction reads. */
  readonly queue: number;
}

/** Up to so many cores a single lane moves both directions. */
const CORES_OF_ONE_LANE = 2;

/**
 * The number of lanes for a machine with so many cores. On one or two, one lane
 * for both directions: measured against two lanes there, round trips take half
 * as long, since an answer is often found on the way back to sleep, and there is
 * one thread less to wake for every acknowledgment.
 */
export function lanesFor(cores: number): number {
  return cores <= CORES_OF_ONE_LANE ? 1 : Math.min(cores, LANES_AUTO_MAX);
}

/**
 * The plans of `lanes` lanes. One moves both directions. More: one for
 * inbound, since two that read one socket would overtake each other within a flow,
 * and all others for outbound, each with a queue of the device to itself:
 * the kernel keeps a flow in one queue. `queues` is how many the device has.
 */
export function planLanes(lanes: number, queues: number): readonly LanePlan[] {
  // Outbound comes second: what is written to the device is often answered in the same moment.
  if (lanes === 1) return [{ directions: ["inbound", "outbound"], queue: 0 }];
  const outbound = Math.min(lanes - 1, queues);
  return [
    ...Array.from({ length: outbound }, (_, queue): LanePlan => ({
      directions: ["outbound"],
      queue,
    })),
    { directions: ["inbound"], queue: 0 },
  ];
}

/** Queues of the device that so many lanes can use. */
export function queuesFor(lanes: number): number {
  return Math.max(1, lanes - 1);
}
