/**
 * Datagrams on their way to sendmmsg(2): equal-sized neighbours to one peer
 * become one message with UDP_SEGMENT (udp(7), Linux 4.18), which the kernel
 * carries as one packet for as long as it can. Only memory, no system calls.
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
import { BURST_PACKETS, NODES_MAX, UDP_PAYLOAD_MAX_BYTES } from "../base/limits.ts";

/** Datagrams in one message: UDP_MAX_SEGMENTS of Linux before 6.8 (include/linux/udp.h). */
const RUN_DATAGRAMS_MAX = 64;
/** Two ranges for each datagram: headers that were made, and payload. */
const RUN_IOVECS = 2 * RUN_DATAGRAMS_MAX;
/** Messages handed to one sendmmsg. */
const RUNS_MAX = BURST_PACKETS;
const NO_RUN = -1;

/** Word offsets, for the views below. */
const W = {
  message: MMSGHDR.size / 4,
  iovec: IOVEC.size / 4,
  control: CMSG_SPACE_8 / 4,
} as const;

/** The queue of one lane. */
export class SendQueue {
  /** Number of runs queued: messages for sendmmsg. */
  runs = 0;
  readonly #headers = new Uint32Array(RUNS_MAX * W.message);
  readonly pointers: readonly Deno.PointerObject[];
  readonly #iovecs = new Uint32Array(RUNS_MAX * RUN_IOVECS * W.iovec);
  readonly #controls = new Uint32Array(RUNS_MAX * W.control);
  readonly #iovecsAddress = addressOf(new Uint8Array(this.#iovecs.buffer));
  readonly #controlsAddress = addressOf(new Uint8Array(this.#controls.buffer));

  readonly #peer = new Int32Array(RUNS_MAX);
  readonly #segment_bytes = new Int32Array(RUNS_MAX);
  readonly #bytes = new Int32Array(RUNS_MAX);
  readonly #datagrams = new Int32Array(RUNS_MAX);
  readonly #iovecCount = new Int32Array(RUNS_MAX);
  /** Index of the first range of each datagram within its run. */
  readonly #firstRange = new Int32Array(RUNS_MAX * RUN_DATAGRAMS_MAX);
  /** The run of each peer that may still grow. */
  readonly #open = new Int32Array(NODES_MAX).fill(NO_RUN);

