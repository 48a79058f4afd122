/**
 * Where a lane opens messages to: one packet right behind the other, as if they had come as one
 * datagram, so that packets of one flow are merged in rows (offload/coalesce.ts, `follow`). Pure.
 */

import { PACKET_MAX_BYTES } from "../base/limits.ts";
import type { Arena } from "../net/simd.ts";
import { SLOT_HEADROOM_BYTES } from "../io/arena.ts";

/** Room for what a few slots hold: little enough to stay in a cache. */
export const OPENED_BYTES = 8 * (PACKET_MAX_BYTES + 1);

/** The memory, and the row of packets in it that came by one session, all of one length. */
export class Opened {
  /** Where the row starts. */
  start: number;
  /** How many packets are in it. */
  count = 0;
  /** Length of each. */
  packet_bytes = 0;
  /** Whose packets they are. */
  peer = 0;
  /** Our index of the session that they came by. */
  index = 0;
  readonly #first: number;
  readonly #limit: number;

  /** `arena` has OPENED_BYTES, in the memory of the lane's bursts. */
  constructor(arena: Arena) {
    this.#first = arena.start + SLOT_HEADROOM_BYTES;
    this.#limit = arena.start + OPENED_BYTES;
    this.start = this.#first;
  }

  /** Where the next packet is opened to. */
  get end(): number {
    return this.start + this.count * this.packet_bytes;
  }

  /** Whether what `length` bytes of messages hold has room. */
  hasRoom(length: number): boolean {
    return this.end + length <= this.#limit;
  }

  /** Begins from the front: what was opened is needed no more. */
  clear(): void {
    this.count = 0;
    this.start = this.#first;
  }

  /** Whether a packet that was opened to `end` belongs to the row. */
  joins(length: number, index: number): boolean {
    return this.count > 0 && length === this.packet_bytes && index === this.index;
  }

  /** Ends the row: another one begins behind it. */
  endRow(): void {
    this.start = this.end;
    this.count = 0;
  }

  /** Begins a row with the packet that was opened to `end`; the one before has ended. */
  begin(length: number, peer: number, index: number): void {
    this.count = 1;
    this.packet_bytes = length;
    this.peer = peer;
    this.index = index;
  }
}
