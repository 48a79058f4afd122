/**
 * What splitting and merging have to come to, the slow and obvious way: packets
 * are byte arrays, fields are read where the RFCs draw them (IPv4: 791, IPv6:
 * 8200, TCP: 9293, UDP: 768, ECN: 3168), and the header before a packet is read
 * as virtio 1.2, 5.1.6, draws it. Shares no code with src/.
 */

import { assert, assertEquals } from "../assert.ts";
import { slowChecksum } from "../fakes/packets.ts";

/** Size of the virtio header. */
export const VIRTIO_BYTES = 10;

/** Segments that every kernel takes in one super-packet of UDP (UDP_MAX_SEGMENTS before 6.8). */
export const UDP_SEGMENTS_MAX = 64;

const FIN_PSH = 0x09;
const CWR = 0x80;

/** Fields of the virtio header. */
export interface Virtio {
  readonly flags: number;
  readonly gsoType: number;
  readonly headerLength: number;
  readonly gsoSize: number;
  readonly checksumStart: number;
  readonly checksumOffset: number;
}

/** A super-packet: the header before it, and itself. */
export interface SuperPacket {
  readonly virtio: Virtio;
  readonly packet: Uint8Array;
}

/** The header before a packet that asks for nothing. */
export const NO_OFFLOAD: Virtio = {
  flags: 0,
  gsoType: 0,
  headerLength: 0,
  gsoSize: 0,
  checksumStart: 0,
  checksumOffset: 0,
};

const word = (bytes: Uint8Array, at: number) => bytes[at]! * 256 + bytes[at + 1]!;

function setWord(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = Math.floor(value / 256) % 256;
  bytes[at + 1] = value % 256;
}

const number32 = (bytes: Uint8Array, at: number) => word(bytes, at) * 65536 + word(bytes, at + 2);

/** The virtio header as bytes: its 16-bit fields are little-endian. */
export function virtioBytes(virtio: Virtio): Uint8Array<ArrayBuffer> {
  const low = (value: number) => [value % 256, Math.floor(value / 256)];
  return Uint8Array.from([
    virtio.flags,
    virtio.gsoType,
    ...low(virtio.headerLength),
    ...low(virtio.gsoSize),
    ...low(virtio.checksumStart),
    ...low(virtio.checksumOffset),
  ]);
}

/** Reads what was written to a device: a virtio header and a packet. */
export function readWritten(written: Uint8Array): SuperPacket {
  const low = (at: number) => written[at]! + 256 * written[at + 1]!;
  return {
    virtio: {
      flags: written[0]!,
      gsoType: written[1]!,
      headerLength: low(2),
      gsoSize: low(4),
      checksumStart: low(6),
      checksumOffset: low(8),
    },
    packet: written.slice(VIRTIO_BYTES),
  };
}

export const isIpv4 = (packet: Uint8Array) => packet[0]! >> 4 === 4;
/** Length of the IP header; IPv6 without extensions. */
export const ipBytes = (packet: Uint8Array) => isIpv4(packet) ? (packet[0]! & 15) * 4 : 40;
/** The protocol number after the IP header. */
export const protocolOf = (packet: Uint8Array) => packet[isIpv4(packet) ? 9 : 6]!;

const isFragment = (packet: Uint8Array) => isIpv4(packet) && word(packet, 6) % 0x4000 !== 0;

/** Length of the IP header and the TCP or UDP header. */
export function headerBytes(packet: Uint8Array): number {
  const ip = ipBytes(packet);
  return protocolOf(packet) === 6 ? ip + (packet[ip + 12]! >> 4) * 4 : ip + 8;
}

/** Where the TCP or UDP checksum is; undefined in a packet that has none. */
export function checksumField(packet: Uint8Array): number | undefined {
  if (isFragment(packet)) return undefined;
  const at = ipBytes(packet);
  if (protocolOf(packet) === 6 && packet.length >= at + 20) return at + 16;
  if (protocolOf(packet) === 17 && packet.length >= at + 8) return at + 6;
  return undefined;
}

/** The pseudo header: both addresses, the protocol, the length of what follows IP. */
function pseudoHeader(packet: Uint8Array): number[] {
  const addresses = isIpv4(packet) ? packet.slice(12, 20) : packet.slice(8, 40);
  const length = packet.length - ipBytes(packet);
  return [...addresses, 0, protocolOf(packet), Math.floor(length / 256) % 256, length % 256];
}

