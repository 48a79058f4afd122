/**
 * Datagrams on their way to sendmmsg(2): equal-sized neighbours to one
 * destination become one message with UDP_SEGMENT (udp(7), Linux 4.18), which
 * the kernel carries as one packet for as long as it can. Only memory, no system
 * calls.
 */

import { addressOf, pointerTo, putAddress } from "../../ffi/libc.ts";
import {
  CMSG_SPACE_8,
  CMSGHDR,
  IOVEC,
  MMSGHDR,
  MSGHDR,
  SOL_UDP,
  UDP_SEGMENT,
} from "../../ffi/socket.ts";
import type { Burst } from "./arena.ts";
import type { Run } from "./run.ts";
import { BURST_PACKETS, NODES_MAX, UDP_PAYLOAD_MAX_BYTES } from "../base/limits.ts";

/** Datagrams in one message: UDP_MAX_SEGMENTS of Linux before 6.8 (include/linux/udp.h). */
const MESSAGE_DATAGRAMS_MAX = 64;
/** At most two ranges for each datagram: a header that was made, and payload. */
const MESSAGE_IOVECS = 2 * MESSAGE_DATAGRAMS_MAX;
/** Messages handed to one sendmmsg. */
export const MESSAGES_MAX: number = BURST_PACKETS;
const NO_MESSAGE = -1;

/** Word offsets, for the views below. */
const W = {
  message: MMSGHDR.size / 4,
  iovec: IOVEC.size / 4,
  control: CMSG_SPACE_8 / 4,
} as const;

/** The queue of one lane. */
export class SendQueue {
  /** Number of messages queued for sendmmsg. */
  messages = 0;
  readonly #headers = new Uint32Array(MESSAGES_MAX * W.message);
  readonly pointers: readonly Deno.PointerObject[];
  readonly #iovecs = new Uint32Array(MESSAGES_MAX * MESSAGE_IOVECS * W.iovec);
  readonly #controls = new Uint32Array(MESSAGES_MAX * W.control);
  readonly #iovecsAddress = addressOf(new Uint8Array(this.#iovecs.buffer));
  readonly #controlsAddress = addressOf(new Uint8Array(this.#controls.buffer));

  readonly #destination = new Int32Array(MESSAGES_MAX);
  readonly #segment_bytes = new Int32Array(MESSAGES_MAX);
  readonly #bytes = new Int32Array(MESSAGES_MAX);
  readonly #datagrams = new Int32Array(MESSAGES_MAX);
  readonly #iovecCount = new Int32Array(MESSAGES_MAX);
  /** The ranges of the datagram that is sent by itself. */
  readonly #isolated = new Uint32Array(MESSAGE_IOVECS * W.iovec);
  readonly #isolatedAddress = addressOf(new Uint8Array(this.#isolated.buffer));
  /** The message to each destination that may still grow. */
  readonly #open = new Int32Array(NODES_MAX).fill(NO_MESSAGE);

  #burst: Burst | undefined;
  #arenaAddress = 0;

