/**
 * TCP (RFC 9293) and UDP (RFC 768) headers in an arena, and their checksums
 * over the pseudo header (RFC 9293, 3.1; RFC 8200, 8.1). Pure.
 */

import { foldChecksum, sum16 } from "./checksum.ts";
import { IPV4, IPV4_HEADER_BYTES, IPV6, IPV6_HEADER_BYTES, PROTOCOL } from "./ip.ts";

/** Size of the fixed TCP header. */
export const TCP_HEADER_BYTES = 20;
/** Size of the UDP header. */
export const UDP_HEADER_BYTES = 8;

/** Offsets in a TCP header. */
export const TCP = {
  ports: 0,
  sequence: 4,
  acknowledgment: 8,
  dataOffset: 12,
  flags: 13,
  window: 14,
  checksum: 16,
  urgent: 18,
} as const;

/** Offsets in a UDP header. */
export const UDP = { ports: 0, length: 4, checksum: 6 } as const;

/** TCP flags. */
export const TCP_FLAG = {
  fin: 0x01,
  syn: 0x02,
  rst: 0x04,
  psh: 0x08,
  ack: 0x10,
  urg: 0x20,
  ece: 0x40,
  cwr: 0x80,
} as const;

/** Length of an IP header whose packet has passed `checkPacket`; IPv6 without extensions. */
export function ipHeaderBytes(view: DataView, offset: number, version: 4 | 6): number {
  return version === 4 ? (view.getUint8(offset) & 0xf) * 4 : IPV6_HEADER_BYTES;
}

/** The protocol after an IP header; for IPv6 the next header, which may be an extension. */
export function ipProtocol(view: DataView, offset: number, version: 4 | 6): number {
  return view.getUint8(offset + (version === 4 ? IPV4.protocol : IPV6.nextHeader));
}

/** Offset of the checksum field in the transport header, or -1 if the protocol is neither TCP nor UDP. */
export function checksumFieldOf(protocol: number): number {
  return protocol === PROTOCOL.tcp ? TCP.checksum : protocol === PROTOCOL.udp ? UDP.checksum : -1;
}

/** The unfolded sum of the pseudo header: addresses, protocol, and `length` of the transport part. */
export function pseudoSum(
  view: DataView,
  offset: number,
  version: 4 | 6,
  protocol: number,
  length: number,
): number {
  return version === 4
    ? sum16(view, offset + IPV4.source, 8, protocol + length)
    : sum16(view, offset + IPV6.source, 32, protocol + length);
}

/** Folds a sum to 16 bits without complementing it: what a partial checksum field holds. */
export function foldPartial(sum: number): number {
  return ~foldChecksum(sum) & 0xffff;
}

/**
 * What a packet's transport checksum is: `partial` (the pseudo header's sum, to
 * be completed), `right`, or `wrong`. A whole checksum that happens to equal the
 * pseudo header's sum counts as partial; completing it gives the same value.
 */
export type ChecksumState = "partial" | "right" | "wrong";

/** Judges the checksum field at `field`; `length` transport bytes start at `start`. */
export function checksumState(
  view: DataView,
  offset: number,
  version: 4 | 6,
  protocol: number,
  start: number,
  length: number,
  field: number,
): ChecksumState {
  const seed = pseudoSum(view, offset, version, protocol, length);
  if (view.getUint16(field) === foldPartial(seed)) return "partial";
  return foldChecksum(sum16(view, start, length, seed)) === 0 ? "right" : "wrong";
}

/** Whether an IPv4 packet is a fragment (its transport header may lack or its data be cut). */
export function isFragment4(view: DataView, offset: number): boolean {
  return (view.getUint16(offset + IPV4.fragment) & 0x3fff) !== 0;
}

/** Smallest IP header of a version. */
export function fixedIpHeaderBytes(version: 4 | 6): number {
  return version === 4 ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES;
}