/** The checksum that the packet should have, whatever is in it. */
export function rightChecksum(packet: Uint8Array): number {
  const field = checksumField(packet)!;
  const copy = packet.slice();
  setWord(copy, field, 0);
  const sum = slowChecksum([...pseudoHeader(packet), ...copy.slice(ipBytes(packet))]);
  return sum === 0 && protocolOf(packet) === 17 ? 0xffff : sum;
}

/** What is in a partial checksum field: the sum of the pseudo header, not complemented. */
export function partialChecksum(packet: Uint8Array): number {
  return 0xffff - slowChecksum(pseudoHeader(packet));
}

/** A copy with the right header checksum, if it is IPv4. */
export function withIpChecksum(packet: Uint8Array): Uint8Array<ArrayBuffer> {
  const copy = Uint8Array.from(packet);
  if (!isIpv4(copy)) return copy;
  setWord(copy, 10, 0);
  setWord(copy, 10, slowChecksum(copy.slice(0, ipBytes(copy))));
  return copy;
}

/** A copy with a number in its TCP or UDP checksum. */
export function withChecksum(packet: Uint8Array, value: number): Uint8Array<ArrayBuffer> {
  const copy = Uint8Array.from(packet);
  setWord(copy, checksumField(copy)!, value);
  return copy;
}

/** A copy with its right TCP or UDP checksum. */
export const complete = (packet: Uint8Array) => withChecksum(packet, rightChecksum(packet));

/** A copy whose checksum is left to the receiver. */
export const partial = (packet: Uint8Array) => withChecksum(packet, partialChecksum(packet));

/** Total length (IPv4) or payload length (IPv6), and UDP's length, set to what they are. */
function setLengths(packet: Uint8Array): void {
  if (isIpv4(packet)) setWord(packet, 2, packet.length);
  else setWord(packet, 4, packet.length - 40);
  if (protocolOf(packet) === 17) {
    setWord(packet, ipBytes(packet) + 4, packet.length - ipBytes(packet));
  }
}

/** A copy whose first two payload bytes make its sum come to 0: UDP sends 0xffff for that. */
export function zeroSum(packet: Uint8Array): Uint8Array<ArrayBuffer> {
  const copy = Uint8Array.from(packet);
  const header = headerBytes(copy);
  setWord(copy, header, 0);
  const sum = rightChecksum(copy);
  setWord(copy, header, sum);
  return complete(copy);
}

/**
 * The super-packet that means these packets, which must be such that one
 * can: same headers, equal payloads but for a shorter last one.
 */
export function join(packets: readonly Uint8Array[]): SuperPacket {
  const first = packets[0]!;
  const last = packets[packets.length - 1]!;
  const header = headerBytes(first);
  const payloads = packets.flatMap((packet) => [...packet.slice(header)]);
  let packet = Uint8Array.from([...first.slice(0, header), ...payloads]);
  setLengths(packet);
  const tcp = protocolOf(first) === 6;
  const flags = ipBytes(first) + 13;
  if (tcp) packet[flags]! |= last[flags]! & FIN_PSH;
  packet = partial(withIpChecksum(packet));
  const ecn = tcp && (first[flags]! & CWR) !== 0 ? 0x80 : 0;
  return {
    virtio: {
      flags: 1,
      gsoType: tcp ? (isIpv4(first) ? 1 : 4) + ecn : 5,
      headerLength: header,
      gsoSize: first.length - header,
      checksumStart: ipBytes(first),
      checksumOffset: tcp ? 16 : 6,
    },
    packet,
  };
}

/** The packets that a super-packet means, with whole checksums. */
function split({ virtio, packet }: SuperPacket): Uint8Array[] {
  const header = virtio.headerLength;
  const tcp = protocolOf(packet) === 6;
  const ip = ipBytes(packet);
  const out: Uint8Array[] = [];
  for (let at = header; at < packet.length; at += virtio.gsoSize) {
    const payload = packet.slice(at, at + virtio.gsoSize);
    const one = Uint8Array.from([...packet.slice(0, header), ...payload]);
    setLengths(one);
    if (isIpv4(one)) setWord(one, 4, (word(packet, 4) + out.length) % 65536);
    if (tcp) {
      const sequence = (number32(packet, ip + 4) + at - header) % 2 ** 32;
      setWord(one, ip + 4, Math.floor(sequence / 65536));
      setWord(one, ip + 6, sequence % 65536);
      if (at > header) one[ip + 13]! &= ~CWR;
      if (at + virtio.gsoSize < packet.length) one[ip + 13]! &= ~FIN_PSH;
    }
    out.push(complete(withIpChecksum(one)));
  }
  return out;
}

