/** Pings between all pods of a lab, and what came of them. */

import type { LabPods } from "./pods.ts";
import type { LabPlan } from "./topology.ts";

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

const COUNT = 3;

/** Reads the summary that ping prints, of iputils or of busybox. Pure. */
export function parsePing(text: string): Pick<PingResult, "sent" | "received" | "rtt_ms"> {
  const counts = /(\d+) packets transmitted, (\d+)(?: packets)? received/.exec(text);
  const rtt = /= [\d.]+\/([\d.]+)\//.exec(text);
  return {
    sent: Number(counts?.[1] ?? 0),
    received: Number(counts?.[2] ?? 0),
    rtt_ms: rtt ? Number(rtt[1]) : null,
  };
}

/** Pings every pod from every other one, all at once. */
export function pingAll(plan: LabPlan, pods: LabPods): Promise<PingResult[]> {
  const pairs = plan.nodes.flatMap((from) =>
    plan.nodes.filter((to) => to !== from).flatMap((to) =>
      to.podAddresses
        // A pod without an address of that IP version has no way to reply.
        .filter((one) => from.podAddresses.some((own) => own.includes(":") === one.includes(":")))
        .map((address) => ({ from, to, address }))
    )
  );
  return Promise.all(pairs.map(async ({ from, to, address }) => {
    const { stdout } = await pods.run(from, [...pods.ping(COUNT), address]);
    const { sent, received, rtt_ms } = parsePing(stdout);
    const loss_pct = sent === 0 ? 100 : 100 * (sent - received) / sent;
    return { from: from.name, to: to.name, address, sent, received, loss_pct, rtt_ms };
  }));
}
