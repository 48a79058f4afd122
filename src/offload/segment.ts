/**
 * Splits a super-packet (TSO, USO) that the kernel handed out in one piece into
 * packets of the path's size: only new headers are written, the payload stays
 * where it is. Pure.
 */

import { foldChecksum, minus, sum16 } from "../net/checksum.ts";
import { ETHERNET_HEADER_BYTES } from "../net/ethernet.ts";
import { checkPacket, IPV4, IPV6, IPV6_HEADER_BYTES, PACKET, PROTOCOL } from "../net/ip.ts";
import {
  fixedIpHeaderBytes,
  foldPartial,
  ipHeaderBytes,
  ipProtocol,
  pseudoSum,
  TCP,
  TCP_FLAG,
  TCP_HEADER_BYTES,
  UDP,
  UDP_HEADER_BYTES,
} from "../net/transport.ts";
import { VNET, VNET_GSO, VNET_NEEDS_CHECKSUM } from "./vnet.ts";

/**
 * Room that `writeHeader` may need: Ethernet (14) with two VLAN tags (8), IPv4 (60) and TCP (60)
 * with all options, rounded up; for IPv6 that leaves 128 bytes to extensions, and a super-packet
 * with more is refused.
 */
export const SPLIT_HEADER_MAX_BYTES = 256;

/** IPv6 extensions that may come before TCP or UDP: hop-by-hop, routing, destination (RFC 8200, 4). */
const EXTENSIONS: readonly number[] = [0, 43, 60];

/** What `begin` answers when the super-packet contradicts itself. */
export const SPLIT_MALFORMED = 0;

/** One super-packet at a time; the same object serves all packets of a lane. */
export class Splitter {
  /** Headers of each segment, in bytes; a frame's Ethernet header included. */
  header_bytes = 0;
  #view: DataView = new DataView(new ArrayBuffer(0));
  /** Where the headers start: at the IP header, or at the Ethernet header before it. */
  #start = 0;
  #ethernet_bytes = 0;
  #version: 4 | 6 = 4;
  #protocol = 0;
  #ip_bytes = 0;
  #payload_bytes = 0;
  #segment_bytes = 0;
  #segments = 0;
  #pseudo = 0;
  #ipSum = 0;
  #identification = 0;
  /** Signed: an unsigned number may be too large to be kept without allocation. */
  #sequence = 0;
  #flags = 0;

