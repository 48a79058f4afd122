/**
 * Many datagrams per system call: recvmmsg(2) and sendmmsg(2) on the very
 * socket that Deno.listenDatagram opened, with the kernel's UDP segmentation
 * (send_queue.ts) and receive offload (UDP_GRO) where it has them.
 */

import { ERRNO } from "../../ffi/errno.ts";
import { POLLFD, POLLOUT } from "../../ffi/file.ts";
import { addressOf, libc, pointerTo, putAddress } from "../../ffi/libc.ts";
import {
  AF_INET,
  AF_INET6,
  CMSG_SPACE_8,
  CMSGHDR,
  IOVEC,
  MMSGHDR,
  MSG_DONTWAIT,
  MSG_TRUNC,
  MSGHDR,
  SOCKADDR,
  SOCKADDR_IN6_BYTES,
  SOCKADDR_IN_BYTES,
  SOL_UDP,
  UDP_GRO,
} from "../../ffi/socket.ts";
import type { Burst } from "./arena.ts";
import { COUNTER, type LaneCounters } from "../forwarding/counters.ts";
import type { LaneTable } from "../forwarding/lane_table.ts";
import { type PeerRow, TRANSPORT } from "../forwarding/peer_row.ts";
import { BURST_PACKETS, NODES_MAX, PACKET_MAX_BYTES } from "../base/limits.ts";
import type { IpVersion } from "../net/prefix.ts";
import { UdpPaths } from "./path_mtu.ts";
import { SendQueue } from "./send_queue.ts";
import { type PacketSocket, type Sender, UNKNOWN_PEER } from "./socket.ts";

/** Distance between socket addresses in a table: a sockaddr_in6 rounded up. */
const NAME_STRIDE_BYTES = 32;
const NAME_WORDS = NAME_STRIDE_BYTES / 4;

/**
 * How long a full send queue is waited for, once, before packets are dropped. A
 * lane may move both directions, and the other one must not wait along.
 */
const SEND_WAIT_MS = 2;

const NOBODY: readonly number[] = [];

/** Word offsets in the receive vector. */
const MESSAGE_WORDS = MMSGHDR.size / 4;
const IOVEC_WORDS = IOVEC.size / 4;
const CONTROL_WORDS = CMSG_SPACE_8 / 4;

/** A lane's hold on the shared UDP socket. Its queue is of one burst and one thread. */
export class BatchSocket implements PacketSocket {
  readonly #libc = libc();
  readonly #out: SendQueue;
  readonly #writable = new Uint8Array(POLLFD.size);

  readonly #in = new Uint32Array(BURST_PACKETS * MESSAGE_WORDS);
  readonly #inPointer = pointerTo(new Uint8Array(this.#in.buffer));
  readonly #inIovecs = new Uint32Array(BURST_PACKETS * IOVEC_WORDS);
  readonly #inControls = new Uint32Array(BURST_PACKETS * CONTROL_WORDS);
  readonly #senders = new Uint32Array(BURST_PACKETS * NAME_WORDS);
  #inBurst: Burst | undefined;
  /** Messages that the last recvmmsg filled. */
  #received = 0;

  readonly #paths: UdpPaths;
  #refused: number[] = [];
  /** The send queue has stayed full: it is not waited for again until there is room. */
  #jammed = false;
  #peers: readonly PeerRow[] = [];

  readonly #nameBytes: number;
  readonly #addressWord: number;
  readonly #addressWords: number;
  /** Peers' socket addresses, NAME_STRIDE_BYTES apart, and where they stand in memory. */
  readonly #peerNames = new Uint32Array(NODES_MAX * NAME_WORDS);
  readonly #peerNamesAddress = addressOf(new Uint8Array(this.#peerNames.buffer));
  /** Open addressing: peer index by socket address, at most half full. */
  #peerByName = new Int32Array(2).fill(UNKNOWN_PEER);
  /** The same by address alone: the first peer of each. */
  #peerByHost = new Int32Array(2).fill(UNKNOWN_PEER);
  #outBurst: Burst | undefined;
  #outAddress = 0;

