/**
 * Who is shown each packet of a lane with what became of it: traces and captures.
 * While nobody looks, a lane spends a single comparison per packet, or per
 * super-packet. Pure.
 */

import type { LaneCounters } from "../forwarding/counters.ts";
import type { Run } from "../io/run.ts";

/** Shown packets by reference: whoever wants to keep one copies it before returning. */
export interface Observer {
  /** Packets from the device are on their way to a peer, the run's destination. */
  sent(run: Run): void;
  /** `count` packets of `length` bytes, one after the other, came from a peer for the device. */
  received(view: DataView, peer: number, offset: number, length: number, count: number): void;
  /** A packet from the device went no further; `peer` is negative where it had none yet. */
  droppedOut(view: DataView, counter: number, peer: number, offset: number, length: number): void;
  /** A datagram went no further; `peer` is negative where it is not known. */
  droppedIn(view: DataView, counter: number, peer: number, offset: number, length: number): void;
  /** An ICMP error was written to the device. */
  answered(view: DataView, offset: number, length: number): void;
}

/** What a lane writes down of its packets: it counts them, and shows them to who looks. */
export interface LaneRecord extends LaneCounters {
  /** Who is shown each packet as it is counted; nobody, as a rule. */
  observer?: Observer | undefined;
}