  /** `maxDatagrams` of 1 switches segmentation off. */
  constructor(public maxDatagrams: number = MESSAGE_DATAGRAMS_MAX) {
    const bytes = new Uint8Array(this.#headers.buffer);
    this.pointers = Array.from(
      { length: MESSAGES_MAX },
      (_, message) => pointerTo(bytes.subarray(message * MMSGHDR.size)),
    );
    const controls = new DataView(this.#controls.buffer);
    for (let message = 0; message < MESSAGES_MAX; message++) {
      const header = message * W.message;
      const at = message * CMSG_SPACE_8;
      putAddress(this.#headers, header + MSGHDR.control / 4, this.#controlsAddress + at);
      controls.setUint32(at + CMSGHDR.len, CMSGHDR.size + 2, true);
      controls.setInt32(at + CMSGHDR.level, SOL_UDP, true);
      controls.setInt32(at + CMSGHDR.type, UDP_SEGMENT, true);
    }
  }

  destinationOf(message: number): number {
    return this.#destination[message]!;
  }
  datagramsOf(message: number): number {
    return this.#datagrams[message]!;
  }
  bytesOf(message: number): number {
    return this.#bytes[message]!;
  }

  /**
   * Adds a run; the socket address of its destination is given by its address in
   * memory. Returns how many datagrams were added: fewer when the queue is full.
   */
  add(run: Run, nameAddress: number, name_bytes: number): number {
    if (run.burst !== this.#burst) {
      this.#burst = run.burst;
      this.#arenaAddress = addressOf(run.burst.bytes);
    }
    const { destination, count, headStride_bytes, head_bytes, body_bytes } = run;
    const headAddress = this.#arenaAddress + run.head;
    const bodyAddress = this.#arenaAddress + run.body;
    const size = head_bytes + body_bytes;
    let added = 0;
    while (added < count) {
      let message = this.#open[destination]!;
      let room = message === NO_MESSAGE ? 0 : this.#roomFor(message, size);
      if (room === 0) {
        if (this.messages === MESSAGES_MAX) break;
        message = this.#openMessage(destination, nameAddress, name_bytes, size);
        room = this.#roomFor(message, size);
      }
      const end = Math.min(count, added + room);
      let range = this.#iovecCount[message]!;
      let at = (message * MESSAGE_IOVECS + range) * W.iovec;
      const iovecs = this.#iovecs;
      if (head_bytes === 0) {
        // Bodies lie one behind the other: one range for all.
        putAddress(iovecs, at, bodyAddress + added * body_bytes);
        iovecs[at + 2] = (end - added) * body_bytes;
        range++;
      } else {
        for (let i = added; i < end; i++) {
          putAddress(iovecs, at, headAddress + i * headStride_bytes);
          iovecs[at + 2] = head_bytes;
          putAddress(iovecs, at + W.iovec, bodyAddress + i * body_bytes);
          iovecs[at + W.iovec + 2] = body_bytes;
          at += 2 * W.iovec;
          range += 2;
        }
      }
      this.#iovecCount[message] = range;
      this.#bytes[message]! += (end - added) * size;
      this.#datagrams[message]! += end - added;
      added = end;
      // A shorter datagram can only be the last of a message.
      if (size < this.#segment_bytes[message]!) this.#open[destination] = NO_MESSAGE;
    }
    return added;
  }

  /** Datagrams of a size that still fit into a message: a shorter one fits once, as its last. */
  #roomFor(message: number, size: number): number {
    const segment_bytes = this.#segment_bytes[message]!;
    if (size > segment_bytes) return 0;
    const room = Math.min(
      this.maxDatagrams - this.#datagrams[message]!,
      // A datagram of no bytes takes a place all the same.
      Math.floor((UDP_PAYLOAD_MAX_BYTES - this.#bytes[message]!) / Math.max(1, size)),
    );
    return size < segment_bytes ? Math.min(1, room) : room;
  }

  #openMessage(destination: number, nameAddress: number, name_bytes: number, size: number): number {
    const message = this.messages++;
    this.#open[destination] = message;
    this.#destination[message] = destination;
    this.#segment_bytes[message] = size;
    this.#bytes[message] = 0;
    this.#datagrams[message] = 0;
    this.#iovecCount[message] = 0;
    const header = message * W.message;
    putAddress(this.#headers, header + MSGHDR.name / 4, nameAddress);
    this.#headers[header + MSGHDR.namelen / 4] = name_bytes;
    return message;
  }

  /** Readies the headers for sendmmsg; nothing is added afterwards until `clear`. */
  seal(): void {
    for (let message = 0; message < this.messages; message++) {
      const header = message * W.message;
      const iovecs = this.#iovecsAddress + message * MESSAGE_IOVECS * IOVEC.size;
      putAddress(this.#headers, header + MSGHDR.iov / 4, iovecs);
      const several = this.#datagrams[message]! > 1;
      this.#headers[header + MSGHDR.iovlen / 4] = this.#iovecCount[message]!;
      this.#headers[header + MSGHDR.controllen / 4] = several ? CMSG_SPACE_8 : 0;
      this.#controls[message * W.control + CMSGHDR.size / 4] = this.#segment_bytes[message]!;
    }
  }

  /** Empties the queue. */
  clear(): void {
    for (let message = 0; message < this.messages; message++) {
      this.#open[this.#destination[message]!] = NO_MESSAGE;
    }
    this.messages = 0;
  }

  /**
   * Cuts a message down to its datagram `i` alone, to be sent by itself before another one is cut.
   * Returns the datagram's size in bytes.
   */
  isolate(message: number, i: number): number {
    const header = message * W.message;
    const segment_bytes = this.#segment_bytes[message]!;
    const begin = i * segment_bytes;
    const size = Math.min(segment_bytes, this.#bytes[message]! - begin);
    const [from, to] = [this.#iovecs, this.#isolated];
    let ranges = 0;
    let skip = begin;
    let left = size;
    for (let at = message * MESSAGE_IOVECS * W.iovec; left > 0; at += W.iovec) {
      const length = from[at + 2]!;
      const taken = Math.min(length - skip, left);
      if (taken > 0) {
        const address = from[at]! + from[at + 1]! * 2 ** 32 + skip;
        putAddress(to, ranges * W.iovec, address);
        to[ranges * W.iovec + 2] = taken;
        ranges++;
        left -= taken;
      }
      skip = Math.max(0, skip - length);
    }
    putAddress(this.#headers, header + MSGHDR.iov / 4, this.#isolatedAddress);
    this.#headers[header + MSGHDR.iovlen / 4] = ranges;
    this.#headers[header + MSGHDR.controllen / 4] = 0;
    return size;
  }
}
