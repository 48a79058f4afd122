/** Mode tap: a datagram is an Ethernet frame, and its source is learnt as a station of the sender. */

import { MAC_LEARNS_PER_S } from "../base/limits.ts";
import { checkFrame, ETHERNET, ethernetHeaderBytes, packetInFrame } from "../net/ethernet.ts";
import { PACKET } from "../net/ip.ts";
import { FIXED, LEARN, type MacTable, NOBODY } from "../forwarding/macs.ts";
import type { Merger } from "../offload/coalesce.ts";
import { COUNTER, type LaneCounters } from "../forwarding/counters.ts";
import type { LaneTable } from "../forwarding/lane_table.ts";
import { ADMITTED, type Gate } from "./admit.ts";
import { RateLimit } from "./rate_limit.ts";

/**
 * Lets frames through to the device, never to another peer (split horizon: the
 * sender has given each peer its copy). A source that the config gives to
 * another node is forged.
 */
export class FrameGate implements Gate {
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
    // Whether it is learnt or not, the frame goes on: answers are flooded then.
    if (!this.#learnLimits[peer]!.take()) return this.#note(COUNTER.mac_limited);
    switch (this.macs.learn(view, source, peer)) {
      case LEARN.learnt:
        return this.#note(COUNTER.mac_learnt);
      case LEARN.moved:
        return this.#note(COUNTER.mac_moved);
      case LEARN.full:
        return this.#note(COUNTER.mac_table_full);
      case LEARN.foreign:
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
