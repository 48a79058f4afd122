/**
 * Many datagrams per system call: recvmmsg(2) and sendmmsg(2) on the very
 * socket that Deno.listenDatagram opened, with the kernel's UDP segmentation
 * (send_queue.ts) and receive offload (UDP_GRO) where it has them.
 */

import { ERRNO } from "../../ffi/errno.ts";
import { POLLFD, POLLOUT } from "../../ffi/file.ts";
import { addressOf, type Libc, libc, pointerTo, putAddress } from "../../ffi/libc.ts";
import {
  CMSG_SPACE_8,
  CMSGHDR,
  IOVEC,
  MMSGHDR,
  MSG_DONTWAIT,
  MSG_TRUNC,
  MSGHDR,
  SOCKADDR_IN6_BYTES,
  SOCKADDR_IN_BYTES,
  SOL_UDP,
  UDP_GRO,
} from "../../ffi/socket.ts";
import type { Burst } from "./arena.ts";
import { BURST_PACKETS, NODES_MAX, PACKET_MAX_BYTES } from "../base/limits.ts";
import type { IpVersion } from "../net/prefix.ts";
import { UdpPaths } from "./path_mtu.ts";
import type { Run } from "./run.ts";
import { OUTCOME, type Outcome, SendResults } from "./send_results.ts";
import { MESSAGES_MAX, SendQueue } from "./send_queue.ts";
import { putSockaddr, readSockaddr, SOCKADDR_WORDS } from "./sockaddr.ts";
import type { PacketSocket } from "./socket.ts";

/** From one socket address to the next in a table. */
const NAME_STRIDE_BYTES = 4 * SOCKADDR_WORDS;

/**
 * How long a full send queue is waited for, once, before packets are dropped. A
 * lane may move both directions, and the other one must not wait along.
 */
const SEND_WAIT_MS = 2;

/** Results of one message: one for each outcome, where its datagrams had to leave one by one. */
const OUTCOMES = Object.keys(OUTCOME).length;

/** Word offsets in the receive vector. */
const MESSAGE_WORDS = MMSGHDR.size / 4;
const IOVEC_WORDS = IOVEC.size / 4;
const CONTROL_WORDS = CMSG_SPACE_8 / 4;

/** The system calls that move datagrams, and their errno. */
export interface DatagramCalls {
  readonly call: Pick<Libc["call"], "recvmmsg" | "sendmmsg" | "poll">;
  /** errno of the call just made. */
  errno(): number;
}

/** A lane's hold on the shared UDP socket. */
export class BatchSocket implements PacketSocket {
  readonly #out: SendQueue;
  readonly #results = new SendResults(MESSAGES_MAX * OUTCOMES);
  /** Of a message whose datagrams leave one by one, by outcome. */
  readonly #datagrams = new Int32Array(OUTCOMES);
  readonly #bytes = new Int32Array(OUTCOMES);
  readonly #writable = new Uint8Array(POLLFD.size);

  readonly #in = new Uint32Array(BURST_PACKETS * MESSAGE_WORDS);
  readonly #inPointer = pointerTo(new Uint8Array(this.#in.buffer));
  readonly #inIovecs = new Uint32Array(BURST_PACKETS * IOVEC_WORDS);
  readonly #inControls = new Uint32Array(BURST_PACKETS * CONTROL_WORDS);
  #inBurst: Burst | undefined;
  /** Messages that the last recvmmsg filled. */
  #received = 0;

  readonly #paths: UdpPaths;
  /** The send queue has stayed full: it is not waited for again until there is room. */
  #jammed = false;

  readonly #name_bytes: number;
  /** The destinations' socket addresses, and where they lie in memory. */
  readonly #names = new Int32Array(NODES_MAX * SOCKADDR_WORDS);
  readonly #namesAddress = addressOf(new Uint8Array(this.#names.buffer));

