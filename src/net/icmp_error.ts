/**
 * The errors a router answers with: ICMP (RFC 792, RFC 1191, RFC 1812) and
 * ICMPv6 (RFC 4443). Pure: bytes in, bytes out.
 */

import { foldChecksum, sum16 } from "./checksum.ts";
import {
  IPV4,
  IPV4_HEADER_BYTES,
  IPV6,
  IPV6_HEADER_BYTES,
  isGroup4,
  PACKET,
  PROTOCOL,
} from "./ip.ts";

/** What went wrong with a packet, as a router says it. */
export type IcmpReason = "noRoute" | "tooBig";

/** ICMP type and code: RFC 792 (3/0 net unreachable, 3/4 fragmentation needed). */
const ICMP4 = { noRoute: [3, 0], tooBig: [3, 4] } as const;
/** ICMPv6 type and code: RFC 4443 (1/0 no route to destination, 2/0 packet too big). */
const ICMP6 = { noRoute: [1, 0], tooBig: [2, 0] } as const;

const ICMP_HEADER_BYTES = 8;
/** RFC 1812, 4.3.2.3: as much of the packet as fits an answer of 576 bytes. */
const ERROR4_MAX_BYTES = 576;
/** RFC 4443, 2.4 (c): as much as fits the minimum IPv6 MTU. */
const ERROR6_MAX_BYTES = 1280;
/** Room that `writeIcmpError` may need. */
export const ICMP_ERROR_MAX_BYTES: number = ERROR6_MAX_BYTES;

const TTL = 64;

/** ICMP types that are errors themselves, never answered (RFC 1122, 3.2.2). */
function isIcmpv4Error(type: number): boolean {
  return type === 3 || type === 4 || type === 5 || type === 11 || type === 12;
}

function mayAnswer4(view: DataView, offset: number, length: number): boolean {
  const header = (view.getUint8(offset) & 0xf) * 4;
  const source = view.getUint32(offset + IPV4.source);
  if (source === 0 || source >>> 24 === 127 || source >= 0xe000_0000) return false;
  if (isGroup4(view.getUint32(offset + IPV4.destination))) return false;
  // Only the first fragment is answered.
  if ((view.getUint16(offset + IPV4.fragment) & 0x1fff) !== 0) return false;
  if (view.getUint8(offset + IPV4.protocol) !== PROTOCOL.icmp) return true;
  return length > header && !isIcmpv4Error(view.getUint8(offset + header));
}

function mayAnswer6(view: DataView, offset: number, length: number): boolean {
  const first = view.getUint8(offset + IPV6.source);
  if (first === 0xff) return false;
  let unspecified = true;
  for (let i = 0; i < 16; i++) {
    if (view.getUint8(offset + IPV6.source + i) !== 0) unspecified = false;
  }
  if (unspecified) return false;
  // A group cannot be the answer's source.
  if (view.getUint8(offset + IPV6.destination) === 0xff) return false;
  if (view.getUint8(offset + IPV6.nextHeader) !== PROTOCOL.icmpv6) return true;
  return length > IPV6_HEADER_BYTES && view.getUint8(offset + IPV6_HEADER_BYTES) >= 128;
}

/**
 * Writes at the start of `out` the error that answers the packet at `offset`,
 * and returns its length in bytes; 0 where none may be sent (errors, groups,
 * later fragments, no usable source). The packet has passed `checkPacket` with
 * `version`. The answer comes from `own`, an address of that version, or else
 * from the packet's own destination: a switch has no address, and not every
 * host takes its own for a source of what comes in.
 */
export function writeIcmpError(
  out: DataView,
  view: DataView,
  offset: number,
  length: number,
  version: 4 | 6,
  reason: IcmpReason,
  mtu_bytes: number,
  own?: DataView,
): number {
  return version === PACKET.ipv4
    ? writeError4(out, view, offset, length, reason, mtu_bytes, own)
    : writeError6(out, view, offset, length, reason, mtu_bytes, own);
}

function copy(out: DataView, at: number, view: DataView, offset: number, length: number): void {
  for (let i = 0; i < length; i++) out.setUint8(at + i, view.getUint8(offset + i));
}

function writeError4(
  out: DataView,
  view: DataView,
  offset: number,
  length: number,
  reason: IcmpReason,
  mtu_bytes: number,
  own: DataView | undefined,
): number {
  if (!mayAnswer4(view, offset, length)) return 0;
  const room = ERROR4_MAX_BYTES - IPV4_HEADER_BYTES - ICMP_HEADER_BYTES;
  const quoted = Math.min(length, room);
  const total = IPV4_HEADER_BYTES + ICMP_HEADER_BYTES + quoted;
  out.setUint8(0, 0x45);
  out.setUint8(1, 0xc0); // internetwork control (RFC 1812, 4.3.2.5)
  out.setUint16(2, total);
  out.setUint32(4, 0);
  out.setUint8(IPV4.ttl, TTL);
  out.setUint8(IPV4.protocol, PROTOCOL.icmp);
  out.setUint16(IPV4.checksum, 0);
  const source = own ? own.getUint32(0) : view.getUint32(offset + IPV4.destination);
  out.setUint32(IPV4.source, source);
  out.setUint32(IPV4.destination, view.getUint32(offset + IPV4.source));
  out.setUint16(IPV4.checksum, foldChecksum(sum16(out, 0, IPV4_HEADER_BYTES)));
  const [type, code] = ICMP4[reason];
  const at = IPV4_HEADER_BYTES;
  out.setUint8(at, type);
  out.setUint8(at + 1, code);
  out.setUint16(at + 2, 0);
  out.setUint32(at + 4, reason === "tooBig" ? mtu_bytes & 0xffff : 0);
  copy(out, at + ICMP_HEADER_BYTES, view, offset, quoted);
  out.setUint16(at + 2, foldChecksum(sum16(out, at, total - at)));
  return total;
}

function writeError6(
  out: DataView,
  view: DataView,
  offset: number,
  length: number,
  reason: IcmpReason,
  mtu_bytes: number,
  own: DataView | undefined,
): number {
  if (!mayAnswer6(view, offset, length)) return 0;
  const room = ERROR6_MAX_BYTES - IPV6_HEADER_BYTES - ICMP_HEADER_BYTES;
  const quoted = Math.min(length, room);
  const payload = ICMP_HEADER_BYTES + quoted;
  out.setUint32(0, 0x6000_0000);
  out.setUint16(IPV6.payloadLength, payload);
  out.setUint8(IPV6.nextHeader, PROTOCOL.icmpv6);
  out.setUint8(IPV6.hopLimit, TTL);
  if (own) copy(out, IPV6.source, own, 0, 16);
  else copy(out, IPV6.source, view, offset + IPV6.destination, 16);
  copy(out, IPV6.destination, view, offset + IPV6.source, 16);
  const [type, code] = ICMP6[reason];
  const at = IPV6_HEADER_BYTES;
  out.setUint8(at, type);
  out.setUint8(at + 1, code);
  out.setUint16(at + 2, 0);
  out.setUint32(at + 4, reason === "tooBig" ? mtu_bytes : 0);
  copy(out, at + ICMP_HEADER_BYTES, view, offset, quoted);
  // The pseudo header (RFC 8200, 8.1): both addresses, the length, the next header.
  const pseudo = sum16(out, IPV6.source, 32, payload + PROTOCOL.icmpv6);
  out.setUint16(at + 2, foldChecksum(sum16(out, at, payload, pseudo)));
  return at + payload;
}
