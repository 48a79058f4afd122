/**
 * TAI64N timestamps (D. J. Bernstein): 8 bytes of seconds, 4 of nanoseconds, all
 * big-endian, so that they compare as bytes do. Pure.
 */

import { TIMESTAMP_BYTES } from "./messages.ts";

/** The label of 1970-01-01 00:00:10 TAI; leap seconds do not matter, only that stamps grow. */
const EPOCH_HIGH = 0x40000000;
const EPOCH_LOW = 10;

/** Stamps are multiples of this, so that they tell less of this host's clock. */
const STEP_MS = 16;

/** The stamp of a time since 1970, in whole milliseconds. */
export function tai64n(wall_ms: number): Uint8Array<ArrayBuffer> {
  const stamp = new Uint8Array(TIMESTAMP_BYTES);
  const view = new DataView(stamp.buffer);
  const seconds = Math.floor(wall_ms / 1000) + EPOCH_LOW;
  view.setUint32(0, EPOCH_HIGH + Math.floor(seconds / 2 ** 32));
  view.setUint32(4, seconds);
  view.setUint32(8, (wall_ms - Math.floor(wall_ms / 1000) * 1000) * 1e6);
  return stamp;
}

/** Whether `a` is later than `b`. */
export function isLater(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < TIMESTAMP_BYTES; i++) {
    if (a[i] !== b[i]) return a[i]! > b[i]!;
  }
  return false;
}

/** Stamps that grow, whatever the clock does: peers refuse any that does not. */
export class StampClock {
  #last_ms = 0;

  /** A stamp for now, later than all before. */
  next(wall_ms: number): Uint8Array<ArrayBuffer> {
    const step_ms = Math.floor(wall_ms / STEP_MS) * STEP_MS;
    this.#last_ms = Math.max(step_ms, this.#last_ms + STEP_MS);
    return tai64n(this.#last_ms);
  }
}