  /** `maxDatagrams` of 1 switches segmentation off. */
  constructor(public maxDatagrams: number = RUN_DATAGRAMS_MAX) {
    const bytes = new Uint8Array(this.#headers.buffer);
    this.pointers = Array.from(
      { length: RUNS_MAX },
      (_, run) => pointerTo(bytes.subarray(run * MMSGHDR.size)),
    );
    const controls = new DataView(this.#controls.buffer);
    for (let run = 0; run < RUNS_MAX; run++) {
      const message = run * W.message;
      const at = run * CMSG_SPACE_8;
      putAddress(this.#headers, message + MSGHDR.control / 4, this.#controlsAddress + at);
      controls.setUint32(at + CMSGHDR.len, CMSGHDR.size + 2, true);
      controls.setInt32(at + CMSGHDR.level, SOL_UDP, true);
      controls.setInt32(at + CMSGHDR.type, UDP_SEGMENT, true);
    }
  }

  peerOf(run: number): number {
    return this.#peer[run]!;
  }
  datagramsOf(run: number): number {
    return this.#datagrams[run]!;
  }
  bytesOf(run: number): number {
    return this.#bytes[run]!;
  }

  /**
   * Adds `count` datagrams of one size: to each a header, `headStride` from the
   * one before, and a body, right behind the one before; no header where
   * `headLength` is 0. Given by address. Returns how many were added: fewer when
   * the queue is full.
   */
  add(
    peer: number,
    nameAddress: number,
    nameLength: number,
    count: number,
    headAddress: number,
    headStride: number,
    headLength: number,
    bodyAddress: number,
    bodyLength: number,
  ): number {
    const size = headLength + bodyLength;
    let added = 0;
    while (added < count) {
      let run = this.#open[peer]!;
      let room = run === NO_RUN ? 0 : this.#roomFor(run, size);
      if (room === 0) {
        if (this.runs === RUNS_MAX) break;
        run = this.#openRun(peer, nameAddress, nameLength, size);
        room = this.#roomFor(run, size);
      }
      const end = Math.min(count, added + room);
      const firstRanges = run * RUN_DATAGRAMS_MAX + this.#datagrams[run]! - added;
      const rangesEach = headLength > 0 ? 2 : 1;
      let range = this.#iovecCount[run]!;
      let at = (run * RUN_IOVECS + range) * W.iovec;
      const iovecs = this.#iovecs;
      for (let i = added; i < end; i++) {
        this.#firstRange[firstRanges + i] = range;
        if (headLength > 0) {
          putAddress(iovecs, at, headAddress + i * headStride);
          iovecs[at + 2] = headLength;
          at += W.iovec;
        }
        putAddress(iovecs, at, bodyAddress + i * bodyLength);
        iovecs[at + 2] = bodyLength;
        at += W.iovec;
        range += rangesEach;
      }
      this.#iovecCount[run] = range;
      this.#bytes[run]! += (end - added) * size;
      this.#datagrams[run]! += end - added;
      added = end;
      // A shorter datagram can only be the last of a message.
      if (size < this.#segment_bytes[run]!) this.#open[peer] = NO_RUN;
    }
    return added;
  }

  /** Datagrams of a size that still fit into a run: a shorter one fits once, as its last. */
  #roomFor(run: number, size: number): number {
    const segment_bytes = this.#segment_bytes[run]!;
    if (size > segment_bytes) return 0;
    const room = Math.min(
      this.maxDatagrams - this.#datagrams[run]!,
      // A datagram of no bytes takes a place all the same.
      Math.floor((UDP_PAYLOAD_MAX_BYTES - this.#bytes[run]!) / Math.max(1, size)),
    );
    return size < segment_bytes ? Math.min(1, room) : room;
  }

  #openRun(peer: number, nameAddress: number, nameLength: number, size: number): number {
    const run = this.runs++;
    this.#open[peer] = run;
    this.#peer[run] = peer;
    this.#segment_bytes[run] = size;
    this.#bytes[run] = 0;
    this.#datagrams[run] = 0;
    this.#iovecCount[run] = 0;
    const message = run * W.message;
    putAddress(this.#headers, message + MSGHDR.name / 4, nameAddress);
    this.#headers[message + MSGHDR.namelen / 4] = nameLength;
    return run;
  }

  /** Readies the headers for sendmmsg; nothing is added afterwards until `clear`. */
  seal(): void {
    for (let run = 0; run < this.runs; run++) {
      const message = run * W.message;
      const iovecs = this.#iovecsAddress + run * RUN_IOVECS * IOVEC.size;
      putAddress(this.#headers, message + MSGHDR.iov / 4, iovecs);
      const several = this.#datagrams[run]! > 1;
      this.#headers[message + MSGHDR.iovlen / 4] = this.#iovecCount[run]!;
      this.#headers[message + MSGHDR.controllen / 4] = several ? CMSG_SPACE_8 : 0;
      this.#controls[run * W.control + CMSGHDR.size / 4] = this.#segment_bytes[run]!;
    }
  }

  /** Empties the queue. */
  clear(): void {
    for (let run = 0; run < this.runs; run++) this.#open[this.#peer[run]!] = NO_RUN;
    this.runs = 0;
  }

  /**
   * Makes run `run` a message of its datagram `i` alone, to be sent by itself.
   * Returns the datagram's size in bytes.
   */
  isolate(run: number, i: number): number {
    const message = run * W.message;
    const first = this.#firstRange[run * RUN_DATAGRAMS_MAX + i]!;
    const end = i + 1 < this.#datagrams[run]!
      ? this.#firstRange[run * RUN_DATAGRAMS_MAX + i + 1]!
      : this.#iovecCount[run]!;
    const iovec = this.#iovecsAddress + (run * RUN_IOVECS + first) * IOVEC.size;
    putAddress(this.#headers, message + MSGHDR.iov / 4, iovec);
    this.#headers[message + MSGHDR.iovlen / 4] = end - first;
    this.#headers[message + MSGHDR.controllen / 4] = 0;
    let size = 0;
    for (let range = first; range < end; range++) {
      size += this.#iovecs[(run * RUN_IOVECS + range) * W.iovec + IOVEC.len / 4]!;
    }
    return size;
  }
}
