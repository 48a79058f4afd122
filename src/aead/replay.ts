/**
 * Which counters have come already (RFC 6479): a ring of bits behind the greatest.
 * It is asked only once the tag is right, or anybody could move it. Pure.
 */

import { REPLAY_WINDOW } from "../base/limits.ts";

/** A power of two, and more than the window: the words before it are cleared as it moves on. */
const RING_WORDS = 2 * REPLAY_WINDOW / 32;

/** Counters from here on are refused: numbers are exact up to 2^53, 6,000 years at 48,000 a second. */
const HIGH_MAX = 2 ** 21;

/** The window of one session. */
export class ReplayWindow {
  readonly #ring = new Uint32Array(RING_WORDS);
  /** The greatest counter that has come; -1: none has. */
  #greatest = -1;

  /**
   * Takes a counter as two words, signed or not: false where it has come already or is too old to
   * know.
   */
  accept(low: number, high: number): boolean {
    if (high >>> 0 >= HIGH_MAX) return false;
    const counter = high === 0 ? low >>> 0 : high * 2 ** 32 + (low >>> 0);
    const word = Math.floor(counter / 32);
    if (counter > this.#greatest) {
      const last = Math.floor(this.#greatest / 32);
      const first = Math.max(last + 1, word - RING_WORDS + 1);
      for (let w = first; w <= word; w++) this.#ring[w % RING_WORDS] = 0;
      this.#greatest = counter;
    } else if (this.#greatest - counter >= REPLAY_WINDOW) {
      return false;
    }
    const bit = 1 << (low & 31);
    const at = word % RING_WORDS;
    if ((this.#ring[at]! & bit) !== 0) return false;
    this.#ring[at]! |= bit;
    return true;
  }

  /** Another session begins. */
  reset(): void {
    this.#ring.fill(0);
    this.#greatest = -1;
  }
}
