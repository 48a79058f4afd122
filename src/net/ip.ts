/**
 * Views of IPv4 (RFC 791) and IPv6 (RFC 8200) headers in an arena: offsets, no
 * objects. Every function that reads beyond a header's fixed part checks first.
 */

import { foldChecksum, sum16 } from "./checksum.ts";

/** Size of the fixed IPv4 header. */
export const IPV4_HEADER_BYTES = 20;
/** Size of the IPv6 header. */
export const IPV6_HEADER_BYTES = 40;

/** Offsets of the IPv4 header's fields used here. */
export const IPV4 = {
  totalLength: 2,
  identification: 4,
  fragment: 6,
  ttl: 8,
  protocol: 9,
  checksum: 10,
  source: 12,
  destination: 16,
} as const;
/** Offsets of the IPv6 header's fields used here. */
export const IPV6 = {
  payloadLength: 4,
  nextHeader: 6,
  hopLimit: 7,
  source: 8,
  destination: 24,
} as const;

/** Protocol numbers (IANA). */
export const PROTOCOL = { icmp: 1, tcp: 6, udp: 17, icmpv6: 58 } as const;

/** Verdicts of `checkPacket`. */
export const PACKET = { malformed: 0, ipv4: 4, ipv6: 6 } as const;

/**
 * Whether `length` bytes at `offset` are one whole IP packet, nothing before or
 * after: PACKET.ipv4, PACKET.ipv6 or PACKET.malformed. IPv4's header checksum
 * is verified. Jumbograms (RFC 2675) do not fit a datagram and are malformed.
 */
export function checkPacket(view: DataView, offset: number, length: number): 0 | 4 | 6 {
  if (length < IPV4_HEADER_BYTES) return PACKET.malformed;
  const first = view.getUint8(offset);
  if (first >> 4 === 4) {
    const header = (first & 0xf) * 4;
    if (header < IPV4_HEADER_BYTES || header > length) return PACKET.malformed;
    if (view.getUint16(offset + IPV4.totalLength) !== length) return PACKET.malformed;
    if (foldChecksum(sum16(view, offset, header)) !== 0) return PACKET.malformed;
    return PACKET.ipv4;
  }
  if (first >> 4 === 6) {
    if (length < IPV6_HEADER_BYTES) return PACKET.malformed;
    const payload = view.getUint16(offset + IPV6.payloadLength);
    if (payload + IPV6_HEADER_BYTES !== length) return PACKET.malformed;
    return PACKET.ipv6;
  }
  return PACKET.malformed;
}

/**
 * Whether the packet at `offset` is for a group that no router passes on: 224.0.0.0/24 (RFC 5771),
 * ff01::/16 and ff02::/16 with their flags (RFC 4291).
 */
export function isLinkLocalGroup(view: DataView, offset: number, version: 4 | 6): boolean {
  if (version === 4) return view.getUint32(offset + IPV4.destination) >>> 8 === 0xe0_0000;
  const word = view.getUint16(offset + IPV6.destination);
  const scope = word & 0xf;
  return word >>> 8 === 0xff && (scope === 1 || scope === 2);
}

/** Whether an IPv4 address (as a number) is multicast (224/4) or the limited broadcast. */
export function isGroup4(address: number): boolean {
  return address >= 0xe000_0000 && address < 0xf000_0000 || address === 0xffff_ffff;
}
