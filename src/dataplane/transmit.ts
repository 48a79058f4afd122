/**
 * The last steps of the way out, for packets and frames alike: split a
 * super-packet, settle the checksum, queue for the peer.
 */

import { MTU_IPV6_MIN_BYTES, NODES_MAX } from "../base/limits.ts";
import { simdArena } from "../net/simd.ts";
import {
  checksumFieldOf,
  fixedIpHeaderBytes,
  ipHeaderBytes,
  ipProtocol,
} from "../net/transport.ts";
import { CAPABILITY } from "../wire/hello.ts";
import {
  completeOpaque,
  completePartial,
  SPLIT_HEADER_MAX_BYTES,
  SPLIT_MALFORMED,
  Splitter,
} from "../offload/segment.ts";
import {
  VNET,
  VNET_BYTES,
  VNET_GSO,
  VNET_NEEDS_CHECKSUM,
  writePlainVnet,
} from "../offload/vnet.ts";
import type { PacketSocket } from "../io/socket.ts";
import { Burst } from "../io/arena.ts";
import { COUNTER } from "../forwarding/counters.ts";
import type { LaneRecord } from "./observer.ts";
import type { LaneTable } from "../forwarding/lane_table.ts";
import { isOpen, TRANSPORT } from "../forwarding/peer_row.ts";

/** Distance between the headers that are made for segments. */
const HEADER_STRIDE_BYTES = (SPLIT_HEADER_MAX_BYTES + 15) & ~15;
/** Headers that may wait for a flush: what 64 full runs of segments need. */
const HEADERS = 4096;

/** What became of a packet. */
export const EGRESS = { queued: 0, tooBig: 1, malformed: 2, unresolved: 3, otherMode: 4 } as const;
/** One of EGRESS. */
export type EgressResult = typeof EGRESS[keyof typeof EGRESS];

/** The counter of each drop; what was queued is counted when it is sent. */
const DROP_COUNTER = [
  -1,
  COUNTER.too_big,
  COUNTER.malformed,
  COUNTER.no_route,
  COUNTER.wrong_mode,
] as const;

/** The peers of one lane, and the burst whose packets go to them. */
export class Egress {
  /** Packets are read into this one. */
  readonly burst = new Burst(undefined, HEADERS * HEADER_STRIDE_BYTES, simdArena);
  readonly #splitter = new Splitter();
  #headers = 0;
  #peerCount = 0;
  /** One of TRANSPORT for each peer. */
  readonly #transport = new Uint8Array(NODES_MAX);
  readonly #mtu_bytes = new Int32Array(NODES_MAX);
  /** 1: the peer completes partial checksums itself. */
  readonly #partial = new Uint8Array(NODES_MAX);

  constructor(readonly socket: PacketSocket, readonly counters: LaneRecord) {}

  /** Takes over what the table has acquired. */
  useTable(table: LaneTable): void {
    this.socket.usePeers(table);
    this.#peerCount = table.peerCount;
    for (const index of table.changed) {
      const { transport, mtu_bytes, capabilities } = table.peer(index);
      this.#transport[index] = transport;
      this.#mtu_bytes[index] = mtu_bytes;
      this.#partial[index] = (capabilities & CAPABILITY.partialChecksum) !== 0 ? 1 : 0;
    }
  }

  /** Number of indexes of peers in use. */
  get peerCount(): number {
    return this.#peerCount;
  }

  /** Whether packets go to a peer as it is. */
  reaches(peer: number): boolean {
    return isOpen(this.#transport[peer]!);
  }

  /**
   * The largest packet that the sender of one may send to a peer, in bytes; in a
   * frame, `ethernet_bytes` stand before it.
   */
  mtuOf(peer: number, version: 4 | 6, ethernet_bytes = 0): number {
    const mtu_bytes = this.#mtu_bytes[peer]! - ethernet_bytes;
    return version === 6 ? Math.max(MTU_IPV6_MIN_BYTES, mtu_bytes) : mtu_bytes;
  }

  /**
   * Queues the IP packet of `length` bytes at `offset` for a peer: whole, or in
   * segments if it is a super-packet. It has passed `checkPacket`. In a frame,
   * `ethernet_bytes` of Ethernet header stand before it and go along. The virtio
   * header stands before all that. The bytes must stay until `flush`. Whatever is
   * not queued is counted.
   */
  send(
    peer: number,
    offset: number,
    length: number,
    version: 4 | 6,
    ethernet_bytes = 0,
  ): EgressResult {
    const result = this.#send(peer, offset, length, version, ethernet_bytes);
    if (result !== EGRESS.queued) {
      this.#drop(result, peer, offset - ethernet_bytes, ethernet_bytes + length);
    }
    return result;
  }

  /** Queues a frame of which only the Ethernet header is looked at; otherwise like `send`. */
  sendOpaque(peer: number, offset: number, length: number): EgressResult {
    const result = this.#sendOpaque(peer, offset, length);
    if (result !== EGRESS.queued) this.#drop(result, peer, offset, length);
    return result;
  }

  #drop(result: EgressResult, peer: number, offset: number, length: number): void {
    const counter = DROP_COUNTER[result];
    this.counters.totals[counter]!++;
    this.counters.observer?.droppedOut(this.burst.view, counter, peer, offset, length);
  }

