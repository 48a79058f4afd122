/**
 * Many datagrams per system call: recvmmsg(2) and sendmmsg(2) on the very
 * socket that Deno.listenDatagram opened.
 */

import { ERRNO } from "../../ffi/errno.ts";
import {
  AF_INET,
  AF_INET6,
  IOVEC,
  MMSGHDR,
  MSG_DONTWAIT,
  MSG_TRUNC,
  MSGHDR,
  POLLFD,
  POLLOUT,
  SOCKADDR,
  SOCKADDR_IN6_BYTES,
  SOCKADDR_IN_BYTES,
} from "../../ffi/layout.ts";
import { libc, pointerTo } from "../../ffi/libc.ts";
import { type Burst, SLOT_HEADROOM_BYTES, SLOT_STRIDE_BYTES } from "../engine/burst.ts";
import { COUNTER, type LaneCounters } from "../engine/counters.ts";
import type { FibHalf } from "../engine/fib.ts";
import { BURST_PACKETS, NODES_MAX, PACKET_MAX_BYTES } from "../limits.ts";
import type { IpVersion } from "../net/prefix.ts";
import { type PacketSocket, UNKNOWN_PEER } from "./socket.ts";

/** Distance between socket addresses in a table: a sockaddr_in6 rounded up. */
const NAME_STRIDE_BYTES = 32;
const NAME_WORDS = NAME_STRIDE_BYTES / 4;

/** How long a full send queue is waited for before the rest of a burst is dropped. */
const SEND_WAIT_MS = 2;

function addressOf(bytes: Uint8Array<ArrayBuffer>): number {
  // User addresses are below 2^47 on x86_64 and below 2^52 on aarch64: exact as a number.
  return Number(Deno.UnsafePointer.value(pointerTo(bytes)));
}

/** A vector of mmsghdr, one iovec each, with its words at hand. */
class Messages {
  readonly headers = new Uint8Array(BURST_PACKETS * MMSGHDR.size);
  readonly pointers = Array.from(
    { length: BURST_PACKETS },
    (_, i) => pointerTo(this.headers.subarray(i * MMSGHDR.size)),
  );
  readonly #words = new Uint32Array(this.headers.buffer);
  readonly #iovecs = new Uint8Array(BURST_PACKETS * IOVEC.size);
  readonly #iovecWords = new Uint32Array(this.#iovecs.buffer);

  constructor() {
    const iovecs = addressOf(this.#iovecs);
    for (let i = 0; i < BURST_PACKETS; i++) {
      this.#putAddress(this.#words, this.#word(i, MSGHDR.iov), iovecs + i * IOVEC.size);
      this.#words[this.#word(i, MSGHDR.iovlen)] = 1;
    }
  }

  setName(i: number, address: number, length_bytes: number): void {
    this.#putAddress(this.#words, this.#word(i, MSGHDR.name), address);
    this.#words[this.#word(i, MSGHDR.namelen)] = length_bytes;
  }

  setData(i: number, address: number, length_bytes: number): void {
    this.#putAddress(this.#iovecWords, i * IOVEC.size / 4, address);
    this.#iovecWords[(i * IOVEC.size + IOVEC.len) / 4] = length_bytes;
  }

  length(i: number): number {
    return this.#words[this.#word(i, MMSGHDR.len)]!;
  }

  flags(i: number): number {
    return this.#words[this.#word(i, MSGHDR.flags)]!;
  }

  #word(i: number, offset: number): number {
    return (i * MMSGHDR.size + offset) / 4;
  }

  #putAddress(words: Uint32Array, at: number, address: number): void {
    words[at] = address % 0x1_0000_0000;
    words[at + 1] = Math.floor(address / 0x1_0000_0000);
  }
}

/** A lane's hold on the shared UDP socket. Its queue is of one burst and one thread. */
export class BatchSocket implements PacketSocket {
  readonly #libc = libc();
  readonly #out = new Messages();
  readonly #outSlots = new Int32Array(BURST_PACKETS);
  readonly #outPeers = new Int32Array(BURST_PACKETS);
  #queued = 0;
  readonly #writable = new Uint8Array(POLLFD.size);

  readonly #in = new Messages();
  readonly #senders = new Uint32Array(BURST_PACKETS * NAME_WORDS);
  #inBurst: Burst | undefined;

  readonly #nameBytes: number;
  readonly #addressWord: number;
  readonly #addressWords: number;
  /** Peers' socket addresses, NAME_STRIDE_BYTES apart, and where they stand in memory. */
  readonly #peerNames = new Uint32Array(NODES_MAX * NAME_WORDS);
  readonly #peerNamesAddress = addressOf(new Uint8Array(this.#peerNames.buffer));
  /** Open addressing: peer index by socket address, at most half full. */
  #peerByName = new Int32Array(2).fill(UNKNOWN_PEER);
  #arena = { burst: undefined as Burst | undefined, address: 0 };

