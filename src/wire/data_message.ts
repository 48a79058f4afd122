/**
 * A data message of WireGuard (its paper, section 5.4.6), as lanes see it: type,
 * the receiver's index, the counter as two words, then the sealed packet and its
 * tag. All numbers are little-endian. Pure.
 */

/** The first four bytes: type 4 and three zeros. */
export const DATA_TYPE = 4 as const;

/** Where each field is. */
export const DATA = { receiver: 4, counterLow: 8, counterHigh: 12, text: 16 } as const;

/** Bytes of a data message without a packet: a keepalive. */
export const DATA_MESSAGE_MIN_BYTES = 32;

/** Bytes of a data message that carries a packet of `length` bytes, padding included. */
export const dataMessageBytes = (length: number): number => DATA_MESSAGE_MIN_BYTES + length;

/** A packet's length padded to a multiple of 16, yet never beyond the MTU of its peer. */
export function paddedLength(length: number, mtu_bytes: number): number {
  const padded = (length + 15) & ~15;
  return padded > mtu_bytes ? Math.max(length, mtu_bytes) : padded;
}
