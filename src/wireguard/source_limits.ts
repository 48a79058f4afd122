/**
 * How many handshakes one source may begin: a token bucket for each IPv4 address
 * and each IPv6 /64, in a table that is bounded. Pure.
 */

import { HANDSHAKE_BURST, HANDSHAKE_SOURCES_MAX, HANDSHAKES_PER_S } from "../base/limits.ts";

interface Bucket {
  tokens: number;
  last_ms: number;
}

const isMapped = (address: Uint8Array): boolean =>
  address.length === 16 && address[10] === 0xff && address[11] === 0xff &&
  address.subarray(0, 10).every((byte) => byte === 0);

/** What a source is counted as: whoever has one address of a /64 has them all. */
function nameOf(address: Uint8Array): string {
  const part = isMapped(address)
    ? address.subarray(12)
    : address.length === 16
    ? address.subarray(0, 8)
    : address;
  return String.fromCharCode(...part);
}

/** The buckets of all sources. */
export class SourceLimits {
  /** In the order in which they were last asked. */
  readonly #buckets = new Map<string, Bucket>();

  constructor(
    readonly perSecond = HANDSHAKES_PER_S,
    readonly burst = HANDSHAKE_BURST,
    readonly sources_max = HANDSHAKE_SOURCES_MAX,
  ) {}

  /** Sources that are remembered. */
  get size(): number {
    return this.#buckets.size;
  }

  /** Whether an address of 4 or 16 bytes may begin one more handshake now. */
  take(address: Uint8Array, now_ms: number): boolean {
    const name = nameOf(address);
    const bucket = this.#buckets.get(name) ?? { tokens: this.burst, last_ms: now_ms };
    const gained = Math.max(0, now_ms - bucket.last_ms) * this.perSecond / 1000;
    bucket.tokens = Math.min(this.burst, bucket.tokens + gained);
    bucket.last_ms = now_ms;
    this.#buckets.delete(name);
    this.#buckets.set(name, bucket);
    if (this.#buckets.size > this.sources_max) {
      const oldest = this.#buckets.keys().next().value;
      if (oldest !== undefined) this.#buckets.delete(oldest);
    }
    if (bucket.tokens < 1) return false;
    bucket.tokens--;
    return true;
  }
}