  constructor(readonly fd: number, ipVersion: IpVersion) {
    this.#nameBytes = ipVersion === 4 ? SOCKADDR_IN_BYTES : SOCKADDR_IN6_BYTES;
    this.#addressWord = (ipVersion === 4 ? SOCKADDR.in_addr : SOCKADDR.in6_addr) / 4;
    this.#addressWords = ipVersion === 4 ? 1 : 4;
    const senders = addressOf(new Uint8Array(this.#senders.buffer));
    for (let i = 0; i < BURST_PACKETS; i++) {
      this.#in.setName(i, senders + i * NAME_STRIDE_BYTES, this.#nameBytes);
    }
    const poll = new DataView(this.#writable.buffer);
    poll.setInt32(POLLFD.fd, fd, true);
    poll.setInt16(POLLFD.events, POLLOUT, true);
  }

  usePeers(fib: FibHalf): void {
    let size = 2;
    while (size < 2 * fib.peerCount) size *= 2;
    this.#peerByName = new Int32Array(size).fill(UNKNOWN_PEER);
    this.#peerNames.fill(0);
    const view = new DataView(this.#peerNames.buffer);
    for (let peer = 0; peer < fib.peerCount; peer++) {
      const { address, port } = fib.peer(peer);
      const at = peer * NAME_STRIDE_BYTES;
      view.setUint16(at + SOCKADDR.family, address.length === 4 ? AF_INET : AF_INET6, true);
      view.setUint16(at + SOCKADDR.port, port);
      address.forEach((byte, i) => view.setUint8(at + 4 * this.#addressWord + i, byte));
      let cell = this.#hash(this.#peerNames, peer * NAME_WORDS);
      while (this.#peerByName[cell] !== UNKNOWN_PEER) cell = (cell + 1) & (size - 1);
      this.#peerByName[cell] = peer;
    }
  }

  receive(burst: Burst): number {
    if (burst !== this.#inBurst) {
      this.#inBurst = burst;
      for (let slot = 0; slot < burst.slots; slot++) {
        this.#in.setData(slot, this.#slotAddress(burst, slot), PACKET_MAX_BYTES);
      }
    }
    const slots = Math.min(burst.slots, BURST_PACKETS);
    // namelen is left as it is: all senders are of the socket's own family.
    const count = this.#libc.call.recvmmsg(
      this.fd,
      this.#in.pointers[0]!,
      slots,
      MSG_DONTWAIT,
      null,
    );
    for (let slot = 0; slot < count; slot++) {
      const cut = (this.#in.flags(slot) & MSG_TRUNC) !== 0;
      burst.length[slot] = cut ? 0 : this.#in.length(slot);
      burst.peer[slot] = this.#findPeer(slot * NAME_WORDS);
    }
    return count < 0 ? 0 : count;
  }

  queue(burst: Burst, slot: number, peer: number): void {
    const i = this.#queued++;
    this.#outSlots[i] = slot;
    this.#outPeers[i] = peer;
    this.#out.setName(i, this.#peerNamesAddress + peer * NAME_STRIDE_BYTES, this.#nameBytes);
    this.#out.setData(i, this.#slotAddress(burst, slot), burst.length[slot]!);
  }

  flush(burst: Burst, counters: LaneCounters): void {
    const { call, errno } = this.#libc;
    const { totals } = counters;
    let waited = false;
    // Each turn sends at least one message or drops one: bounded by the queue.
    for (let i = 0; i < this.#queued;) {
      const sent = call.sendmmsg(this.fd, this.#out.pointers[i]!, this.#queued - i, MSG_DONTWAIT);
      for (let k = 0; k < sent; k++) this.#countSent(i + k, burst, counters);
      if (sent > 0) {
        i += sent;
        continue;
      }
      const code = errno();
      if (code === ERRNO.EINTR) continue;
      if (code === ERRNO.EAGAIN || code === ERRNO.ENOBUFS) {
        if (!waited && code === ERRNO.EAGAIN) {
          waited = true;
          call.poll(this.#writable, 1, SEND_WAIT_MS);
          continue;
        }
        totals[COUNTER.send_queue_full]! += this.#queued - i;
        break;
      }
      // Only the first message failed: the others get their turn.
      totals[code === ERRNO.EMSGSIZE ? COUNTER.too_big : COUNTER.send_failed]!++;
      i++;
    }
    this.#queued = 0;
  }

  #countSent(i: number, burst: Burst, { totals, peerPackets, peerBytes }: LaneCounters): void {
    const length = burst.length[this.#outSlots[i]!]!;
    const peer = this.#outPeers[i]!;
    totals[COUNTER.packets]!++;
    totals[COUNTER.bytes]! += length;
    peerPackets[peer]!++;
    peerBytes[peer]! += length;
  }

  #findPeer(at: number): number {
    const names = this.#peerNames;
    const mask = this.#peerByName.length - 1;
    for (let cell = this.#hash(this.#senders, at);; cell = (cell + 1) & mask) {
      const peer = this.#peerByName[cell]!;
      if (peer === UNKNOWN_PEER) return UNKNOWN_PEER;
      const known = peer * NAME_WORDS;
      let same = names[known] === this.#senders[at];
      for (let i = this.#addressWord; same && i < this.#addressWord + this.#addressWords; i++) {
        same = names[known + i] === this.#senders[at + i];
      }
      if (same) return peer;
    }
  }

  /** First cell to look at for the socket address at `at`: of port and address, not of flow or scope. */
  #hash(names: Uint32Array, at: number): number {
    let hash = Math.imul(names[at]!, 0x9e3779b1);
    for (let i = this.#addressWord; i < this.#addressWord + this.#addressWords; i++) {
      hash = Math.imul(hash ^ names[at + i]!, 0x85ebca6b);
      hash ^= hash >>> 15;
    }
    return hash & (this.#peerByName.length - 1);
  }

  #slotAddress(burst: Burst, slot: number): number {
    if (this.#arena.burst !== burst) this.#arena = { burst, address: addressOf(burst.bytes) };
    return this.#arena.address + slot * SLOT_STRIDE_BYTES + SLOT_HEADROOM_BYTES;
  }
}
