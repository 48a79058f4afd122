/**
 * Seeded random numbers, so that a failing fuzz or property test can be run
 * again, and the factor by which TUNNET_FUZZ_MULTIPLIER lengthens such tests.
 */

/** A stream of pseudo-random values that depends on its seed alone. */
export interface Random {
  /** An unsigned 32-bit number. */
  u32(): number;
  /** A whole number from 0 to n - 1; n is from 1 to 2^32. */
  below(n: number): number;
  /** `n` bytes. */
  bytes(n: number): Uint8Array<ArrayBuffer>;
  /** One of the values. The list is not empty. */
  pick<T>(values: readonly T[]): T;
}

/** splitmix32: a Weyl sequence through a mixing function; every seed gives a full period. */
export function random(seed: number): Random {
  let state = seed >>> 0;
  const u32 = (): number => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
  const below = (n: number): number => Math.floor(u32() / 0x1_0000_0000 * n);
  return {
    u32,
    below,
    bytes(n) {
      const out = new Uint8Array(n);
      for (let i = 0; i < n; i++) out[i] = u32();
      return out;
    },
    pick<T>(values: readonly T[]): T {
      return values[below(values.length)]!;
    },
  };
}

/** How many times longer than by default a fuzz test runs: TUNNET_FUZZ_MULTIPLIER, else 1. */
export function fuzzMultiplier(): number {
  const text = Deno.env.get("TUNNET_FUZZ_MULTIPLIER");
  if (text === undefined || text === "") return 1;
  const factor = Number(text);
  if (!(factor > 0 && factor <= 1e6)) {
    throw new Error(`TUNNET_FUZZ_MULTIPLIER is ${JSON.stringify(text)}: expected a number over 0`);
  }
  return factor;
}
