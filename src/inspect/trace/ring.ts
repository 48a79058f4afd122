/**
 * Packets on their way from a lane to the main thread: a ring in shared memory
 * with one writer and one reader, and no locks. Pure.
 *
 * The control words are the writer's position, the reader's position (both in
 * bytes, modulo 2^32), the packets that found no room, and how much of each packet
 * the reader wants: 0 while nobody looks. A record:
 *
 * | offset | bytes | field                                                  |
 * | ------ | ----- | ------------------------------------------------------ |
 * | 0      | 4     | size of the record, a multiple of 8; 0: back to start  |
 * | 4      | 1     | kind: RECORD                                           |
 * | 6      | 2     | counter of a drop                                      |
 * | 8      | 4     | index of the peer, negative for none                   |
 * | 12     | 4     | length of the packet                                   |
 * | 16     | 4     | bytes of it that follow                                |
 * | 20     | 8     | time: seconds and nanoseconds                          |
 * | 32     |       | the packet's first bytes                               |
 *
 * INVARIANT: the writer moves its position only after a record is complete, the
 * reader only after it has copied what it needs; so neither sees half of anything.
 */

import type { Observer } from "../../dataplane/observer.ts";
import type { Run } from "../../io/run.ts";
import type { Timestamp } from "../pcap/pcapng.ts";

/** What became of a packet. */
export const RECORD = { sent: 1, received: 2, droppedOut: 3, droppedIn: 4, answered: 5 } as const;

const CONTROL_BYTES = 64;
const CONTROL = { head: 0, tail: 1, lost: 2, snap_bytes: 3 } as const;
const HEADER_BYTES = 32;
const FIELD = {
  size: 0,
  kind: 4,
  counter: 6,
  peer: 8,
  length: 12,
  captured: 16,
  time: 20,
} as const;

/** Shared memory of a ring. */
export type RingMemory = SharedArrayBuffer;

/** Shared memory of a ring whose records take `data_bytes` (a power of two) in all. */
export function ringMemory(data_bytes: number): RingMemory {
  return new SharedArrayBuffer(CONTROL_BYTES + data_bytes);
}

/** Reads the time of day; `clock.ts` has the real one. */
export interface Clock extends Timestamp {
  read(): void;
}

/** The lane's end. Allocates nothing but a view for each long copy. */
export class RingWriter implements Observer {
  readonly #control: Int32Array;
  readonly #view: DataView;
  readonly #bytes: Uint8Array;
  readonly #mask: number;

