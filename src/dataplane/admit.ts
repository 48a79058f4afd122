/** What is taken from a known peer: by mode, packets here, or frames (tap.ts). */

import { COUNTER } from "../forwarding/counters.ts";
import type { LaneTable } from "../forwarding/lane_table.ts";
import type { RouteTable } from "../forwarding/prefixes.ts";
import { checkPacket, IPV4, IPV6, PACKET } from "../net/ip.ts";
import type { Merger } from "../offload/coalesce.ts";
import type { Mode } from "../wire/mode.ts";

/** `admit`: the datagram went on to the merger. */
export const ADMITTED = -1;

/** Judges datagrams of known peers, in one mode. */
export interface Admission {
  /** What datagrams hold. */
  readonly mode: Mode;
  /** Takes over what the table has acquired. */
  useTable(table: LaneTable): void;
  /**
   * Hands the packet or frame of at least one byte at `offset` to the merger and
   * returns ADMITTED; or returns the counter of the reason why not.
   * `mayBePartial` as for `Merger.add`.
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

/** Mode tun: whole packets from the sender's subnets; the default node may send any. */
export class PacketAdmission implements Admission {
  readonly mode = "tun";
  #routes: RouteTable | undefined;
  #defaultPeer = -1;

  useTable(table: LaneTable): void {
    this.#routes = table.routes;
    this.#defaultPeer = table.defaultPeer;
  }

  admit(
    view: DataView,
    offset: number,
    length: number,
    peer: number,
    merger: Merger,
    mayBePartial: boolean,
  ): number {
    const version = checkPacket(view, offset, length);
    if (version === PACKET.malformed) return COUNTER.malformed;
    if (peer !== this.#defaultPeer && this.#ownerOf(view, offset, version) !== peer) {
      return COUNTER.spoofed_source;
    }
    merger.add(view, offset, length, version, mayBePartial);
    return ADMITTED;
  }

  /** The peer whose subnet the packet's source lies in. */
  #ownerOf(view: DataView, offset: number, version: 4 | 6): number {
    return version === PACKET.ipv4
      ? this.#routes!.lookup4(view, offset + IPV4.source)
      : this.#routes!.lookup6(view, offset + IPV6.source);
  }
}
