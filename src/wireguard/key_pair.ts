/** A new private key and its public one. Pure but for the randomness, which comes in. */

import { clamp, formatKey } from "../wire/keys.ts";
import { PrivateKey } from "./x25519.ts";

/** Both in base64, as `wg genkey` and `wg pubkey` print them. */
export interface KeyPair {
  readonly privateKey: string;
  readonly publicKey: string;
}

/** The pair of 32 random bytes, which are clamped in place. */
export function keyPairOf(random: Uint8Array<ArrayBuffer>): KeyPair {
  const key = clamp(random);
  return { privateKey: formatKey(key), publicKey: formatKey(new PrivateKey(key).publicKey) };
}