  constructor(memory: SharedArrayBuffer, readonly clock: Clock) {
    this.#control = new Int32Array(memory, 0, CONTROL_BYTES / 4);
    this.#view = new DataView(memory, CONTROL_BYTES);
    this.#bytes = new Uint8Array(memory, CONTROL_BYTES);
    this.#mask = this.#bytes.length - 1;
    if ((this.#bytes.length & this.#mask) !== 0) throw new RangeError("no power of two");
  }

  /** Whether anybody looks at what is written. */
  get wanted(): boolean {
    return this.#snap_bytes > 0;
  }

  /** At most so many bytes of each packet are taken along. */
  get #snap_bytes(): number {
    return Atomics.load(this.#control, CONTROL.snap_bytes);
  }

  sent(run: Run): void {
    this.clock.read();
    const { destination: peer, burst: { view }, head_bytes, body_bytes } = run;
    for (let i = 0; i < run.count; i++) {
      const head = run.head + i * run.headStride_bytes;
      const body = run.body + i * body_bytes;
      this.#put(RECORD.sent, 0, peer, view, head, head_bytes, body, body_bytes);
    }
  }

  received(view: DataView, peer: number, offset: number, length: number, count: number): void {
    this.clock.read();
    for (let i = 0; i < count; i++) {
      this.#put(RECORD.received, 0, peer, view, 0, 0, offset + i * length, length);
    }
  }

  droppedOut(view: DataView, counter: number, peer: number, offset: number, length: number): void {
    this.clock.read();
    this.#put(RECORD.droppedOut, counter, peer, view, 0, 0, offset, length);
  }

  droppedIn(view: DataView, counter: number, peer: number, offset: number, length: number): void {
    this.clock.read();
    this.#put(RECORD.droppedIn, counter, peer, view, 0, 0, offset, length);
  }

  answered(view: DataView, offset: number, length: number): void {
    this.clock.read();
    this.#put(RECORD.answered, 0, -1, view, 0, 0, offset, length);
  }

  #put(
    kind: number,
    counter: number,
    peer: number,
    view: DataView,
    head: number,
    head_bytes: number,
    body: number,
    body_bytes: number,
  ): void {
    const length = head_bytes + body_bytes;
    const captured = Math.min(length, this.#snap_bytes);
    const size = (HEADER_BYTES + captured + 7) & ~7;
    const capacity = this.#bytes.length;
    const start = Atomics.load(this.#control, CONTROL.head);
    const used = (start - Atomics.load(this.#control, CONTROL.tail)) >>> 0;
    let at = start & this.#mask;
    // A record is in one piece: what is left at the end is skipped where it is too short.
    const skipped = at + size > capacity ? capacity - at : 0;
    if (used + skipped + size > capacity) {
      Atomics.add(this.#control, CONTROL.lost, 1);
      return;
    }
    const out = this.#view;
    if (skipped > 0) {
      out.setUint32(at + FIELD.size, 0, true);
      at = 0;
    }
    out.setUint32(at + FIELD.size, size, true);
    out.setUint8(at + FIELD.kind, kind);
    out.setUint16(at + FIELD.counter, counter, true);
    out.setInt32(at + FIELD.peer, peer, true);
    out.setUint32(at + FIELD.length, length, true);
    out.setUint32(at + FIELD.captured, captured, true);
    out.setUint32(at + FIELD.time, this.clock.seconds, true);
    out.setUint32(at + FIELD.time + 4, this.clock.nanoseconds, true);
    const headPart = Math.min(head_bytes, captured);
    this.#copy(view, head, at + HEADER_BYTES, headPart);
    this.#copy(view, body, at + HEADER_BYTES + headPart, captured - headPart);
    Atomics.store(this.#control, CONTROL.head, (start + skipped + size) | 0);
  }

  #copy(view: DataView, from: number, to: number, count: number): void {
    if (count === 0) return;
    this.#bytes.set(new Uint8Array(view.buffer, view.byteOffset + from, count), to);
  }
}

/** A packet that a lane has shown, with its own copy of the bytes. */
export interface PacketRecord {
  /** One of RECORD. */
  readonly kind: number;
  /** Index in COUNTERS of a drop's reason. */
  readonly counter: number;
  /** Index of the peer; negative for none. */
  readonly peer: number;
  readonly length_bytes: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly time: Timestamp;
}

/** The main thread's end. */
export class RingReader {
  readonly #control: Int32Array;
  readonly #view: DataView;
  readonly #bytes: Uint8Array;

  constructor(memory: SharedArrayBuffer) {
    this.#control = new Int32Array(memory, 0, CONTROL_BYTES / 4);
    this.#view = new DataView(memory, CONTROL_BYTES);
    this.#bytes = new Uint8Array(memory, CONTROL_BYTES);
  }

  /** Asks for the first bytes of each packet; 0: for none. Lanes follow at their next table. */
  want(snap_bytes: number): void {
    Atomics.store(this.#control, CONTROL.snap_bytes, snap_bytes);
  }

  /** Forgets what is in the ring, which nobody has asked for. */
  clear(): void {
    Atomics.store(this.#control, CONTROL.tail, Atomics.load(this.#control, CONTROL.head));
    this.takeLost();
  }

  /** Packets lost since the last call, for want of room. */
  takeLost(): number {
    return Atomics.exchange(this.#control, CONTROL.lost, 0);
  }

  /** Takes what is in the ring, at most `limit` packets. */
  take(limit: number): PacketRecord[] {
    const records: PacketRecord[] = [];
    const end = Atomics.load(this.#control, CONTROL.head);
    let tail = Atomics.load(this.#control, CONTROL.tail);
    const view = this.#view;
    const capacity = this.#bytes.length;
    while (tail !== end && records.length < limit) {
      const at = tail & (capacity - 1);
      const size = view.getUint32(at + FIELD.size, true);
      if (size === 0) {
        tail = (tail + capacity - at) | 0;
        continue;
      }
      const captured = view.getUint32(at + FIELD.captured, true);
      const bytes = new Uint8Array(captured);
      bytes.set(this.#bytes.subarray(at + HEADER_BYTES, at + HEADER_BYTES + captured));
      records.push({
        kind: view.getUint8(at + FIELD.kind),
        counter: view.getUint16(at + FIELD.counter, true),
        peer: view.getInt32(at + FIELD.peer, true),
        length_bytes: view.getUint32(at + FIELD.length, true),
        bytes,
        time: {
          seconds: view.getUint32(at + FIELD.time, true),
          nanoseconds: view.getUint32(at + FIELD.time + 4, true),
        },
      });
      tail = (tail + size) | 0;
    }
    Atomics.store(this.#control, CONTROL.tail, tail);
    return records;
  }
}
