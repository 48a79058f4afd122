/**
 * Which indices are in use, by handshakes under way and by sessions. A peer's
 * places are used in turn, so that one is free for the longest time before it is
 * used again. Pure.
 */

import { NODES_MAX, SESSION_SLOTS } from "../base/limits.ts";
import { indexFor, peerOf, placeOf, SESSION_PLACES } from "../forwarding/session_index.ts";

/** The table. 0 is never an index: it means a free place. */
export class IndexTable {
  readonly #indices = new Uint32Array(SESSION_PLACES);
  readonly #next = new Uint8Array(NODES_MAX);

  /** `random` gives unsigned 32-bit numbers that nobody can guess. */
  constructor(readonly random: () => number) {}

  /** A fresh index for a peer; undefined where all its places are in use. */
  take(peer: number): number | undefined {
    for (let tries = 0; tries < SESSION_SLOTS; tries++) {
      const slot = this.#next[peer]!;
      this.#next[peer] = (slot + 1) % SESSION_SLOTS;
      const place = peer * SESSION_SLOTS + slot;
      if (this.#indices[place] !== 0) continue;
      let index = 0;
      while (index === 0) index = indexFor(peer, slot, this.random());
      this.#indices[place] = index;
      return index;
    }
    return undefined;
  }

  /** The peer that an index belongs to, or undefined where it is not in use. */
  find(index: number): number | undefined {
    const place = placeOf(index);
    return index !== 0 && this.#indices[place] === index ? peerOf(place) : undefined;
  }

  /** Ends the use of an index. */
  release(index: number): void {
    if (this.find(index) !== undefined) this.#indices[placeOf(index)] = 0;
  }
}
