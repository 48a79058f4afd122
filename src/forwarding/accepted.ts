/**
 * What a node takes in besides its subnets: a short list of prefixes in (shared)
 * memory. They are in no route table: whose a source is, and where a packet goes,
 * does not depend on them. Looked at only for what is for none of its subnets.
 */

import { ACCEPTED_MAX } from "../base/limits.ts";
import type { Prefix } from "../net/prefix.ts";

/** Words of an entry: the IP version, then a mask, then what is behind it. */
const ENTRY_WORDS = 9;
const MASK_AT = 1;
const VALUE_AT = 5;

/** Bytes that a list takes, whatever it holds. */
export const ACCEPTED_BYTES: number = 4 * (1 + ENTRY_WORDS * ACCEPTED_MAX);

/** The word of a mask of so many bits that covers bits from `begin` on. */
function maskWord(length_bits: number, begin: number): number {
  const bits = Math.min(32, Math.max(0, length_bits - begin));
  return bits === 0 ? 0 : -1 << (32 - bits);
}

/** A view of a list in ACCEPTED_BYTES of memory; zeros are an empty one. */
export class AcceptedPrefixes {
  readonly #words: Int32Array;

  /** `byteOffset` is a multiple of 4. */
  constructor(buffer: ArrayBufferLike, byteOffset = 0) {
    this.#words = new Int32Array(buffer, byteOffset, ACCEPTED_BYTES / 4);
  }

  /** Writes the list. Throws a RangeError if it is longer than ACCEPTED_MAX. */
  write(prefixes: readonly Prefix[]): void {
    if (prefixes.length > ACCEPTED_MAX) throw new RangeError(`more than ${ACCEPTED_MAX} prefixes`);
    const words = this.#words;
    words[0] = prefixes.length;
    prefixes.forEach(({ version, bytes, length_bits }, i) => {
      const at = 1 + i * ENTRY_WORDS;
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      words[at] = version;
      for (let word = 0; 4 * word < bytes.length; word++) {
        words[at + MASK_AT + word] = maskWord(length_bits, 32 * word);
        words[at + VALUE_AT + word] = view.getInt32(4 * word);
      }
    });
  }

  /** Whether an address of that IP version, at `at` of `view`, lies in one of them. */
  has(view: DataView, at: number, version: 4 | 6): boolean {
    const words = this.#words;
    const size = version === 4 ? 1 : 4;
    const end = 1 + words[0]! * ENTRY_WORDS;
    for (let entry = 1; entry < end; entry += ENTRY_WORDS) {
      if (words[entry] !== version) continue;
      let differs = 0;
      for (let word = 0; word < size; word++) {
        const value = words[entry + VALUE_AT + word]!;
        differs |= (view.getInt32(at + 4 * word) ^ value) & words[entry + MASK_AT + word]!;
      }
      if (differs === 0) return true;
    }
    return false;
  }
}
