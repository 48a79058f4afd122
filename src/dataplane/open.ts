/**
 * Inbound, before admission: a data message of WireGuard becomes a packet. Its
 * receiver index says what session it is of, and so what peer it is from; where it
 * came from says nothing.
 */

import type { LaneSessions } from "../forwarding/lane_sessions.ts";
import { peerOf } from "../forwarding/session_index.ts";
import { IPV4, IPV4_HEADER_BYTES, IPV6, IPV6_HEADER_BYTES } from "../net/ip.ts";
import { DATA, DATA_MESSAGE_MIN_BYTES, DATA_TYPE } from "../wire/data_message.ts";
import type { LaneKeys } from "./lane_keys.ts";

/** Why a data message is dropped: instead of a length. */
export const UNOPENED = {
  /** Its receiver index names no session. */
  noSession: -1,
  /** The tag is wrong: forged, or damaged. */
  badTag: -2,
  /** Authentic, and has come already or is far too late. */
  replayed: -3,
  /** Too short for a data message, or authentic and shorter than the packet in it says. */
  malformed: -4,
} as const;

/** Opens what one lane receives. */
export class Open {
  /** The place of the session that the last authentic message came by. */
  #place = -1;

  /**
   * Opens within `view`, the memory of the lane's AEAD. `trims`: texts are IP packets, whose length
   * tells where padding begins; frames are not padded.
   */
  constructor(
    readonly view: DataView,
    readonly sessions: LaneSessions,
    readonly keys: LaneKeys,
    readonly trims: boolean,
  ) {}

  /** The peer that the last authentic message was from. */
  get peer(): number {
    return peerOf(this.#place);
  }

  /** Whether that session is the one that the peer is sent by. */
  get isCurrent(): boolean {
    return this.sessions.current(this.peer) === this.#place;
  }

  /** Our index of the session that it came by. */
  get index(): number {
    return this.sessions.indexAt(this.#place);
  }

  /**
   * Opens the data message of `length` bytes at `from`, whose first byte is its type, to `to`, and
   * sets `peer` and `index`. The text's place in the message is the same as `to`, or the two ranges
   * do not overlap. Returns the packet's length, 0 for a keepalive, or one of UNOPENED.
   */
  open(to: number, from: number, length: number): number {
    const { view, sessions, keys } = this;
    if (length < DATA_MESSAGE_MIN_BYTES || view.getUint32(from, true) !== DATA_TYPE) {
      return UNOPENED.malformed;
    }
    const place = sessions.findAt(view, from + DATA.receiver);
    if (place < 0) return UNOPENED.noSession;
    const low = view.getInt32(from + DATA.counterLow, true);
    const high = view.getInt32(from + DATA.counterHigh, true);
    const text_bytes = length - DATA_MESSAGE_MIN_BYTES;
    if (!keys.opener(place).open(to, from + DATA.text, text_bytes, low, high)) {
      return UNOPENED.badTag;
    }
    // Only now: a counter that is not authentic says nothing.
    if (!keys.window(place).accept(low, high)) return UNOPENED.replayed;
    this.#place = place;
    return this.trims ? this.#trimmed(to, text_bytes) : text_bytes;
  }

  /** Length of the packet at `at`, of which `text_bytes` are there with its padding. */
  #trimmed(at: number, text_bytes: number): number {
    const { view } = this;
    if (text_bytes === 0) return 0;
    const version = view.getUint8(at) >> 4;
    // What is no IP packet is a message between nodes, which tells its length itself.
    let length = text_bytes;
    if (version === 4) {
      if (text_bytes < IPV4_HEADER_BYTES) return UNOPENED.malformed;
      length = view.getUint16(at + IPV4.totalLength);
    } else if (version === 6) {
      if (text_bytes < IPV6_HEADER_BYTES) return UNOPENED.malformed;
      length = view.getUint16(at + IPV6.payloadLength) + IPV6_HEADER_BYTES;
    }
    return length > 0 && length <= text_bytes ? length : UNOPENED.malformed;
  }
}
