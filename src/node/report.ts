/** What a node has carried and dropped, as one log line. */

import type { Lanes } from "../dataplane/lanes/lanes.ts";
import type { Log } from "../base/log.ts";

/** Logs the totals of both directions; the line names the counters that are not zero. */
export function logCounters(lanes: Lanes, log: Log): void {
  const totals = {
    outbound: lanes.totals("outbound"),
    inbound: lanes.totals("inbound"),
  };
  const drops = Object.entries(totals).flatMap(([direction, counters]) =>
    Object.entries(counters)
      .filter(([name, value]) => value > 0 && name !== "packets" && name !== "bytes")
      .map(([name, value]) => `${direction} ${name} ${value}`)
  );
  log.info(
    "counters",
    `sent ${totals.outbound.packets} packets (${totals.outbound.bytes} B), received ` +
      `${totals.inbound.packets} packets (${totals.inbound.bytes} B)` +
      (drops.length > 0 ? `; ${drops.join(", ")}` : "; no drops"),
    totals,
  );
}