  #send(
    peer: number,
    offset: number,
    length: number,
    version: 4 | 6,
    ethernet_bytes: number,
  ): EgressResult {
    if (!isOpen(this.#transport[peer]!)) return this.#refuse(peer);
    const { view } = this.burst;
    const start = offset - ethernet_bytes;
    const vnetAt = start - VNET_BYTES;
    if (view.getUint8(vnetAt + VNET.gsoType) !== VNET_GSO.none) {
      return this.#sendSegments(peer, offset, length, version, ethernet_bytes);
    }
    const size = ethernet_bytes + length;
    if (size > this.#mtu_bytes[peer]! && !this.#mayFragment(size, version, ethernet_bytes)) {
      return EGRESS.tooBig;
    }
    if (!this.#settleChecksum(peer, offset, length, version, ethernet_bytes)) {
      return EGRESS.malformed;
    }
    this.#queue(peer, 1, 0, 0, start, ethernet_bytes + length);
    return EGRESS.queued;
  }

  #sendOpaque(peer: number, offset: number, length: number): EgressResult {
    if (!isOpen(this.#transport[peer]!)) return this.#refuse(peer);
    const { view } = this.burst;
    const vnetAt = offset - VNET_BYTES;
    if (view.getUint8(vnetAt + VNET.gsoType) !== VNET_GSO.none) return EGRESS.malformed;
    if (length > this.#mtu_bytes[peer]!) return EGRESS.tooBig;
    if ((view.getUint8(vnetAt + VNET.flags) & VNET_NEEDS_CHECKSUM) !== 0) {
      if (!completeOpaque(view, offset, length, vnetAt)) return EGRESS.malformed;
      writePlainVnet(view, vnetAt);
    }
    this.#queue(peer, 1, 0, 0, offset, length);
    return EGRESS.queued;
  }

  #refuse(peer: number): EgressResult {
    return this.#transport[peer] === TRANSPORT.other_mode ? EGRESS.otherMode : EGRESS.unresolved;
  }

  /**
   * The peers to whom the kernel refused a datagram since the last call: their
   * path is narrower than was known, and is known now.
   */
  learnNarrower(): readonly number[] {
    const peers = this.socket.takeRefused();
    if (peers.length === 0) return peers;
    for (const peer of peers) {
      const known = this.#mtu_bytes[peer];
      if (known === undefined) continue;
      this.#mtu_bytes[peer] = Math.min(known, this.socket.maxDatagram(peer) ?? known);
    }
    return peers;
  }

  /** Whether a packet of the burst, described as for `send`, is too big for a peer's path. */
  isTooBig(
    peer: number,
    offset: number,
    length: number,
    version: 4 | 6,
    ethernet_bytes = 0,
  ): boolean {
    const { view } = this.burst;
    const vnetAt = offset - ethernet_bytes - VNET_BYTES;
    let size = ethernet_bytes + length;
    if (view.getUint8(vnetAt + VNET.gsoType) !== VNET_GSO.none) {
      const splitter = this.#splitter;
      const segments = splitter.begin(view, offset, length, vnetAt, ethernet_bytes);
      if (segments !== SPLIT_MALFORMED) size = splitter.header_bytes + splitter.payloadLength(0);
    }
    return size > this.#mtu_bytes[peer]! && !this.#mayFragment(size, version, ethernet_bytes);
  }

  /**
   * No path is too narrow for an IPv6 packet of 1,280 bytes: what carries it has
   * to fragment (RFC 8200, section 5), and its sender need not heed a smaller MTU.
   */
  #mayFragment(size: number, version: 4 | 6, ethernet_bytes: number): boolean {
    if (version === 4 || size > ethernet_bytes + MTU_IPV6_MIN_BYTES) return false;
    this.socket.allowFragments();
    return true;
  }

  /** Sends all that is queued. */
  flush(): void {
    this.socket.flush(this.counters);
    this.#headers = 0;
  }

  /** A super-packet: headers are made for each segment, the payload is sent from where it is. */
  #sendSegments(
    peer: number,
    offset: number,
    length: number,
    version: 4 | 6,
    ethernet_bytes: number,
  ): EgressResult {
    const { view } = this.burst;
    const splitter = this.#splitter;
    const vnetAt = offset - ethernet_bytes - VNET_BYTES;
    const segments = splitter.begin(view, offset, length, vnetAt, ethernet_bytes);
    if (segments === SPLIT_MALFORMED) return EGRESS.malformed;
    const { header_bytes } = splitter;
    const size = header_bytes + splitter.payloadLength(0);
    if (size > this.#mtu_bytes[peer]! && !this.#mayFragment(size, version, ethernet_bytes)) {
      return EGRESS.tooBig;
    }
    const complete = this.#partial[peer] === 0 ||
      !receiverSees(view, offset, version, vnetAt, ethernet_bytes);
    for (let done = 0; done < segments;) {
      // In one go as a rule: only a tiny segment size makes more segments than there are headers.
      if (this.#headers === HEADERS) this.flush();
      const end = Math.min(segments, done + HEADERS - this.#headers);
      this.#sendSome(peer, done, end, complete);
      done = end;
    }
    return EGRESS.queued;
  }

  /** Segments from `begin` on and before `end`; the last one of all may be shorter than the rest. */
  #sendSome(peer: number, begin: number, end: number, complete: boolean): void {
    const splitter = this.#splitter;
    const { header_bytes } = splitter;
    const heads = this.burst.extraOffset + this.#headers * HEADER_STRIDE_BYTES;
    this.#headers += end - begin;
    for (let i = begin; i < end; i++) {
      splitter.writeHeader(i, this.burst.view, heads + (i - begin) * HEADER_STRIDE_BYTES, complete);
    }
    const last = end - 1;
    const body = splitter.payloadOffset(begin);
    this.#queue(peer, last - begin, heads, header_bytes, body, splitter.payloadLength(begin));
    const lastHead = heads + (last - begin) * HEADER_STRIDE_BYTES;
    const lastBody = splitter.payloadOffset(last);
    this.#queue(peer, 1, lastHead, header_bytes, lastBody, splitter.payloadLength(last));
  }

  /** Completes a partial checksum, unless the peer does that. False: the packet contradicts itself. */
  #settleChecksum(
    peer: number,
    offset: number,
    length: number,
    version: 4 | 6,
    ethernet_bytes: number,
  ): boolean {
    const { view } = this.burst;
    const vnetAt = offset - ethernet_bytes - VNET_BYTES;
    if ((view.getUint8(vnetAt + VNET.flags) & VNET_NEEDS_CHECKSUM) === 0) return true;
    const mayStay = this.#partial[peer] === 1;
    if (mayStay && receiverSees(view, offset, version, vnetAt, ethernet_bytes)) return true;
    if (!completePartial(view, offset, length, version, vnetAt, ethernet_bytes)) return false;
    // The same bytes may go to more peers.
    writePlainVnet(view, vnetAt);
    return true;
  }

  #queue(
    peer: number,
    count: number,
    head: number,
    headLength: number,
    body: number,
    bodyLength: number,
  ): void {
    const { socket, burst, counters: { observer } } = this;
    const stride = HEADER_STRIDE_BYTES;
    observer?.sent(burst.view, peer, count, head, stride, headLength, body, bodyLength);
    for (let queued = 0; queued < count;) {
      const headAt = head + queued * HEADER_STRIDE_BYTES;
      const bodyAt = body + queued * bodyLength;
      const left = count - queued;
      queued += socket.queue(burst, peer, left, headAt, stride, headLength, bodyAt, bodyLength);
      if (queued < count) socket.flush(this.counters);
    }
  }
}

/**
 * Whether the receiver, who has no virtio header, will see a partial checksum for
 * what it is: it belongs to TCP or UDP straight after an IP header without
 * options or extensions, not to something that the packet carries further inside.
 */
function receiverSees(
  view: DataView,
  offset: number,
  version: 4 | 6,
  vnetAt: number,
  ethernet_bytes: number,
): boolean {
  const start = view.getUint16(vnetAt + VNET.checksumStart, true) - ethernet_bytes;
  const field = view.getUint16(vnetAt + VNET.checksumOffset, true);
  return start === fixedIpHeaderBytes(version) &&
    start === ipHeaderBytes(view, offset, version) &&
    field === checksumFieldOf(ipProtocol(view, offset, version));
}
