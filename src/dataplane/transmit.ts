/**
 * The last steps outbound, for packets and frames alike: split a super-packet,
 * cut what its sender lets routers cut, complete the checksum where the peer
 * does not, queue for the peer.
 */

import {
  MTU_IPV6_MIN_BYTES,
  NODES_MAX,
  SEALED_FLUSH_BYTES,
  UNSEALED_PER_S,
} from "../base/limits.ts";
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
import { Fragmenter, mayBeCut, NOT_CUT } from "../offload/fragment.ts";
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
import { OUTCOME, type SendResults } from "../io/send_results.ts";
import { Run } from "../io/run.ts";
import type { LaneRecord } from "./observer.ts";
import type { Packet } from "./packet.ts";
import { RateLimit } from "./rate_limit.ts";
import type { LaneSealing } from "./sealing.ts";
import type { LaneTable } from "../forwarding/lane_table.ts";
import { isOpen, TRANSPORT } from "../forwarding/peer_row.ts";
import {
  DATA,
  DATA_MESSAGE_MIN_BYTES,
  dataMessageBytes,
  paddedLength,
} from "../wire/data_message.ts";

/** Distance between the headers that are made for segments. */
const HEADER_STRIDE_BYTES = (SPLIT_HEADER_MAX_BYTES + 15) & ~15;
/** Headers that may wait for a flush: what 64 full runs of segments need. */
const HEADERS = 4096;

/** What became of a packet. */
export const VERDICT = { queued: 0, tooBig: 1, malformed: 2, unresolved: 3, otherMode: 4 } as const;
/** One of VERDICT. */
export type Verdict = typeof VERDICT[keyof typeof VERDICT];

/** The counter of each drop; what was queued is counted when it is sent. */
const DROP_COUNTER = [
  -1,
  COUNTER.too_big,
  COUNTER.malformed,
  COUNTER.no_route,
  COUNTER.wrong_mode,
] as const;

/** What each outcome of sending counts, but for what was sent. */
const OUTCOME_COUNTER = [
  -1,
  COUNTER.too_big,
  COUNTER.send_queue_full,
  COUNTER.send_failed,
] as const satisfies Record<typeof OUTCOME[keyof typeof OUTCOME], number>;

const NOBODY: readonly number[] = [];

/** The peers of one lane, and the burst whose packets go to them. */
export class Transmit {
  /** Packets are read into this one. */
  readonly burst = new Burst(undefined, HEADERS * HEADER_STRIDE_BYTES, simdArena);
  readonly #run = new Run(this.burst);
  readonly #splitter = new Splitter();
  readonly #fragmenter = new Fragmenter();
  #headers = 0;
  #peerCount = 0;
  /** One of TRANSPORT for each peer. */
  readonly #transport = new Uint8Array(NODES_MAX);
  readonly #mtu_bytes = new Int32Array(NODES_MAX);
  /** 1: the peer completes partial checksums itself. */
  readonly #partial = new Uint8Array(NODES_MAX);
  /** Peers to whom the kernel refused a datagram as too big. */
  #refused: number[] = [];
  /** What has been sealed, from where it was sealed to. */
  readonly #sealedRun = new Run(this.burst);
  /** Where the next message is sealed to. */
  #sealedTo = 0;
  readonly #unsealedLimit: RateLimit;

  /** `sealing` where peers have keys. */
  constructor(
    readonly socket: PacketSocket,
    readonly counters: LaneRecord,
    readonly sealing: LaneSealing | undefined,
    now_ms: () => number,
  ) {
    this.#run.headStride_bytes = HEADER_STRIDE_BYTES;
    this.#sealedTo = sealing?.sealed.start ?? 0;
    this.#unsealedLimit = new RateLimit(UNSEALED_PER_S, now_ms);
  }

