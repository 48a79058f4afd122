/** How fast packets and bytes go by, from samples of their counters. Pure. */

import { RATE_SAMPLE_INTERVAL_MS } from "../../base/limits.ts";

/** Counters of one way. */
export interface Count {
  readonly packets: number;
  readonly bytes: number;
}

/** Counters at one time: both ways of each key. */
export interface Sample {
  /** On a monotonic clock. */
  readonly at_ms: number;
  readonly counts: ReadonlyMap<string, { readonly outbound: Count; readonly inbound: Count }>;
}

/** Per second, one way. */
export interface Rate {
  readonly packets_per_second: number;
  readonly bits_per_second: number;
}

const NONE: Rate = { packets_per_second: 0, bits_per_second: 0 };

function rateOf(before: Count, now: Count, elapsed_ms: number): Rate {
  const packets = now.packets - before.packets;
  const bytes = now.bytes - before.bytes;
  // Fewer than before: the key has changed hands.
  if (elapsed_ms <= 0 || packets < 0 || bytes < 0) return NONE;
  return {
    packets_per_second: packets * 1000 / elapsed_ms,
    bits_per_second: bytes * 8000 / elapsed_ms,
  };
}

/**
 * Keeps the last two samples. A rate is taken between them: what the kernel counts is known as of a
 * sample only, so that a later moment would make it look slower.
 */
export class RateMeter {
  #older: Sample | undefined;
  #newer: Sample | undefined;

  /** Takes in a sample; one that comes too early after the last is left out. */
  add(sample: Sample): void {
    const since_ms = this.#newer ? sample.at_ms - this.#newer.at_ms : Infinity;
    if (since_ms < RATE_SAMPLE_INTERVAL_MS / 2) return;
    this.#older = this.#newer;
    this.#newer = sample;
  }

  /** The rates of a key; nothing for a key that was not in both samples. */
  rate(key: string): { readonly outbound: Rate; readonly inbound: Rate } {
    const from = this.#older?.counts.get(key);
    const to = this.#newer?.counts.get(key);
    if (!from || !to) return { outbound: NONE, inbound: NONE };
    const elapsed_ms = this.#newer!.at_ms - this.#older!.at_ms;
    return {
      outbound: rateOf(from.outbound, to.outbound, elapsed_ms),
      inbound: rateOf(from.inbound, to.inbound, elapsed_ms),
    };
  }
}
