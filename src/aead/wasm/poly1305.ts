/**
 * Poly1305 (RFC 8439, section 2.5) as WebAssembly: the sum h in limbs of 32 bits,
 * each in a variable of 64, multiplied by r modulo 2^130 - 5. Pure.
 *
 * Bounds, block by block: h0 < 2^33.1, h1 to h3 < 2^32, h4 < 4; a word of the message
 * adds 2^32, and 1 to h4; r's limbs are below 2^28 (they are clamped), s's below
 * 1.25 * 2^28. So each sum of products is below 5.4 * 2^61: none overflows. What is
 * then carried into h4 is below 2^31.9, and times 5/4 leaves h0 below 2^33.1.
 */

import { type Code, i32, i64, type Local, type Locals, TYPE } from "./emit.ts";

/** Bytes of a block. */
export const POLY_BLOCK_BYTES = 16;

const MASK_32 = 2 ** 32 - 1;

/** The variables. */
export interface Poly {
  /** The sum, five limbs. */
  readonly h: readonly Local[];
  /** The key's first half, four limbs. */
  readonly r: readonly Local[];
  /** r1 to r3 times 5/4: what is carried over 2^130 comes back times 5; s[0] is not used. */
  readonly s: readonly Local[];
  /** Sums of products. */
  readonly d: readonly Local[];
}

/** The variables of a sum. */
export const polyLocals = (locals: Locals): Poly => ({
  h: locals.row(TYPE.i64, 5),
  r: locals.row(TYPE.i64, 4),
  s: locals.row(TYPE.i64, 4),
  d: locals.row(TYPE.i64, 4),
});

/** Takes the key's first half at an address; the sum is zero. */
export function beginPoly({ h, r, s }: Poly, key: Code): Code {
  return [
    h.map((limb) => limb.set(i64.const(0))),
    r.map((limb, i) =>
      limb.set(i64.and(i64.loadU32(key, 4 * i), i64.const(i === 0 ? 0x0fffffff : 0x0ffffffc)))
    ),
    [1, 2, 3].map((i) => s[i]!.set(i64.add(r[i]!.get, i64.shrU(r[i]!.get, i64.const(2))))),
  ];
}

/** Adds the block at an address, whole, and multiplies. */
export function polyBlock({ h, r, s, d }: Poly, at: Code, offset = 0): Code {
  const sum = (...terms: readonly Code[]): Code => terms.reduce((a, b) => i64.add(a, b));
  const by = (limb: number, factor: Local): Code => i64.mul(h[limb]!.get, factor.get);
  const low = (value: Code): Code => i64.and(value, i64.const(MASK_32));
  const high = (value: Code): Code => i64.shrU(value, i64.const(32));
  const [d0, d1, d2, d3] = d as readonly [Local, Local, Local, Local];
  const [h0, h1, h2, h3, h4] = h as readonly [Local, Local, Local, Local, Local];
  const [r0, r1, r2, r3] = r as readonly [Local, Local, Local, Local];
  const [, s1, s2, s3] = s as readonly [Local, Local, Local, Local];
  return [
    [0, 1, 2, 3].map((i) => h[i]!.set(i64.add(h[i]!.get, i64.loadU32(at, offset + 4 * i)))),
    h4.set(i64.add(h4.get, i64.const(1))), // 2^128
    // Each sum takes the carry of the one before at once: few numbers are alive at a time. What
    // hangs on h0 comes last in each, since h0 is ready last.
    d0.set(sum(by(1, s3), by(2, s2), by(3, s1), by(0, r0))),
    d1.set(sum(by(1, r0), by(2, s3), by(3, s2), by(4, s1), by(0, r1), high(d0.get))),
    d2.set(sum(by(1, r1), by(2, r0), by(3, s3), by(4, s2), by(0, r2), high(d1.get))),
    d3.set(sum(by(1, r2), by(2, r1), by(3, r0), by(4, s3), by(0, r3), high(d2.get))),
    h4.set(i64.add(by(4, r0), high(d3.get))),
    // What is at 2^130 and above comes back times 5: (h4 >> 2) * 5.
    h0.set(
      i64.add(
        low(d0.get),
        i64.add(i64.shrU(h4.get, i64.const(2)), i64.and(h4.get, i64.const(-4))),
      ),
    ),
    h1.set(low(d1.get)),
    h2.set(low(d2.get)),
    h3.set(low(d3.get)),
    h4.set(i64.and(h4.get, i64.const(3))),
  ];
}

/**
 * Ends the sum: reduces it, adds the key's second half, and leaves the tag in d[0] (its first 8
 * bytes) and d[1]. `key` is the address of the key's 32 bytes.
 */
export function finishPoly({ h, d }: Poly, key: Code): Code {
  const [h0, h1, h2, h3, h4] = h as readonly [Local, Local, Local, Local, Local];
  const [g0, g1, g2, g3] = d as readonly [Local, Local, Local, Local];
  const low = (value: Code): Code => i64.and(value, i64.const(MASK_32));
  const high = (value: Code): Code => i64.shrU(value, i64.const(32));
  const carry = (from: Local, to: Local): Code => [
    to.set(i64.add(to.get, high(from.get))),
    from.set(low(from.get)),
  ];
  const carried = [carry(h0, h1), carry(h1, h2), carry(h2, h3), carry(h3, h4)];
  // g = h + 5: if that reaches 2^130, h is not below the modulus, and g without 2^130 is h - p.
  const plusFive = [
    g0.set(i64.add(h0.get, i64.const(5))),
    g1.set(i64.add(h1.get, high(g0.get))),
    g2.set(i64.add(h2.get, high(g1.get))),
    g3.set(i64.add(h3.get, high(g2.get))),
  ];
  // All ones where h stays, zeros where g is taken: no branch depends on secrets.
  const keep = i64.add(
    i64.shrU(i64.add(h4.get, high(g3.get)), i64.const(2)),
    i64.const(-1),
  );
  const taken = [[h0, g0], [h1, g1], [h2, g2], [h3, g3]].map(([kept, other]) =>
    kept!.set(
      low(i64.xor(other!.get, i64.and(i64.xor(kept!.get, other!.get), h4.get))),
    )
  );
  const added = [h0, h1, h2, h3].map((limb, i) =>
    limb.set(i64.add(limb.get, i64.loadU32(key, 16 + 4 * i)))
  );
  const pair = (a: Local, b: Local): Code => i64.or(a.get, i64.mul(low(b.get), i64.const(2 ** 32)));
  return [
    carried,
    // h4 may have grown by a bit: once more over 2^130.
    h0.set(i64.add(h0.get, i64.mul(i64.shrU(h4.get, i64.const(2)), i64.const(5)))),
    h4.set(i64.and(h4.get, i64.const(3))),
    carried,
    plusFive,
    h4.set(keep),
    taken,
    added,
    carry(h0, h1),
    carry(h1, h2),
    carry(h2, h3),
    g0.set(pair(h0, h1)),
    g1.set(pair(h2, h3)),
  ];
}

/** Adds all whole blocks from `at` (a variable) up to `end`; at least one. */
export const polyBlocks = (poly: Poly, at: Local, end: Code): Code => [
  [0x03, 0x40],
  polyBlock(poly, at.get),
  at.set(i32.add(at.get, i32.const(POLY_BLOCK_BYTES))),
  i32.ltU(at.get, end),
  [0x0d, 0],
  0x0b,
];
