/** BLAKE2s (RFC 7693), HMAC and the key derivation of WireGuard's paper, section 5.4. Pure. */

import { blake2s } from "@noble/hashes/blake2.js";
import { hmac } from "@noble/hashes/hmac.js";

/** Bytes of a hash, and of a key that is derived. */
export const HASH_BYTES = 32;
/** Bytes of a keyed hash that authenticates a message. */
export const MAC_BYTES = 16;

const EMPTY = new Uint8Array(0);

/** BLAKE2s of the parts one behind the other, 32 bytes. */
export function hash(...parts: readonly Uint8Array[]): Uint8Array {
  const state = blake2s.create({ dkLen: HASH_BYTES });
  for (const part of parts) state.update(part);
  return state.digest();
}

/** Keyed BLAKE2s of the parts one behind the other, 16 bytes. */
export function mac(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  const state = blake2s.create({ dkLen: MAC_BYTES, key });
  for (const part of parts) state.update(part);
  return state.digest();
}

/** The first `count` outputs, of 32 bytes each, of HKDF (RFC 5869) with HMAC-BLAKE2s. */
function derive(count: number, key: Uint8Array, input: Uint8Array): Uint8Array[] {
  const secret = hmac(blake2s, key, input);
  const outputs: Uint8Array[] = [];
  let last = EMPTY as Uint8Array;
  for (let i = 1; i <= count; i++) {
    last = hmac.create(blake2s, secret).update(last).update(Uint8Array.of(i)).digest();
    outputs.push(last);
  }
  secret.fill(0);
  return outputs;
}

/** Two keys from a chaining key and an input. */
export function derive2(key: Uint8Array, input: Uint8Array): readonly [Uint8Array, Uint8Array] {
  const [a, b] = derive(2, key, input);
  return [a!, b!];
}

/** Three keys from a chaining key and an input. */
export function derive3(
  key: Uint8Array,
  input: Uint8Array,
): readonly [Uint8Array, Uint8Array, Uint8Array] {
  const [a, b, c] = derive(3, key, input);
  return [a!, b!, c!];
}