  /** Takes over what the table has acquired. */
  useTable(table: LaneTable): void {
    this.#peerCount = table.peerCount;
    for (const index of table.changed) {
      const { transport, address, port, mtu_bytes, capabilities } = table.peer(index);
      this.#transport[index] = transport;
      this.#mtu_bytes[index] = mtu_bytes;
      this.#partial[index] = (capabilities & CAPABILITY.partialChecksum) !== 0 ? 1 : 0;
      if (this.reaches(index)) this.socket.setDestination(index, address, port);
    }
  }

  /** Number of indexes of peers in use. */
  get peerCount(): number {
    return this.#peerCount;
  }

  /** Whether packets go to a peer as it is. */
  reaches(peer: number): boolean {
    const transport = this.#transport[peer]!;
    return isOpen(transport) || transport === TRANSPORT.sealed;
  }

  /** The largest IP packet that the sender of a packet may send to a peer, in bytes. */
  mtuOf(peer: number, packet: Packet): number {
    const mtu_bytes = this.#mtu_bytes[peer]! - packet.ethernet_bytes;
    return packet.version === 6 ? Math.max(MTU_IPV6_MIN_BYTES, mtu_bytes) : mtu_bytes;
  }

  /**
   * Queues a packet of the burst for a peer: whole, or in segments if it is a
   * super-packet. It has passed `checkPacket`, but for an opaque frame. The
   * virtio header comes before all of it. The bytes must stay until `flush`.
   * Whatever is not queued is counted.
   */
  send(peer: number, packet: Packet): Verdict {
    const verdict = packet.version === 0
      ? this.#sendOpaque(peer, packet)
      : this.#send(peer, packet, packet.version);
    if (verdict !== VERDICT.queued) {
      const counter = DROP_COUNTER[verdict];
      this.counters.totals[counter]!++;
      this.counters.peerDrops[peer]!++;
      const { start, total_bytes } = packet;
      this.counters.observer?.droppedOut(this.burst.view, counter, peer, start, total_bytes);
    }
    return verdict;
  }

  #send(peer: number, packet: Packet, version: 4 | 6): Verdict {
    if (!this.reaches(peer)) return this.#refuse(peer);
    const { start, total_bytes } = packet;
    if (this.burst.view.getUint8(start - VNET_BYTES + VNET.gsoType) !== VNET_GSO.none) {
      return this.#sendSegments(peer, packet, version);
    }
    if (!this.#fits(peer, total_bytes, packet)) {
      return version === 4 ? this.#sendFragments(peer, packet) : VERDICT.tooBig;
    }
    const mayStay = this.#partial[peer] === 1;
    if (!this.#completeChecksum(packet, version, mayStay)) return VERDICT.malformed;
    this.#queue(peer, 1, 0, 0, start, total_bytes);
    return VERDICT.queued;
  }

  #sendOpaque(peer: number, { offset, length }: Packet): Verdict {
    if (!this.reaches(peer)) return this.#refuse(peer);
    const { view } = this.burst;
    const vnetAt = offset - VNET_BYTES;
    if (view.getUint8(vnetAt + VNET.gsoType) !== VNET_GSO.none) return VERDICT.malformed;
    if (length > this.#mtu_bytes[peer]!) return VERDICT.tooBig;
    if ((view.getUint8(vnetAt + VNET.flags) & VNET_NEEDS_CHECKSUM) !== 0) {
      if (!completeOpaque(view, offset, length, vnetAt)) return VERDICT.malformed;
      writePlainVnet(view, vnetAt);
    }
    this.#queue(peer, 1, 0, 0, offset, length);
    return VERDICT.queued;
  }

