/** Pings between all pods of a lab, and what came of them. Pure. */

import type { Ping, RoundTrips } from "./inside.ts";
import type { LabNode, LabPlan } from "./topology.ts";

/** How many echo requests each pod sends to each address of the others. */
export const PING_COUNT = 3;

/** One pod pinging another. */
export interface PingResult {
  readonly from: string;
  readonly to: string;
  readonly address: string;
  readonly sent: number;
  readonly received: number;
  readonly loss_pct: number;
  /** Average round trip; null if nothing came back. */
  readonly rtt_ms: number | null;
}

/** One pod, and an address of another that it can reply from. */
export interface PodPair {
  readonly from: LabNode;
  readonly to: LabNode;
  readonly address: string;
}

/** Every pod with each address of every other one. */
export function podPairs({ nodes }: LabPlan): readonly PodPair[] {
  return nodes.flatMap((from) =>
    nodes.filter((to) => to !== from).flatMap((to) =>
      to.podAddresses
        // A pod without an address of that IP version has no way to reply.
        .filter((one) => from.podAddresses.some((own) => own.includes(":") === one.includes(":")))
        .map((address) => ({ from, to, address }))
    )
  );
}

/** What to ask for; `path` tells where a pod's namespace is. */
export function pingsOf(
  pairs: readonly PodPair[],
  path: (node: LabNode) => string,
): readonly Ping[] {
  return pairs.map(({ from, address }) => ({ path: path(from), address }));
}

/** Times are rounded to microseconds. */
export function pingResult({ from, to, address }: PodPair, roundTrips: RoundTrips): PingResult {
  const sent = roundTrips.length;
  const times_ms = roundTrips.filter((time) => time !== null);
  const received = times_ms.length;
  const mean_ms = times_ms.reduce((sum, time) => sum + time, 0) / received;
  return {
    from: from.name,
    to: to.name,
    address,
    sent,
    received,
    loss_pct: sent === 0 ? 100 : 100 * (sent - received) / sent,
    rtt_ms: received === 0 ? null : Math.round(mean_ms * 1000) / 1000,
  };
}
