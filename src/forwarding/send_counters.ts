/**
 * The counters by which messages are sealed: each is used once, by whatever lane.
 * All lanes take blocks of a session's counter in shared memory, so that what they
 * send stays close together: a receiver forgets counters that are far behind. Pure.
 */

import {
  NONCE_BLOCK,
  REJECT_AFTER_MESSAGES_HIGH,
  REJECT_AFTER_MESSAGES_LOW,
  REPLAY_WINDOW,
} from "../base/limits.ts";
import { SESSION_PLACES } from "./session_index.ts";
import { PLACE, PLACE_WORDS, sessionViews } from "./session_layout.ts";

/** Replaces the low word while its overflow is carried; no block begins there. */
const LOCKED = -1;
const WRAP = 2 ** 32;

/** The rest of a block is left out when the others are so far ahead that a receiver may refuse it. */
const LEFT_OUT_BEHIND = REPLAY_WINDOW / 2;

/** One thread's blocks. */
export class SendCounters {
  /**
   * Low word of the counter that `take` has taken, as a signed number: those are passed on without
   * an allocation.
   */
  low = 0;
  /** Its high word, the same way. */
  high = 0;
  readonly #places: Int32Array;
  /** The next counter of this thread's block of each session, and the block's end: low words. */
  readonly #next = new Uint32Array(SESSION_PLACES);
  readonly #end = new Uint32Array(SESSION_PLACES);
  readonly #high = new Int32Array(SESSION_PLACES);

  /** Counts in the memory of sessions. */
  constructor(memory: SharedArrayBuffer) {
    this.#places = sessionViews(memory).places;
  }

  /** Another session is in that place. */
  reset(place: number): void {
    this.#next[place] = this.#end[place] = 0;
  }

  /**
   * Takes the next counter of a session into `low` and `high`. False: the session has sent as many
   * messages as it ever may (REJECT_AFTER_MESSAGES), and must not send another.
   */
  take(place: number): boolean {
    const next = this.#next[place]!;
    const end = this.#end[place]!;
    const ahead = Atomics.load(this.#places, place * PLACE_WORDS + PLACE.counterLow) - end >>> 0;
    if (next === end || ahead > LEFT_OUT_BEHIND) return this.#takeBlock(place);
    this.low = next | 0;
    this.high = this.#high[place]!;
    this.#next[place] = next + 1;
    return true;
  }

  #takeBlock(place: number): boolean {
    const places = this.#places;
    const lowAt = place * PLACE_WORDS + PLACE.counterLow;
    const highAt = place * PLACE_WORDS + PLACE.counterHigh;
    while (true) {
      // The low word first: while it stays the same, the high word does.
      const seen = Atomics.load(places, lowAt);
      const high = Atomics.load(places, highAt) >>> 0;
      if (seen === LOCKED) continue; // Another thread is between two stores, every 2^32 messages.
      const low = seen >>> 0;
      const last = high === REJECT_AFTER_MESSAGES_HIGH;
      const end = last ? Math.min(low + NONCE_BLOCK, REJECT_AFTER_MESSAGES_LOW) : low + NONCE_BLOCK;
      if (end <= low) return false;
      if (end < WRAP) {
        if (Atomics.compareExchange(places, lowAt, seen, end | 0) !== seen) continue;
      } else {
        if (Atomics.compareExchange(places, lowAt, seen, LOCKED) !== seen) continue;
        Atomics.store(places, highAt, high + 1 | 0);
        Atomics.store(places, lowAt, 0);
      }
      this.low = seen;
      this.high = high | 0;
      this.#next[place] = low + 1;
      this.#end[place] = end;
      this.#high[place] = high;
      return true;
    }
  }
}
