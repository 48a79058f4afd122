/** Whether a way of ChaCha20-Poly1305 works here: asked once, before it gets a key. Pure. */

import type { Arena } from "../net/simd.ts";
import { type Aead, AEAD_TAG_BYTES } from "./aead.ts";

/** Byte i of the key is 128 + i, of the text 7 * i; the counter is 0x05060708 01020304. */
const KEY = Uint8Array.from({ length: 32 }, (_, i) => 128 + i);
const [LOW, HIGH] = [0x01020304, 0x05060708];

/** Lengths around which code differs, and their tags: by OpenSSL and @noble/ciphers alike. */
const TAGS: readonly (readonly [number, string])[] = [
  [0, "872e93b229436397e4bda98d80eff9a4"],
  [15, "d41ca6901bcaab25e923ee5bfda319a4"],
  [300, "01a4c3a9982492e9456d0a53342dcd27"],
  [1024, "a890104de7abc4aec3dcf4d124ceb85c"],
];

/** Bytes of the arena that the test needs. */
export const SELF_TEST_BYTES = 1024 + AEAD_TAG_BYTES;

/** What is wrong with it, or undefined: it seals to the known tags, opens, and refuses a forged one. */
export function selfTest(aead: Aead, { bytes, start }: Arena): string | undefined {
  const made: { erase(): void }[] = [];
  try {
    const sealer = aead.sealer(KEY);
    made.push(sealer);
    const opener = aead.opener(KEY);
    made.push(opener);
    for (const [length, tag] of TAGS) {
      const end = start + length;
      for (let i = 0; i < length; i++) bytes[start + i] = 7 * i;
      sealer.seal(start, start, length, LOW, HIGH);
      if (bytes.subarray(end, end + AEAD_TAG_BYTES).toHex() !== tag) {
        return `a wrong tag for ${length} bytes`;
      }
      // A copy, as a failed opening may leave anything behind.
      const sealed = bytes.slice(start, end + AEAD_TAG_BYTES);
      bytes[end + length % AEAD_TAG_BYTES]! ^= 0x80;
      if (opener.open(start, start, length, LOW, HIGH)) {
        return `a forged tag is taken for ${length} bytes`;
      }
      bytes.set(sealed, start);
      if (!opener.open(start, start, length, LOW, HIGH)) {
        return `a right tag is refused for ${length} bytes`;
      }
      for (let i = 0; i < length; i++) {
        if (bytes[start + i] !== (7 * i & 0xff)) return `a wrong text for ${length} bytes`;
      }
    }
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    for (const one of made) one.erase();
  }
}