  #refuse(peer: number): Verdict {
    const otherMode = this.#transport[peer] === TRANSPORT.other_mode;
    return otherMode ? VERDICT.otherMode : VERDICT.unresolved;
  }

  /**
   * The peers to whom the kernel refused a datagram since the last call: their
   * path is narrower than was known, and is known now.
   */
  takeNarrowed(): readonly number[] {
    if (this.#refused.length === 0) return NOBODY;
    const peers = this.#refused;
    this.#refused = [];
    for (const peer of peers) {
      const known = this.#mtu_bytes[peer]!;
      const sealed_bytes = this.#isSealed(peer) ? DATA_MESSAGE_MIN_BYTES : 0;
      const path_bytes = this.socket.pathMtu(peer);
      if (path_bytes === undefined) continue;
      this.#mtu_bytes[peer] = Math.min(known, path_bytes - sealed_bytes);
    }
    return peers;
  }

  /** Whether a packet of the burst is too big for a peer's path, and its sender should know. */
  isTooBig(peer: number, packet: Packet): boolean {
    const { view } = this.burst;
    const { offset, length, ethernet_bytes } = packet;
    const vnetAt = packet.start - VNET_BYTES;
    let size = packet.total_bytes;
    if (view.getUint8(vnetAt + VNET.gsoType) === VNET_GSO.none) {
      if (packet.version === 4 && mayBeCut(view, offset)) return false;
    } else {
      const splitter = this.#splitter;
      const segments = splitter.begin(view, offset, length, vnetAt, ethernet_bytes);
      if (segments !== SPLIT_MALFORMED) size = splitter.header_bytes + splitter.payloadLength(0);
    }
    return !this.#fits(peer, size, packet);
  }

  /**
   * Whether a peer's path carries a datagram of this size. No path is too narrow
   * for an IPv6 packet of 1,280 bytes: what carries it has to fragment (RFC 8200,
   * section 5), and its sender need not heed a smaller MTU.
   */
  #fits(peer: number, size: number, { version, ethernet_bytes }: Packet): boolean {
    if (size <= this.#mtu_bytes[peer]!) return true;
    if (version !== 6 || size > ethernet_bytes + MTU_IPV6_MIN_BYTES) return false;
    this.socket.allowFragments();
    return true;
  }

  /**
   * Whether so much is sealed and queued that it should leave: the receiver can open it while the
   * next is sealed.
   */
  get shouldFlush(): boolean {
    return this.sealing !== undefined &&
      this.#sealedTo - this.sealing.sealed.start >= SEALED_FLUSH_BYTES;
  }

  /** Sends all that is queued, and counts what has become of it. */
  flush(): void {
    this.#count(this.socket.flush());
    this.#headers = 0;
    this.#sealedTo = this.sealing?.sealed.start ?? 0;
  }

  #isSealed(peer: number): boolean {
    return this.#transport[peer] === TRANSPORT.sealed;
  }

  #count(results: SendResults): void {
    const { totals, peerPackets, peerBytes, peerDrops } = this.counters;
    for (let i = 0; i < results.count; i++) {
      const outcome = results.outcomeOf(i);
      const peer = results.destinationOf(i);
      const datagrams = results.datagramsOf(i);
      if (outcome === OUTCOME.sent) {
        const sealed_bytes = this.#isSealed(peer) ? datagrams * DATA_MESSAGE_MIN_BYTES : 0;
        const bytes = results.bytesOf(i) - sealed_bytes;
        totals[COUNTER.packets]! += datagrams;
        totals[COUNTER.bytes]! += bytes;
        peerPackets[peer]! += datagrams;
        peerBytes[peer]! += bytes;
        continue;
      }
      totals[OUTCOME_COUNTER[outcome]]! += datagrams;
      peerDrops[peer]! += datagrams;
      if (outcome === OUTCOME.tooBig && !this.#refused.includes(peer)) this.#refused.push(peer);
    }
  }

  /** A super-packet: headers are made for each segment, the payload is sent from where it is. */
  #sendSegments(peer: number, packet: Packet, version: 4 | 6): Verdict {
    const { view } = this.burst;
    const { offset, length, ethernet_bytes } = packet;
    const splitter = this.#splitter;
    const vnetAt = packet.start - VNET_BYTES;
    const segments = splitter.begin(view, offset, length, vnetAt, ethernet_bytes);
    if (segments === SPLIT_MALFORMED) return VERDICT.malformed;
    const size = splitter.header_bytes + splitter.payloadLength(0);
    if (!this.#fits(peer, size, packet)) return VERDICT.tooBig;
    const complete = this.#partial[peer] === 0 ||
      !receiverSees(view, offset, version, vnetAt, ethernet_bytes);
    if (this.#sealsInPlace(peer)) {
      // Its own headers come back: whoever finds the path too narrow afterwards reads them again.
      const { bytes, extraOffset: kept } = this.burst;
      const { start } = packet;
      const { header_bytes } = splitter;
      bytes.copyWithin(kept, start, start + header_bytes);
      this.#sealSegments(peer, 0, segments - 1, complete);
      this.#sealSegments(peer, segments - 1, segments, complete);
      bytes.copyWithin(start, kept, kept + header_bytes);
      return VERDICT.queued;
    }
    for (let done = 0; done < segments;) {
      // In one go as a rule: only a tiny segment size makes more segments than there are headers.
      if (this.#headers === HEADERS) this.flush();
      const end = Math.min(segments, done + HEADERS - this.#headers);
      this.#sendSome(peer, done, end, complete);
      done = end;
    }
    return VERDICT.queued;
  }

  /**
   * Whether the headers of segments may be written over the payload before them. Not where somebody
   * looks at the packet, where a frame may go to more peers, or where they would meet the header
   * that they are made from.
   */
  #sealsInPlace(peer: number): boolean {
    return this.#isSealed(peer) && this.sealing!.packets &&
      this.counters.observer === undefined &&
      this.#splitter.payloadLength(0) >= this.#splitter.header_bytes;
  }

  /**
   * Segments of one size, from `begin` on and before `end`, each sealed from where its payload is:
   * its header takes the place of what has been sealed before, so that nothing is copied.
   */
  #sealSegments(peer: number, begin: number, end: number, complete: boolean): void {
    const splitter = this.#splitter;
    const { header_bytes } = splitter;
    const length = header_bytes + splitter.payloadLength(begin);
    const padded = this.#paddedLength(peer, length);
    const out = this.#beginSealed(peer);
    for (let i = begin; i < end; i++) {
      const at = splitter.payloadOffset(i) - header_bytes;
      splitter.writeHeader(i, this.burst.view, at, complete);
      this.#sealOne(out, at, length, padded);
    }
    this.#putSealed(out);
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

  /** A packet without DF that is larger than the path: in fragments, as a router sends it on. */
  #sendFragments(peer: number, packet: Packet): Verdict {
    const { view } = this.burst;
    const { offset, length, ethernet_bytes, start } = packet;
    const fragmenter = this.#fragmenter;
    const mtu_bytes = this.#mtu_bytes[peer]! - ethernet_bytes;
    const fragments = fragmenter.begin(view, offset, length, mtu_bytes);
    if (fragments === NOT_CUT) return VERDICT.tooBig;
    // Nobody can complete the checksum of a part.
    if (!this.#completeChecksum(packet, 4, false)) return VERDICT.malformed;
    for (let i = 0; i < fragments; i++) {
      if (this.#headers === HEADERS) this.flush();
      const head = this.burst.extraOffset + this.#headers * HEADER_STRIDE_BYTES;
      this.#headers++;
      for (let k = 0; k < ethernet_bytes; k++) view.setUint8(head + k, view.getUint8(start + k));
      fragmenter.writeHeader(i, view, head + ethernet_bytes);
      const head_bytes = ethernet_bytes + fragmenter.headerLength(i);
      const body = fragmenter.payloadOffset(i);
      this.#queue(peer, 1, head, head_bytes, body, fragmenter.payloadLength(i));
    }
    return VERDICT.queued;
  }

  /** Completes a partial checksum, unless it `mayStay`. False: the packet contradicts itself. */
  #completeChecksum(packet: Packet, version: 4 | 6, mayStay: boolean): boolean {
    const { view } = this.burst;
    const { offset, length, ethernet_bytes } = packet;
    const vnetAt = packet.start - VNET_BYTES;
    if ((view.getUint8(vnetAt + VNET.flags) & VNET_NEEDS_CHECKSUM) === 0) return true;
    if (mayStay && receiverSees(view, offset, version, vnetAt, ethernet_bytes)) return true;
    if (!completePartial(view, offset, length, version, vnetAt, ethernet_bytes)) return false;
    // The same bytes may go to more peers.
    writePlainVnet(view, vnetAt);
    return true;
  }

  /** Queues a run; what is in the queue leaves when there is no more room. */
  #queue(
    peer: number,
    count: number,
    head: number,
    head_bytes: number,
    body: number,
    body_bytes: number,
  ): void {
    if (count === 0) return;
    const run = this.#run;
    run.destination = peer;
    run.count = count;
    run.head = head;
    run.head_bytes = head_bytes;
    run.body = body;
    run.body_bytes = body_bytes;
    this.counters.observer?.sent(run);
    if (this.#isSealed(peer)) this.#seal(peer, run);
    else this.#put(run);
  }

  #put(run: Run): void {
    for (;;) {
      const queued = this.socket.queue(run);
      if (queued === run.count) return;
      run.skip(queued);
      this.#count(this.socket.flush());
    }
  }

  /** Seals each datagram of a run, one right behind the other, and queues them. */
  #seal(peer: number, run: Run): void {
    const { bytes } = this.burst;
    const { count, head_bytes, body_bytes } = run;
    const length = head_bytes + body_bytes;
    const padded = this.#paddedLength(peer, length);
    const out = this.#beginSealed(peer);
    for (let i = 0; i < count; i++) {
      const body = run.body + i * body_bytes;
      if (head_bytes === 0) {
        this.#sealOne(out, body, length, padded);
        continue;
      }
      const text = this.#roomToSeal(out, padded) + DATA.text;
      const head = run.head + i * run.headStride_bytes;
      bytes.copyWithin(text, head, head + head_bytes);
      bytes.copyWithin(text + head_bytes, body, body + body_bytes);
      this.#sealOne(out, text, length, padded);
    }
    this.#putSealed(out);
  }

  /** Never beyond the path; and a frame's length is told by nothing but the message's. */
  #paddedLength(peer: number, length: number): number {
    if (!this.sealing!.packets) return length;
    return paddedLength(length, Math.max(length, this.#mtu_bytes[peer]!));
  }

  /** A run of messages that `#sealOne` will make, all of one size. */
  #beginSealed(peer: number): Run {
    const out = this.#sealedRun;
    out.destination = peer;
    out.count = 0;
    out.body = this.#sealedTo;
    return out;
  }

  /** Where the next message is sealed to; what is before it leaves when there is no more room. */
  #roomToSeal(out: Run, padded: number): number {
    const { sealed: { start }, sealedEnd } = this.sealing!;
    if (this.#sealedTo + dataMessageBytes(padded) > sealedEnd) {
      this.#putSealed(out);
      this.#count(this.socket.flush());
      out.count = 0;
      out.body = this.#sealedTo = start;
    }
    return this.#sealedTo;
  }

  /** Seals the `length` bytes at `from`, which are where the message's text will be, or elsewhere. */
  #sealOne(out: Run, from: number, length: number, padded: number): void {
    const to = this.#roomToSeal(out, padded);
    const size = this.sealing!.seal.seal(out.destination, to, from, length, padded);
    if (size === 0) return this.#unsealed(out.destination, from, length);
    this.#sealedTo = to + size;
    out.body_bytes = size;
    out.count++;
  }

  #putSealed(out: Run): void {
    if (out.count === 0) return;
    this.sealing!.noteSent(out.destination);
    this.#put(out);
  }

  /** There is no session yet: the main thread makes one, and keeps the packet meanwhile. */
  #unsealed(peer: number, at: number, length: number): void {
    const { sealed: { bytes }, tell } = this.sealing!;
    if (!this.#unsealedLimit.take()) {
      this.counters.totals[COUNTER.no_session]!++;
      return;
    }
    tell({ what: "unsealed", peer, bytes: bytes.slice(at, at + length) });
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
