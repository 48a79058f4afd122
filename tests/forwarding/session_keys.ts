/** Sessions whose keys follow from their index, so that a torn one is seen. */

import type { NewSession } from "../../src/forwarding/sessions.ts";

/** A key that only fits this index and direction. */
export function keyOf(index: number, direction: 1 | 2): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(8);
  let state = index ^ direction << 30;
  for (let i = 0; i < 8; i++) {
    words[i] = state = Math.imul(state ^ state >>> 15, 0x2c1b3c6d) + i | 1;
  }
  return new Uint8Array(words.buffer);
}

/** The session of an index. */
export const sessionOf = (index: number): NewSession => ({
  index,
  remoteIndex: ~index >>> 0,
  sendKey: keyOf(index, 1),
  receiveKey: keyOf(index, 2),
});
