/**
 * mac1, mac2 and cookies (WireGuard's paper, section 5.4.4 and 5.4.7). mac1 says
 * that a sender knows whom it calls, mac2 that it receives at the address it sends
 * from. Pure: time and random bytes come in as arguments.
 */

import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { mac } from "./hash.ts";
import { equalBytes, KEY_BYTES } from "../wire/keys.ts";
import { COOKIE_NONCE_BYTES, cookieOf, encodeCookie, macsOf, senderIndex } from "./messages.ts";
import type { LocalIdentity, PublicIdentity } from "./handshake.ts";

/** How long a responder's secret lasts, and so the longest that a cookie is worth anything. */
export const COOKIE_SECRET_MS = 120_000;
/** A cookie is not used in the last seconds: it would arrive too late. */
export const COOKIE_LATENCY_MS = 5_000;

/** `count` random bytes. */
export type RandomBytes = (count: number) => Uint8Array<ArrayBuffer>;

/** Whether mac1 of an initiation or response to `self` is right. */
export function checkMac1(self: Pick<PublicIdentity, "mac1Key">, message: Uint8Array): boolean {
  const { beforeMac1, mac1 } = macsOf(message);
  return equalBytes(mac(self.mac1Key, beforeMac1), mac1);
}

/** Responder: gives out cookies that only depend on a secret and the sender's address. */
export class CookieMaker {
  #secret: Uint8Array<ArrayBuffer> | undefined;
  #until_ms = 0;

  constructor(readonly self: LocalIdentity, readonly random: RandomBytes) {}

  #cookie(source: Uint8Array, now_ms: number): Uint8Array {
    if (!this.#secret || now_ms >= this.#until_ms) {
      this.#secret = this.random(KEY_BYTES);
      this.#until_ms = now_ms + COOKIE_SECRET_MS;
    }
    return mac(this.#secret, source);
  }

  /** Whether mac2 is right. `source` is the sender's address and port as bytes. */
  checkMac2(message: Uint8Array, source: Uint8Array, now_ms: number): boolean {
    const { beforeMac2, mac2 } = macsOf(message);
    return equalBytes(mac(this.#cookie(source, now_ms), beforeMac2), mac2);
  }

  /** A reply that tells the sender its cookie: shorter than what it answers. */
  reply(message: Uint8Array, source: Uint8Array, now_ms: number): Uint8Array<ArrayBuffer> {
    const nonce = this.random(COOKIE_NONCE_BYTES);
    const { mac1 } = macsOf(message);
    const cookie = this.#cookie(source, now_ms);
    const sealed = xchacha20poly1305(this.self.cookieKey, nonce, mac1).encrypt(cookie);
    return encodeCookie(senderIndex(message), nonce, sealed);
  }
}

/** Initiator: the cookie of one peer, and the macs of messages to it. */
export class CookieJar {
  #cookie: Uint8Array | undefined;
  #until_ms = 0;
  /** mac1 of the last message that was sent, until a reply to it has come. */
  #asked: Uint8Array | undefined;

  constructor(readonly remote: PublicIdentity) {}

  /** Writes the macs of a message that goes out now. */
  sign(message: Uint8Array<ArrayBuffer>, now_ms: number): void {
    const { beforeMac1, mac1, beforeMac2, mac2 } = macsOf(message);
    mac1.set(mac(this.remote.mac1Key, beforeMac1));
    this.#asked = mac1.slice();
    if (this.#cookie && now_ms < this.#until_ms) mac2.set(mac(this.#cookie, beforeMac2));
  }

  /** Takes a cookie reply: true where it is authentic and answers the last message. */
  take(reply: Uint8Array, now_ms: number): boolean {
    if (!this.#asked) return false;
    const { nonce, sealed } = cookieOf(reply);
    try {
      this.#cookie = xchacha20poly1305(this.remote.cookieKey, nonce, this.#asked).decrypt(sealed);
    } catch {
      return false;
    }
    this.#until_ms = now_ms + COOKIE_SECRET_MS - COOKIE_LATENCY_MS;
    this.#asked = undefined;
    return true;
  }
}