/**
 * What a kernel makes of what was written to a device: the packets it means
 * for, with whole checksums where it was told to complete them. Fails on what a
 * kernel would refuse or misread (include/linux/virtio_net.h,
 * virtio_net_hdr_to_skb).
 */
export function packetsOf(written: Uint8Array): Uint8Array[] {
  const { virtio, packet } = readWritten(written);
  if (virtio.flags === 0) {
    assertEquals(virtio, NO_OFFLOAD);
    return [packet];
  }
  assertEquals(virtio.flags, 1);
  const field = checksumField(packet);
  assert(field !== undefined, "a checksum is asked for where there is none");
  assertEquals(virtio.checksumStart, ipBytes(packet));
  assertEquals(virtio.checksumStart + virtio.checksumOffset, field);
  assertEquals(word(packet, field), partialChecksum(packet), "the seed of the checksum");
  if (virtio.gsoType === 0) {
    assertEquals(virtio.gsoSize, 0);
    return [complete(packet)];
  }
  const tcp = protocolOf(packet) === 6;
  const cwr = tcp && (packet[ipBytes(packet) + 13]! & CWR) !== 0;
  assertEquals(virtio.gsoType, (tcp ? (isIpv4(packet) ? 1 : 4) : 5) + (cwr ? 0x80 : 0));
  assertEquals(virtio.headerLength, headerBytes(packet));
  const payload = packet.length - virtio.headerLength;
  assert(virtio.gsoSize > 0 && payload > virtio.gsoSize, "a super-packet has several segments");
  if (!tcp) assert(payload <= UDP_SEGMENTS_MAX * virtio.gsoSize, "too many segments");
  assertEquals(packet.length, isIpv4(packet) ? word(packet, 2) : 40 + word(packet, 4));
  if (isIpv4(packet)) assertEquals(packet, withIpChecksum(packet), "the header's checksum");
  if (!tcp) assertEquals(word(packet, ipBytes(packet) + 4), packet.length - ipBytes(packet));
  return split({ virtio, packet });
}

/** What must come of a packet that was received: itself, completed if its sender left that to us. */
export function delivered(packet: Uint8Array, mayBePartial: boolean): Uint8Array {
  const field = checksumField(packet);
  if (!mayBePartial || field === undefined) return packet;
  const at = ipBytes(packet);
  // Senders complete what has IP options: a receiver does not look behind them.
  if (packet[0]! >> 4 === 4 && at !== 20) return packet;
  const tcpHeader = (packet[at + 12]! >> 4) * 4;
  const sane = protocolOf(packet) === 6
    ? tcpHeader >= 20 && at + tcpHeader <= packet.length
    : packet[at + 4]! * 256 + packet[at + 5]! === packet.length - at;
  const left = packet[field]! * 256 + packet[field + 1]! === partialChecksum(packet);
  return sane && left ? complete(packet) : packet;
}

/**
 * Names the flow whose packets must stay in order: addresses, protocol, ports;
 * fragments, which have no ports, are a flow of their own.
 */
export function flowOf(packet: Uint8Array): string {
  const addresses = isIpv4(packet) ? packet.slice(12, 20) : packet.slice(8, 40);
  const protocol = protocolOf(packet);
  const at = ipBytes(packet);
  const ports = protocol === 6 || protocol === 17
    ? isFragment(packet) ? "fragments" : packet.slice(at, at + 4).join(".")
    : "";
  return `${addresses.join(".")} ${protocol} ${ports}`;
}

/** Packets by flow, in order. */
export function byFlow(packets: readonly Uint8Array[]): Map<string, Uint8Array[]> {
  const flows = new Map<string, Uint8Array[]>();
  for (const packet of packets) {
    const name = flowOf(packet);
    flows.set(name, [...flows.get(name) ?? [], packet]);
  }
  return flows;
}
