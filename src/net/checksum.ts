/** The Internet checksum (RFC 1071). Pure. */

import { isSimd, SIMD_TURN_BYTES, simdSum } from "./simd.ts";

/** Up to here a call of `simdSum` does not pay. */
const SIMD_MIN_BYTES = 64;

/**
 * Adds a byte range to a one's complement sum, 16 bits at a time. An odd last
 * byte counts as the high byte of a word. The result is not yet folded. Exact
 * for up to 256 KiB (2^16 sums of 16 bits in each half) and any `initial` that
 * is a safe integer.
 *
 * The words are summed in the machine's own order, little-endian, and the sum is
 * swapped once (RFC 1071, 2 (B)): swapping every word takes half as long again.
 * In an arena of simd.ts it takes a fifth of the time.
 */
export function sum16(view: DataView, offset: number, length: number, initial = 0): number {
  let high = 0;
  let low = 0;
  let at = offset;
  if (length >= SIMD_MIN_BYTES && isSimd(view)) {
    at += length & ~(SIMD_TURN_BYTES - 1);
    low = simdSum(offset, at);
  }
  for (const end = offset + (length & ~15); at < end; at += 16) {
    const a = view.getInt32(at, true);
    const b = view.getInt32(at + 4, true);
    const c = view.getInt32(at + 8, true);
    const d = view.getInt32(at + 12, true);
    high = (high + (a >>> 16) + (b >>> 16) + (c >>> 16) + (d >>> 16)) | 0;
    low = (low + (a & 0xffff) + (b & 0xffff) + (c & 0xffff) + (d & 0xffff)) | 0;
  }
  for (const end = offset + (length & ~1); at < end; at += 2) low += view.getUint16(at, true);
  if (length & 1) low += view.getUint8(at);
  const swapped = ~foldChecksum((high >>> 0) + (low >>> 0));
  return initial + ((swapped & 0xff) << 8) + ((swapped >>> 8) & 0xff);
}

/** Folds a sum to 16 bits and complements it: what a checksum field holds. */
export function foldChecksum(sum: number): number {
  // Integer operations see 32 bits only; a larger sum is rare and folded by division first.
  let folded = sum > 0xffff_ffff ? sum % 0x1_0000 + Math.floor(sum / 0x1_0000) : sum;
  while (folded > 0xffff) folded = (folded & 0xffff) + (folded >>> 16);
  return ~folded & 0xffff;
}

/** What to add to a sum to take a 16-bit word out of it: its complement (RFC 1624). */
export function minus(word: number): number {
  return ~word & 0xffff;
}
