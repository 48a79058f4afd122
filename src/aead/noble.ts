/** ChaCha20-Poly1305 in TypeScript, where the processor has no SIMD for WebAssembly. Pure. */

import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { type Aead, AEAD_TAG_BYTES, type Opener, type Sealer } from "./aead.ts";

/** `bytes` is the whole memory that offsets count from; it is kept. */
export function nobleAead(bytes: Uint8Array): Aead {
  const nonce = new Uint8Array(12);
  const words = new DataView(nonce.buffer);
  const direction = (key: Uint8Array): Sealer & Opener => {
    const copy = key.slice();
    const cipher = (low: number, high: number) => {
      words.setUint32(4, low, true);
      words.setUint32(8, high, true);
      return chacha20poly1305(copy, nonce);
    };
    return {
      seal(to, from, length, low, high) {
        bytes.set(cipher(low, high).encrypt(bytes.slice(from, from + length)), to);
      },
      open(to, from, length, low, high) {
        try {
          const sealed = bytes.slice(from, from + length + AEAD_TAG_BYTES);
          bytes.set(cipher(low, high).decrypt(sealed), to);
          return true;
        } catch {
          return false;
        }
      },
      erase: () => void copy.fill(0),
    };
  };
  return { name: "typescript", sealer: direction, opener: direction };
}
