/** The Internet checksum (RFC 1071). Pure. */

/**
 * Adds a byte range to a one's complement sum, 16 bits at a time. An odd last
 * byte counts as the high byte of a word. The result is not yet folded; it
 * stays exact for more than 2^20 words on top of a 32-bit `initial`.
 */
export function sum16(view: DataView, offset: number, length: number, initial = 0): number {
  let sum = initial;
  const end = offset + (length & ~1);
  for (let i = offset; i < end; i += 2) sum += view.getUint16(i);
  if (length & 1) sum += view.getUint8(end) << 8;
  return sum;
}

/** Folds a sum to 16 bits and complements it: what stands in a checksum field. */
export function foldChecksum(sum: number): number {
  let folded = sum % 0x1_0000 + Math.floor(sum / 0x1_0000);
  while (folded > 0xffff) folded = (folded & 0xffff) + Math.floor(folded / 0x1_0000);
  return ~folded & 0xffff;
}