  /**
   * Takes the super-packet of `length` bytes at `offset`, whose virtio header
   * is at `vnetAt`. In a frame, `ethernet_bytes` of Ethernet header come before
   * the packet. Returns the number of segments, or SPLIT_MALFORMED.
   */
  begin(
    view: DataView,
    offset: number,
    length: number,
    vnetAt: number,
    ethernet_bytes = 0,
  ): number {
    this.#segments = SPLIT_MALFORMED;
    const version = checkPacket(view, offset, length);
    if (version === PACKET.malformed) return SPLIT_MALFORMED;
    const type = view.getUint8(vnetAt + VNET.gsoType) & ~VNET_GSO.ecn;
    const checksumStart = view.getUint16(vnetAt + VNET.checksumStart, true) - ethernet_bytes;
    const extended = version === 6 && checksumStart > IPV6_HEADER_BYTES;
    const protocol = extended
      ? protocolBehindExtensions(view, offset, length, checksumStart)
      : ipProtocol(view, offset, version);
    const wanted = type === VNET_GSO.udp ? PROTOCOL.udp : PROTOCOL.tcp;
    const versionOk = type === VNET_GSO.udp ||
      type === (version === 4 ? VNET_GSO.tcp4 : VNET_GSO.tcp6);
    if (protocol !== wanted || !versionOk) return SPLIT_MALFORMED;
    const ip_bytes = extended ? checksumStart : ipHeaderBytes(view, offset, version);
    const partial = (view.getUint8(vnetAt + VNET.flags) & VNET_NEEDS_CHECKSUM) !== 0;
    if (!partial || checksumStart !== ip_bytes) return SPLIT_MALFORMED;

    const transport = offset + ip_bytes;
    const fixed = protocol === PROTOCOL.tcp ? TCP_HEADER_BYTES : UDP_HEADER_BYTES;
    if (ip_bytes + fixed > length) return SPLIT_MALFORMED;
    const transport_bytes = protocol === PROTOCOL.tcp
      ? (view.getUint8(transport + TCP.dataOffset) >> 4) * 4
      : UDP_HEADER_BYTES;
    if (transport_bytes < fixed || ip_bytes + transport_bytes > length) return SPLIT_MALFORMED;
    const header_bytes = ethernet_bytes + ip_bytes + transport_bytes;
    if (header_bytes > SPLIT_HEADER_MAX_BYTES) return SPLIT_MALFORMED;
    const segment_bytes = view.getUint16(vnetAt + VNET.gsoSize, true);
    if (segment_bytes === 0) return SPLIT_MALFORMED;

    this.#view = view;
    this.#start = offset - ethernet_bytes;
    this.#ethernet_bytes = ethernet_bytes;
    this.#version = version;
    this.#protocol = protocol;
    this.#ip_bytes = ip_bytes;
    this.header_bytes = header_bytes;
    this.#payload_bytes = length - ip_bytes - transport_bytes;
    this.#segment_bytes = segment_bytes;
    if (extended) {
      // A routing header hides the destination that is summed: the seed knows it (and the length).
      const field = protocol === PROTOCOL.tcp ? TCP.checksum : UDP.checksum;
      this.#pseudo = view.getUint16(transport + field) + 0xffff - (length - ip_bytes) % 0xffff;
    } else this.#pseudo = pseudoSum(view, offset, version, protocol, 0);
    if (version === 4) {
      this.#identification = view.getUint16(offset + IPV4.identification);
      // The header's sum without what differs: total length, identification, checksum.
      this.#ipSum = sum16(view, offset, ip_bytes) +
        minus(view.getUint16(offset + IPV4.totalLength)) + minus(this.#identification) +
        minus(view.getUint16(offset + IPV4.checksum));
    }
    if (protocol === PROTOCOL.tcp) {
      this.#sequence = view.getInt32(transport + TCP.sequence);
      this.#flags = view.getUint8(transport + TCP.flags);
    }
    this.#segments = Math.max(1, Math.ceil(this.#payload_bytes / segment_bytes));
    return this.#segments;
  }

  /** Where the payload of segment i starts in the arena. */
  payloadOffset(i: number): number {
    return this.#start + this.header_bytes + i * this.#segment_bytes;
  }

  /** Payload of segment i in bytes: gso_size, or what is left for the last. */
  payloadLength(i: number): number {
    return Math.min(this.#segment_bytes, this.#payload_bytes - i * this.#segment_bytes);
  }

  /**
   * Writes the headers of segment i at `at` of `out`, `header_bytes` of them. `complete` asks for a
   * whole transport checksum, else it stays partial: the pseudo header's sum. They may take the
   * place of the super-packet's own headers (segment 0), and that of payload, which is then lost.
   */
  writeHeader(i: number, out: DataView, at: number, complete: boolean): void {
    const { header_bytes } = this;
    const view = this.#view;
    const start = this.#start;
    // In the machine's own byte order: nothing is swapped just to be copied.
    const words_bytes = header_bytes & ~3;
    for (let k = 0; k < words_bytes; k += 4) {
      out.setInt32(at + k, view.getInt32(start + k, true), true);
    }
    // All headers are of whole words but Ethernet's.
    if (words_bytes < header_bytes) {
      out.setInt16(at + words_bytes, view.getInt16(start + words_bytes, true), true);
    }
    const payload = this.payloadLength(i);
    const ip = at + this.#ethernet_bytes;
    const total = header_bytes - this.#ethernet_bytes + payload;
    const transport = ip + this.#ip_bytes;
    const transport_bytes = total - this.#ip_bytes;
    if (this.#version === 4) {
      const identification = (this.#identification + i) & 0xffff;
      out.setUint16(ip + IPV4.totalLength, total);
      out.setUint16(ip + IPV4.identification, identification);
      out.setUint16(ip + IPV4.checksum, foldChecksum(this.#ipSum + total + identification));
    } else out.setUint16(ip + IPV6.payloadLength, total - fixedIpHeaderBytes(6));
    let field = transport + UDP.checksum;
    if (this.#protocol === PROTOCOL.tcp) {
      field = transport + TCP.checksum;
      out.setInt32(transport + TCP.sequence, this.#sequence + i * this.#segment_bytes);
      let flags = this.#flags;
      // As the kernel's own segmentation does (RFC 3168, 6.1.2 for CWR).
      if (i < this.#segments - 1) flags &= ~(TCP_FLAG.fin | TCP_FLAG.psh);
      if (i > 0) flags &= ~TCP_FLAG.cwr;
      out.setUint8(transport + TCP.flags, flags);
    } else out.setUint16(transport + UDP.length, transport_bytes);

    const seed = this.#pseudo + transport_bytes;
    if (!complete) {
      out.setUint16(field, foldPartial(seed));
      return;
    }
    out.setUint16(field, 0);
    const headers = sum16(out, transport, transport_bytes - payload, seed);
    const sum = foldChecksum(sum16(view, this.payloadOffset(i), payload, headers));
    out.setUint16(field, sum === 0 && this.#protocol === PROTOCOL.udp ? 0xffff : sum);
  }
}

/** The protocol of the header at `end` if nothing but extensions comes before it; -1 if not. */
function protocolBehindExtensions(
  view: DataView,
  offset: number,
  length: number,
  end: number,
): number {
  let protocol = view.getUint8(offset + IPV6.nextHeader);
  let at = IPV6_HEADER_BYTES;
  while (at < end && at + 2 <= length && EXTENSIONS.includes(protocol)) {
    protocol = view.getUint8(offset + at);
    at += (view.getUint8(offset + at + 1) + 1) * 8;
  }
  return at === end ? protocol : -1;
}

/**
 * Completes the checksum of a packet that came whole but with a partial
 * checksum: the field holds the seed (include/linux/skbuff.h, CHECKSUM_PARTIAL).
 * False if the virtio header contradicts the packet, which has passed
 * `checkPacket` as `version`. `ethernet_bytes` as for `Splitter.begin`.
 */
export function completePartial(
  view: DataView,
  offset: number,
  length: number,
  version: 4 | 6,
  vnetAt: number,
  ethernet_bytes = 0,
): boolean {
  const start = view.getUint16(vnetAt + VNET.checksumStart, true) - ethernet_bytes;
  const checksumOffset = view.getUint16(vnetAt + VNET.checksumOffset, true);
  const field = start + checksumOffset;
  if (start < ipHeaderBytes(view, offset, version) || field + 2 > length) return false;
  const sum = foldChecksum(sum16(view, offset + start, length - start));
  // UDP's 0 means "no checksum"; its other form is the same number (RFC 768).
  view.setUint16(offset + field, sum === 0 && checksumOffset === UDP.checksum ? 0xffff : sum);
  return true;
}

/**
 * Completes the partial checksum of a frame whose content is not looked at.
 * False if the virtio header points out of the frame.
 */
export function completeOpaque(
  view: DataView,
  offset: number,
  length: number,
  vnetAt: number,
): boolean {
  const start = view.getUint16(vnetAt + VNET.checksumStart, true);
  const field = start + view.getUint16(vnetAt + VNET.checksumOffset, true);
  if (start < ETHERNET_HEADER_BYTES || field + 2 > length) return false;
  // Never 0, as the kernel does it (net/core/dev.c, skb_checksum_help): UDP's 0 would mean "none".
  view.setUint16(
    offset + field,
    foldChecksum(sum16(view, offset + start, length - start)) || 0xffff,
  );
  return true;
}