  /** `gso`: the kernel cuts a message into datagrams (UDP_SEGMENT). */
  constructor(
    readonly fd: number,
    ipVersion: IpVersion,
    gso: boolean,
    readonly calls: DatagramCalls = libc(),
  ) {
    this.#out = new SendQueue(gso ? undefined : 1);
    this.#paths = new UdpPaths(fd, ipVersion);
    this.#name_bytes = ipVersion === 4 ? SOCKADDR_IN_BYTES : SOCKADDR_IN6_BYTES;
    const iovecs = addressOf(new Uint8Array(this.#inIovecs.buffer));
    const controls = addressOf(new Uint8Array(this.#inControls.buffer));
    for (let slot = 0; slot < BURST_PACKETS; slot++) {
      const at = slot * MESSAGE_WORDS;
      this.#in[at + MSGHDR.namelen / 4] = this.#name_bytes;
      putAddress(this.#in, at + MSGHDR.iov / 4, iovecs + slot * IOVEC.size);
      this.#in[at + MSGHDR.iovlen / 4] = 1;
      putAddress(this.#in, at + MSGHDR.control / 4, controls + slot * CMSG_SPACE_8);
      this.#in[at + MSGHDR.controllen / 4] = CMSG_SPACE_8;
    }
    const poll = new DataView(this.#writable.buffer);
    poll.setInt32(POLLFD.fd, fd, true);
    poll.setInt16(POLLFD.events, POLLOUT, true);
  }

  receive(burst: Burst): number {
    if (burst !== this.#inBurst) this.#useForReceiving(burst);
    const slots = Math.min(burst.slots, BURST_PACKETS);
    for (let slot = 0; slot < this.#received; slot++) {
      // The kernel has put in what it wrote last time.
      this.#in[slot * MESSAGE_WORDS + MSGHDR.controllen / 4] = CMSG_SPACE_8;
    }
    const { call } = this.calls;
    const count = call.recvmmsg(this.fd, this.#inPointer, slots, MSG_DONTWAIT, null);
    this.#received = Math.max(0, count);
    for (let slot = 0; slot < count; slot++) {
      const at = slot * MESSAGE_WORDS;
      const cut = (this.#in[at + MSGHDR.flags / 4]! & MSG_TRUNC) !== 0;
      burst.length[slot] = cut ? 0 : this.#in[at + MMSGHDR.len / 4]!;
      burst.segment[slot] = this.#segmentSize(slot);
    }
    return this.#received;
  }

  setDestination(destination: number, address: Uint8Array, port: number): void {
    putSockaddr(this.#names, destination, address, port);
  }

  queue(run: Run): number {
    const name = this.#namesAddress + run.destination * NAME_STRIDE_BYTES;
    return this.#out.add(run, name, this.#name_bytes);
  }

  flush(): SendResults {
    const queue = this.#out;
    const results = this.#results;
    results.clear();
    if (queue.messages === 0) return results;
    queue.seal();
    const { call } = this.calls;
    let waited = false;
    // Each turn sends or drops at least one message, or waits the one time it may.
    for (let message = 0; message < queue.messages;) {
      const left = queue.messages - message;
      const sent = call.sendmmsg(this.fd, queue.pointers[message]!, left, MSG_DONTWAIT);
      for (const end = message + sent; message < end; message++) this.#note(message, OUTCOME.sent);
      if (sent > 0) continue;
      const code = this.calls.errno();
      if (code === ERRNO.EINTR) continue;
      if (code === ERRNO.EAGAIN && !waited) {
        waited = true;
        this.#jammed = call.poll(this.#writable, 1, this.#jammed ? 0 : SEND_WAIT_MS) <= 0;
        if (!this.#jammed) continue;
      }
      this.#refused(message++, code);
    }
    queue.clear();
    return results;
  }

  /** A message that the kernel has not taken, and will not. */
  #refused(message: number, code: number): void {
    const queue = this.#out;
    const several = queue.datagramsOf(message) > 1;
    // The device cannot segment (no checksum offload, before Linux 6.11): never ask again.
    if (code === ERRNO.EIO && several) queue.maxDatagrams = 1;
    // EINVAL: a segment is larger than the path's MTU (net/ipv4/udp.c, udp_send_skb).
    const maybeApart = several &&
      (code === ERRNO.EIO || code === ERRNO.EINVAL || code === ERRNO.EMSGSIZE);
    if (maybeApart) this.#sendOneByOne(message);
    else this.#note(message, outcomeOf(code));
  }

  /** Each datagram of a message that cannot leave as one. */
  #sendOneByOne(message: number): void {
    const queue = this.#out;
    const { call } = this.calls;
    const destination = queue.destinationOf(message);
    const datagrams = this.#datagrams.fill(0);
    const bytes = this.#bytes.fill(0);
    for (let i = 0; i < queue.datagramsOf(message);) {
      const size = queue.isolate(message, i);
      const sent = call.sendmmsg(this.fd, queue.pointers[message]!, 1, MSG_DONTWAIT) === 1;
      const code = sent ? 0 : this.calls.errno();
      if (code === ERRNO.EINTR) continue;
      const outcome = sent ? OUTCOME.sent : outcomeOf(code);
      datagrams[outcome]!++;
      bytes[outcome]! += size;
      i++;
    }
    for (let outcome = 0; outcome < OUTCOMES; outcome++) {
      this.#results.add(destination, outcome as Outcome, datagrams[outcome]!, bytes[outcome]!);
    }
  }

  #note(message: number, outcome: Outcome): void {
    const queue = this.#out;
    const datagrams = queue.datagramsOf(message);
    this.#results.add(queue.destinationOf(message), outcome, datagrams, queue.bytesOf(message));
  }

  pathMtu(destination: number): number | undefined {
    return this.#paths.maxDatagram(readSockaddr(this.#names, destination).address);
  }

  allowFragments(): void {
    this.#paths.allowFragments();
  }

  #useForReceiving(burst: Burst): void {
    this.#inBurst = burst;
    const arena = addressOf(burst.bytes);
    const senders = addressOf(new Uint8Array(burst.sender.buffer));
    for (let slot = 0; slot < Math.min(burst.slots, BURST_PACKETS); slot++) {
      putAddress(this.#inIovecs, slot * IOVEC_WORDS, arena + burst.offset(slot));
      this.#inIovecs[slot * IOVEC_WORDS + IOVEC.len / 4] = PACKET_MAX_BYTES;
      const name = slot * MESSAGE_WORDS + MSGHDR.name / 4;
      putAddress(this.#in, name, senders + slot * NAME_STRIDE_BYTES);
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
}

/** What a datagram that the kernel refused counts as. */
function outcomeOf(code: number): Outcome {
  if (code === ERRNO.EMSGSIZE) return OUTCOME.tooBig;
  return code === ERRNO.EAGAIN || code === ERRNO.ENOBUFS ? OUTCOME.queueFull : OUTCOME.failed;
}
