/** What is taken from a known peer: by mode, packets here, or frames (tap.ts). */

import { COUNTER } from "../forwarding/counters.ts";
import type { LaneTable } from "../forwarding/lane_table.ts";
import type { AcceptedPrefixes } from "../forwarding/accepted.ts";
import { LOCAL, NOWHERE, type RouteTable } from "../forwarding/prefixes.ts";
import { checkPacket, IPV4, IPV6, PACKET } from "../net/ip.ts";
import type { Merger } from "../offload/coalesce.ts";
import type { Mode } from "../wire/mode.ts";

/** `admit`: the datagram went on to the merger. */
export const ADMITTED = -1;

/** No peer has this index. */
const NO_PEER = -1;

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

/**
 * Mode tun: whole packets, from what belongs to the sender (to the default node: what
 * belongs to nobody else, and is not reserved), for this node's subnets or what its
 * config accepts.
 */
export class PacketAdmission implements Admission {
  readonly mode = "tun";
  #routes: RouteTable | undefined;
  #accepted: AcceptedPrefixes | undefined;
  /**
   * Peer, source and destination of the last IPv4 packet that was admitted: the next one of its
   * flow needs no lookup. Addresses are signed numbers: those are kept without an allocation.
   */
  #peer = NO_PEER;
  #source = 0;
  #destination = 0;

  useTable(table: LaneTable): void {
    this.#peer = NO_PEER;
    this.#routes = table.routes;
    this.#accepted = table.accepted;
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
    const v4 = version === PACKET.ipv4;
    const source = offset + (v4 ? IPV4.source : IPV6.source);
    if (v4 && peer === this.#peer && this.#isLast(view, offset)) {
      merger.add(view, offset, length, version, mayBePartial);
      return ADMITTED;
    }
    if (this.#ownerOf(view, source, v4) !== peer) return COUNTER.spoofed_source;
    const destination = offset + (v4 ? IPV4.destination : IPV6.destination);
    const owner = this.#ownerOf(view, destination, v4);
    if (owner !== LOCAL && !this.#accepts(view, destination, version, owner)) {
      return COUNTER.foreign_destination;
    }
    if (v4) {
      this.#peer = peer;
      this.#source = view.getInt32(source);
      this.#destination = view.getInt32(destination);
    }
    merger.add(view, offset, length, version, mayBePartial);
    return ADMITTED;
  }

  #isLast(view: DataView, offset: number): boolean {
    return view.getInt32(offset + IPV4.source) === this.#source &&
      view.getInt32(offset + IPV4.destination) === this.#destination;
  }

  /** Whose the address at `at` is. */
  #ownerOf(view: DataView, at: number, v4: boolean): number {
    return v4 ? this.#routes!.lookup4(view, at) : this.#routes!.lookup6(view, at);
  }

  #accepts(view: DataView, at: number, version: 4 | 6, owner: number): boolean {
    return owner !== NOWHERE && this.#accepted!.has(view, at, version);
  }
}
