/** ICMP echo messages: requests, and what comes back (RFC 792, RFC 4443). Pure. */

import { foldChecksum, sum16 } from "./checksum.ts";
import { IPV4, IPV4_HEADER_BYTES, PROTOCOL } from "./ip.ts";
import type { IpVersion } from "./prefix.ts";

/** Types of the request and the reply. */
const TYPES = { 4: { request: 8, reply: 0 }, 6: { request: 128, reply: 129 } } as const;
const HEADER_BYTES = 8;
/** A packet of 84 bytes over IPv4, as ping(8) sends it. */
const DATA_BYTES = 56;

/** Which request a message belongs to: two numbers of 16 bits that the sender chooses. */
export interface Echo {
  /** The same in all requests of one sender. */
  readonly identifier: number;
  /** Another one in each. */
  readonly sequence: number;
}

/**
 * An echo request without its IP header. The checksum of ICMPv6 covers the addresses, and stays 0:
 * the kernel fills it in on a raw socket (RFC 3542, 3.1).
 */
export function echoRequest(
  version: IpVersion,
  { identifier, sequence }: Echo,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(HEADER_BYTES + DATA_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, TYPES[version].request);
  view.setUint16(4, identifier);
  view.setUint16(6, sequence);
  if (version === 4) view.setUint16(2, foldChecksum(sum16(view, 0, bytes.length)));
  return bytes;
}

/** Where the ICMP message starts in what a raw socket hands out: IPv4 comes with its header. */
function messageOffset(version: IpVersion, packet: Uint8Array): number | undefined {
  if (version === 6) return 0;
  if (packet.length < IPV4_HEADER_BYTES || packet[IPV4.protocol] !== PROTOCOL.icmp) {
    return undefined;
  }
  const header = (packet[0]! & 0xf) * 4;
  return header < IPV4_HEADER_BYTES ? undefined : header;
}

/** Reads what a raw socket received; undefined if it is no echo reply. */
export function readEchoReply(version: IpVersion, packet: Uint8Array): Echo | undefined {
  const at = messageOffset(version, packet);
  if (at === undefined || packet.length < at + HEADER_BYTES) return undefined;
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  if (view.getUint8(at) !== TYPES[version].reply) return undefined;
  return { identifier: view.getUint16(at + 4), sequence: view.getUint16(at + 6) };
}
