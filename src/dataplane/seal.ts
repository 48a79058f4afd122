/** Outbound, after segmentation: a packet becomes a data message of WireGuard. */

import type { LaneSessions } from "../forwarding/lane_sessions.ts";
import type { SendCounters } from "../forwarding/send_counters.ts";
import type { LaneKeys } from "./lane_keys.ts";
import { DATA, DATA_TYPE, dataMessageBytes } from "../wire/data_message.ts";

/** Padding is to a multiple of this, less one. */
const PADDING_MAX_BYTES = 15;

/** Seals what one lane sends. */
export class Seal {
  /** Bytes behind a packet that are put aside while padding is there. */
  readonly #aside = new Uint8Array(PADDING_MAX_BYTES);

  /** Seals within `view`, whose bytes are `bytes`: the memory of the lane's AEAD. */
  constructor(
    readonly bytes: Uint8Array,
    readonly view: DataView,
    readonly sessions: LaneSessions,
    readonly keys: LaneKeys,
    readonly counters: SendCounters,
  ) {}

  /** Whether there is a session to send to a peer by. */
  isReady(peer: number): boolean {
    return this.sessions.current(peer) >= 0;
  }

  /**
   * Makes a data message at `to` of the `length` bytes from `from` on, padded to `padded` (see
   * `paddedLength`); returns its length. `from` is where the text of the message will be, to +
   * DATA.text, or the two ranges do not overlap; then the bytes behind the packet stay as they are.
   * 0: there is no session, or it has sent all that it may; the packet has to wait for another.
   */
  seal(peer: number, to: number, from: number, length: number, padded: number): number {
    const { bytes, view, sessions, counters } = this;
    const place = sessions.current(peer);
    if (place < 0 || !counters.take(place)) return 0;
    const { low, high } = counters;
    view.setInt32(to, DATA_TYPE, true);
    sessions.writeRemoteIndex(view, to + DATA.receiver, place);
    view.setInt32(to + DATA.counterLow, low, true);
    view.setInt32(to + DATA.counterHigh, high, true);
    const text = to + DATA.text;
    const sealer = this.keys.sealer(place);
    const end = from + length;
    const padding = padded - length;
    if (padding === 0) sealer.seal(text, from, length, low, high);
    else {
      const aside = this.#aside;
      for (let i = 0; i < padding; i++) {
        aside[i] = bytes[end + i]!;
        bytes[end + i] = 0;
      }
      sealer.seal(text, from, padded, low, high);
      if (text !== from) { for (let i = 0; i < padding; i++) bytes[end + i] = aside[i]!; }
    }
    return dataMessageBytes(padded);
  }
}
