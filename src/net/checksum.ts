/** The Internet checksum (RFC 1071). Pure. */

/**
 * Adds a byte range to a one's complement sum, 16 bits at a time. An odd last
 * byte counts as the high byte of a word. The result is not yet folded; it
 * stays exact for more than 2^20 words on top of a 32-bit `initial`.
 */
export function sum16(view: DataView, offset: number, length: number, initial = 0): number {
  let sum = initial;
  const end = offset + (length & ~1);
  let at = offset;
  // Two words a turn: half the loads, which are what it waits for.
  for (; at + 4 <= end; at += 4) {
    const pair = view.getInt32(at);
    sum += (pair >>> 16) + (pair & 0xffff);
  }
  if (at < end) sum += view.getUint16(at);
  if (length & 1) sum += view.getUint8(end) << 8;
  return sum;
}

/** Folds a sum to 16 bits and complements it: what stands in a checksum field. */
export function foldChecksum(sum: number): number {
  // Integer operations see 32 bits only; a larger sum is rare and folded by division first.
  let folded = sum > 0xffff_ffff ? sum % 0x1_0000 + Math.floor(sum / 0x1_0000) : sum;
  while (folded > 0xffff) folded = (folded & 0xffff) + (folded >>> 16);
  return ~folded & 0xffff;
}
