/** Mode tap: a learning switch of which each peer is a port. A datagram is an Ethernet frame. */

import { MAC_LEARNS_PER_S } from "../base/limits.ts";
import { COUNTER, type LaneCounters } from "../forwarding/counters.ts";
import type { LaneTable } from "../forwarding/lane_table.ts";
import { FIXED, LEARN, type MacTable, NOBODY, SELF } from "../forwarding/macs.ts";
import { NO_ROUTE } from "../forwarding/prefixes.ts";
import {
  checkFrame,
  ETHERNET,
  ethernetHeaderBytes,
  isGroupMac,
  packetInFrame,
} from "../net/ethernet.ts";
import { PACKET } from "../net/ip.ts";
import type { Merger } from "../offload/coalesce.ts";
import { CONTROL_FIRST_BYTE } from "../wire/hello.ts";
import { type Admission, ADMITTED } from "./admit.ts";
import { EVERY_PEER, GOOD, type Lookup } from "./lookup.ts";
import type { Packet } from "./packet.ts";
import { RateLimit } from "./rate_limit.ts";

/** Outbound: to the station's peer where it is known, to all otherwise. */
export class FrameLookup implements Lookup {
  readonly answersNoRoute = false;
  readonly #moveLimit: RateLimit;

  constructor(
    readonly macs: MacTable,
    readonly counters: LaneCounters,
    now_ms: () => number,
  ) {
    this.#moveLimit = new RateLimit(MAC_LEARNS_PER_S, now_ms);
  }

  /** The switch's own table tells who is where. */
  useTable(): void {}

  read(view: DataView, offset: number, length: number, packet: Packet): number {
    if (!checkFrame(view, offset, length)) return COUNTER.malformed;
    // The peer would take it for a control datagram.
    if (view.getUint8(offset) === CONTROL_FIRST_BYTE) return COUNTER.reserved_type;
    const ethernet_bytes = ethernetHeaderBytes(view, offset, length);
    const version = packetInFrame(view, offset, length, ethernet_bytes);
    if (version === PACKET.malformed) packet.set(offset, length, 0, 0);
    else packet.set(offset + ethernet_bytes, length - ethernet_bytes, version, ethernet_bytes);
    return GOOD;
  }

  /** A station that was a peer's speaks from this side: its frames go to no peer any more. */
  checkSource(view: DataView, packet: Packet): number {
    const at = packet.start + ETHERNET.source;
    const owner = this.macs.lookup(view, at);
    if (owner === NOBODY || owner === (SELF | FIXED)) return GOOD;
    if ((owner & FIXED) !== 0) return COUNTER.spoofed_source;
    if (!this.#moveLimit.take()) this.#count(COUNTER.mac_limited);
    else if (this.macs.forget(view, at)) this.#count(COUNTER.mac_moved);
    return GOOD;
  }

  peerOf(view: DataView, packet: Packet): number {
    const at = packet.start + ETHERNET.destination;
    if (isGroupMac(view, at)) return EVERY_PEER;
    const owner = this.macs.lookup(view, at);
    if (owner === NOBODY) return EVERY_PEER;
    // A station of this very node: a bridge that has forgotten it sends its frames everywhere.
    return (owner & ~FIXED) === SELF ? NO_ROUTE : owner & ~FIXED;
  }

  #count(counter: number): void {
    this.counters.totals[counter]!++;
  }
}

/**
 * Inbound: a datagram is a frame, and its source is learned as a station of the
 * sender. It goes to the device, never to another peer (split horizon: the
 * sender has given each peer its copy). A source that the config gives to
 * another node is forged.
 */
export class FrameAdmission implements Admission {
  readonly mode = "tap";
  #learnLimits: RateLimit[] = [];

  constructor(
    readonly macs: MacTable,
    readonly counters: LaneCounters,
    readonly now_ms: () => number,
  ) {}

  useTable(table: LaneTable): void {
    while (this.#learnLimits.length < table.peerCount) {
      this.#learnLimits.push(new RateLimit(MAC_LEARNS_PER_S, this.now_ms));
    }
  }

  admit(
    view: DataView,
    offset: number,
    length: number,
    peer: number,
    merger: Merger,
    mayBePartial: boolean,
  ): number {
    if (!checkFrame(view, offset, length)) return COUNTER.malformed;
    const owner = this.macs.lookup(view, offset + ETHERNET.source);
    if (owner === peer) this.macs.touch();
    else if (owner !== (peer | FIXED)) {
      const drop = this.#learn(view, offset + ETHERNET.source, owner, peer);
      if (drop !== ADMITTED) return drop;
    }
    const ethernet_bytes = ethernetHeaderBytes(view, offset, length);
    const version = packetInFrame(view, offset, length, ethernet_bytes);
    if (version === PACKET.malformed) merger.addOpaque(view, offset, length);
    else {
      const at = offset + ethernet_bytes;
      merger.add(view, at, length - ethernet_bytes, version, mayBePartial, ethernet_bytes);
    }
    return ADMITTED;
  }

  /** A source that is not the sender's yet: ADMITTED, or the counter of the reason against it. */
  #learn(view: DataView, source: number, owner: number, peer: number): number {
    if (owner !== NOBODY && (owner & FIXED) !== 0) return COUNTER.spoofed_source;
    // Whether it is learned or not, the frame goes on: answers are flooded then.
    if (!this.#learnLimits[peer]!.take()) return this.#note(COUNTER.mac_limited);
    switch (this.macs.learn(view, source, peer)) {
      case LEARN.learned:
        return this.#note(COUNTER.mac_learned);
      case LEARN.moved:
        return this.#note(COUNTER.mac_moved);
      case LEARN.full:
        return this.#note(COUNTER.mac_table_full);
      case LEARN.elsewhere:
        return COUNTER.spoofed_source;
      default:
        return ADMITTED;
    }
  }

  #note(counter: number): number {
    this.counters.totals[counter]!++;
    return ADMITTED;
  }
}
