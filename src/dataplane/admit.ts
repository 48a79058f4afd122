/** What a mode lets in from a known peer: packets (tun) or frames (tap). */

import type { Merger } from "../offload/coalesce.ts";
import type { LaneTable } from "../forwarding/lane_table.ts";

/** `admit`: the datagram went on to the merger. */
export const ADMITTED = -1;

/** Judges datagrams of known peers. */
export interface Gate {
  /** Takes over what the table has acquired. */
  useTable(table: LaneTable): void;
  /**
   * Hands the datagram of at least one byte at `offset`, which is no control
   * datagram, to the merger and returns ADMITTED; or returns the counter of the
   * reason why not. `mayBePartial` as for `Merger.add`.
   */
  admit(
    view: DataView,
    offset: number,
    length: number,
    peer: number,
    merger: Merger,
    mayBePartial: boolean,
  ): number;
}
