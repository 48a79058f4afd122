/** The arena: a fixed number of packet slots, filled and drained in bursts. */

import { BURST_PACKETS, FRAME_MAX_BYTES } from "../base/limits.ts";
import { plainArena } from "../net/simd.ts";
import { SOCKADDR_WORDS } from "./sockaddr.ts";

/**
 * Bytes before each packet. The IP header that follows is then aligned to 16,
 * and a header that a device wants before the packet finds room.
 */
export const SLOT_HEADROOM_BYTES = 16;

/** Distance between slots: headroom and the largest packet or frame, rounded up to 64. */
export const SLOT_STRIDE_BYTES = (SLOT_HEADROOM_BYTES + FRAME_MAX_BYTES + 63) & ~63;

/**
 * A burst of packets. Slot i holds `length[i]` bytes from `offset(i)` on; a
 * packet is passed on by its slot number, never copied or wrapped in an object.
 */
export class Burst {
  /** Inbound: size of the datagrams that were received as one (UDP_GRO); 0: it is one. */
  readonly segment: Int32Array;
  /** The memory that the arena lies in, which may hold others too: only offsets lead into it. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The same. */
  readonly view: DataView<ArrayBuffer>;
  /** Length of the packet in each slot, in bytes. */
  readonly length: Int32Array;
  /** Inbound: socket address that each slot's datagram came from, as the kernel gives it (sockaddr.ts). */
  readonly sender: Int32Array<ArrayBuffer>;

  /** Where the arena starts in that memory. */
  readonly #start: number;

  /**
   * `extra_bytes` are added after the slots, for whatever else must be in the
   * arena, which `allocate` makes.
   */
  constructor(
    readonly slots: number = BURST_PACKETS,
    extra_bytes = 0,
    allocate = plainArena,
  ) {
    const { bytes, view, start } = allocate(slots * SLOT_STRIDE_BYTES + extra_bytes);
    this.bytes = bytes;
    this.view = view;
    this.#start = start;
    this.segment = new Int32Array(slots);
    this.length = new Int32Array(slots);
    this.sender = new Int32Array(slots * SOCKADDR_WORDS);
  }

  /** Where the extra bytes start. */
  get extraOffset(): number {
    return this.#start + this.slots * SLOT_STRIDE_BYTES;
  }

  /** Where the packet of slot i starts in `bytes` and `view`. */
  offset(slot: number): number {
    return this.#start + slot * SLOT_STRIDE_BYTES + SLOT_HEADROOM_BYTES;
  }
}