  /** `gso`: the kernel cuts a message into datagrams (UDP_SEGMENT). */
  constructor(readonly fd: number, ipVersion: IpVersion, gso: boolean) {
    this.#out = new SendQueue(gso ? undefined : 1);
    this.#paths = new UdpPaths(fd, ipVersion);
    this.#nameBytes = ipVersion === 4 ? SOCKADDR_IN_BYTES : SOCKADDR_IN6_BYTES;
    this.#addressWord = (ipVersion === 4 ? SOCKADDR.in_addr : SOCKADDR.in6_addr) / 4;
    this.#addressWords = ipVersion === 4 ? 1 : 4;
    const senders = addressOf(new Uint8Array(this.#senders.buffer));
    const iovecs = addressOf(new Uint8Array(this.#inIovecs.buffer));
    const controls = addressOf(new Uint8Array(this.#inControls.buffer));
    for (let slot = 0; slot < BURST_PACKETS; slot++) {
      const at = slot * MESSAGE_WORDS;
      putAddress(this.#in, at + MSGHDR.name / 4, senders + slot * NAME_STRIDE_BYTES);
      this.#in[at + MSGHDR.namelen / 4] = this.#nameBytes;
      putAddress(this.#in, at + MSGHDR.iov / 4, iovecs + slot * IOVEC.size);
      this.#in[at + MSGHDR.iovlen / 4] = 1;
      putAddress(this.#in, at + MSGHDR.control / 4, controls + slot * CMSG_SPACE_8);
      this.#in[at + MSGHDR.controllen / 4] = CMSG_SPACE_8;
    }
    const poll = new DataView(this.#writable.buffer);
    poll.setInt32(POLLFD.fd, fd, true);
    poll.setInt16(POLLFD.events, POLLOUT, true);
  }

  usePeers(table: LaneTable): void {
    this.#peers = Array.from({ length: table.peerCount }, (_, peer) => table.peer(peer));
    let size = 2;
    while (size < 2 * table.peerCount) size *= 2;
    this.#peerByName = new Int32Array(size).fill(UNKNOWN_PEER);
    this.#peerByHost = new Int32Array(size).fill(UNKNOWN_PEER);
    this.#peerNames.fill(0);
    const view = new DataView(this.#peerNames.buffer);
    for (let peer = 0; peer < table.peerCount; peer++) {
      const { address, port, transport } = this.#peers[peer]!;
      if (transport === TRANSPORT.unresolved) continue;
      const at = peer * NAME_STRIDE_BYTES;
      view.setUint16(at + SOCKADDR.family, address.length === 4 ? AF_INET : AF_INET6, true);
      view.setUint16(at + SOCKADDR.port, port);
      address.forEach((byte, i) => view.setUint8(at + 4 * this.#addressWord + i, byte));
      let cell = this.#hash(this.#peerNames, peer * NAME_WORDS);
      while (this.#peerByName[cell] !== UNKNOWN_PEER) cell = (cell + 1) & (size - 1);
      this.#peerByName[cell] = peer;
      const host = this.#cellOfHost(this.#peerNames, peer * NAME_WORDS);
      if (this.#peerByHost[host] === UNKNOWN_PEER) this.#peerByHost[host] = peer;
    }
  }

  receive(burst: Burst): number {
    if (burst !== this.#inBurst) this.#useForReceiving(burst);
    const slots = Math.min(burst.slots, BURST_PACKETS);
    for (let slot = 0; slot < this.#received; slot++) {
      // The kernel has put in what it wrote last time.
      this.#in[slot * MESSAGE_WORDS + MSGHDR.controllen / 4] = CMSG_SPACE_8;
    }
    const { call } = this.#libc;
    const count = call.recvmmsg(this.fd, this.#inPointer, slots, MSG_DONTWAIT, null);
    this.#received = Math.max(0, count);
    for (let slot = 0; slot < count; slot++) {
      const at = slot * MESSAGE_WORDS;
      const cut = (this.#in[at + MSGHDR.flags / 4]! & MSG_TRUNC) !== 0;
      burst.length[slot] = cut ? 0 : this.#in[at + MMSGHDR.len / 4]!;
      burst.segment[slot] = this.#segmentSize(slot);
      burst.peer[slot] = this.#findPeer(slot * NAME_WORDS);
    }
    return this.#received;
  }

  senderOf(slot: number): Sender {
    const names = new DataView(this.#senders.buffer, slot * NAME_STRIDE_BYTES, NAME_STRIDE_BYTES);
    const address = new Uint8Array(4 * this.#addressWords);
    for (let i = 0; i < address.length; i++) {
      address[i] = names.getUint8(4 * this.#addressWord + i);
    }
    return { address, port: names.getUint16(SOCKADDR.port) };
  }

  fromPeerHost(slot: number): boolean {
    return this.#peerByHost[this.#cellOfHost(this.#senders, slot * NAME_WORDS)] !== UNKNOWN_PEER;
  }

  queue(
    burst: Burst,
    peer: number,
    count: number,
    headOffset: number,
    headStride: number,
    headLength: number,
    bodyOffset: number,
    bodyLength: number,
  ): number {
    if (burst !== this.#outBurst) {
      this.#outBurst = burst;
      this.#outAddress = addressOf(burst.bytes);
    }
    return this.#out.add(
      peer,
      this.#peerNamesAddress + peer * NAME_STRIDE_BYTES,
      this.#nameBytes,
      count,
      this.#outAddress + headOffset,
      headStride,
      headLength,
      this.#outAddress + bodyOffset,
      bodyLength,
    );
  }

  flush(counters: LaneCounters): void {
    const queue = this.#out;
    if (queue.runs === 0) return;
    queue.seal();
    const { call, errno } = this.#libc;
    const { totals } = counters;
    let waited = false;
    // Each turn sends or drops at least one message, or waits the one time it may.
    for (let run = 0; run < queue.runs;) {
      const left = queue.runs - run;
      const sent = call.sendmmsg(this.fd, queue.pointers[run]!, left, MSG_DONTWAIT);
      for (let k = 0; k < sent; k++) this.#countSent(run + k, counters);
      if (sent > 0) {
        run += sent;
        continue;
      }
      const code = errno();
      if (code === ERRNO.EINTR) continue;
      if (code === ERRNO.EAGAIN && !waited) {
        waited = true;
        this.#jammed = call.poll(this.#writable, 1, this.#jammed ? 0 : SEND_WAIT_MS) <= 0;
        if (!this.#jammed) continue;
      }
      const datagrams = queue.datagramsOf(run);
      if (code === ERRNO.EIO && datagrams > 1) {
        // The device cannot segment (no checksum offload, before Linux 6.11): never ask again.
        queue.maxDatagrams = 1;
        this.#sendOneByOne(run, counters);
      } else if (code === ERRNO.EAGAIN || code === ERRNO.ENOBUFS) {
        totals[COUNTER.send_queue_full]! += datagrams;
      } else if (code === ERRNO.EMSGSIZE || code === ERRNO.EINVAL && datagrams > 1) {
        // EINVAL: a segment is larger than the path's MTU (net/ipv4/udp.c, udp_send_skb).
        this.#sendOneByOne(run, counters);
      } else totals[COUNTER.send_failed]! += datagrams;
      run++;
    }
    queue.clear();
  }

  /** Each datagram of a run that cannot leave as one. */
  #sendOneByOne(run: number, counters: LaneCounters): void {
    const queue = this.#out;
    const { call, errno } = this.#libc;
    const { totals, peerPackets, peerBytes } = counters;
    const datagrams = queue.datagramsOf(run);
    const peer = queue.peerOf(run);
    for (let i = 0; i < datagrams; i++) {
      const bytes = queue.isolate(run, i);
      if (call.sendmmsg(this.fd, queue.pointers[run]!, 1, MSG_DONTWAIT) === 1) {
        totals[COUNTER.packets]!++;
        totals[COUNTER.bytes]! += bytes;
        peerPackets[peer]!++;
        peerBytes[peer]! += bytes;
        continue;
      }
      switch (errno()) {
        case ERRNO.EMSGSIZE:
          totals[COUNTER.too_big]!++;
          if (!this.#refused.includes(peer)) this.#refused.push(peer);
          break;
        case ERRNO.EAGAIN:
        case ERRNO.ENOBUFS:
          totals[COUNTER.send_queue_full]!++;
          break;
        default:
          totals[COUNTER.send_failed]!++;
      }
    }
  }

  takeRefused(): readonly number[] {
    if (this.#refused.length === 0) return NOBODY;
    const refused = this.#refused;
    this.#refused = [];
    return refused;
  }

  maxDatagram(peer: number): number | undefined {
    const known = this.#peers[peer];
    return known && this.#paths.maxDatagram(known.address);
  }

  allowFragments(): void {
    this.#paths.allowFragments();
  }

  #countSent(run: number, { totals, peerPackets, peerBytes }: LaneCounters): void {
    const queue = this.#out;
    const packets = queue.datagramsOf(run);
    const bytes = queue.bytesOf(run);
    const peer = queue.peerOf(run);
    totals[COUNTER.packets]! += packets;
    totals[COUNTER.bytes]! += bytes;
    peerPackets[peer]! += packets;
    peerBytes[peer]! += bytes;
  }

  #useForReceiving(burst: Burst): void {
    this.#inBurst = burst;
    const arena = addressOf(burst.bytes);
    for (let slot = 0; slot < burst.slots; slot++) {
      putAddress(this.#inIovecs, slot * IOVEC_WORDS, arena + burst.offset(slot));
      this.#inIovecs[slot * IOVEC_WORDS + IOVEC.len / 4] = PACKET_MAX_BYTES;
    }
  }

  /** Size of the datagrams that were received as one, from the control message; 0 without one. */
  #segmentSize(slot: number): number {
    const length = this.#in[slot * MESSAGE_WORDS + MSGHDR.controllen / 4]!;
    if (length < CMSGHDR.size + 4) return 0;
    const at = slot * CONTROL_WORDS;
    const controls = this.#inControls;
    return controls[at + CMSGHDR.level / 4] === SOL_UDP &&
        controls[at + CMSGHDR.type / 4] === UDP_GRO
      ? controls[at + CMSGHDR.size / 4]!
      : 0;
  }

  #findPeer(at: number): number {
    const names = this.#peerNames;
    const mask = this.#peerByName.length - 1;
    for (let cell = this.#hash(this.#senders, at);; cell = (cell + 1) & mask) {
      const peer = this.#peerByName[cell]!;
      if (peer === UNKNOWN_PEER) return UNKNOWN_PEER;
      const known = peer * NAME_WORDS;
      if (names[known] === this.#senders[at] && this.#sameHost(known, this.#senders, at)) {
        return peer;
      }
    }
  }

  /** The cell of the peer whose address stands at `at`, or the free cell where it would be. */
  #cellOfHost(names: Uint32Array, at: number): number {
    const mask = this.#peerByHost.length - 1;
    for (let cell = this.#hashHost(names, at, 0);; cell = (cell + 1) & mask) {
      const peer = this.#peerByHost[cell]!;
      if (peer === UNKNOWN_PEER || this.#sameHost(peer * NAME_WORDS, names, at)) return cell;
    }
  }

  #sameHost(known: number, names: Uint32Array, at: number): boolean {
    for (let i = this.#addressWord; i < this.#addressWord + this.#addressWords; i++) {
      if (this.#peerNames[known + i] !== names[at + i]) return false;
    }
    return true;
  }

  /** First cell to look at for the socket address at `at`: of port and address, not of flow or scope. */
  #hash(names: Uint32Array, at: number): number {
    return this.#hashHost(names, at, Math.imul(names[at]!, 0x9e3779b1));
  }

  #hashHost(names: Uint32Array, at: number, start: number): number {
    let hash = start;
    for (let i = this.#addressWord; i < this.#addressWord + this.#addressWords; i++) {
      hash = Math.imul(hash ^ names[at + i]!, 0x85ebca6b);
      hash ^= hash >>> 15;
    }
    return hash & (this.#peerByName.length - 1);
  }
}
