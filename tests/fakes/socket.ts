/** A UDP socket in memory behind the real interface. */

import type { Burst } from "../../src/io/arena.ts";
import { COUNTER, type LaneCounters } from "../../src/forwarding/counters.ts";
import type { LaneTable } from "../../src/forwarding/lane_table.ts";
import { type PacketSocket, type Sender, UNKNOWN_PEER } from "../../src/io/socket.ts";

/** A datagram with the index of the peer at its other end. */
export interface FakeDatagram {
  readonly peer: number;
  readonly bytes: Uint8Array;
  /** Received as one: size of each datagram in `bytes`. */
  readonly segment?: number;
  /** Of no peer, but from a peer's address. */
  readonly peerHost?: boolean;
}

/** Where everything comes from. */
export const FAKE_SENDER: Sender = { address: Uint8Array.of(192, 0, 2, 1), port: 4000 };

/** Datagrams that fit before a flush: fewer than a burst's, to see retries. */
const QUEUE_MAX = 50;

/** Hands out the datagrams in `waiting`, keeps copies of what is sent. */
export class FakeSocket implements PacketSocket {
  waiting: FakeDatagram[] = [];
  sent: FakeDatagram[] = [];
  #queue: FakeDatagram[] = [];
  #received: FakeDatagram[] = [];
  peerCount = 0;
  /** Peers to report as refused. */
  refused: number[] = [];
  /** The largest datagram to each peer, as the kernel knows it. */
  paths = new Map<number, number>();
  fragments = false;

  usePeers(table: LaneTable): void {
    this.peerCount = table.peerCount;
  }

  receive(burst: Burst): number {
    let slot = 0;
    this.#received = this.waiting.slice(0, burst.slots);
    for (; slot < burst.slots && this.waiting.length > 0; slot++) {
      const { peer, bytes, segment } = this.waiting.shift()!;
      burst.bytes.set(bytes, burst.offset(slot));
      burst.length[slot] = bytes.length;
      burst.segment[slot] = segment ?? 0;
      burst.peer[slot] = peer;
    }
    return slot;
  }

  senderOf(_slot: number): Sender {
    return FAKE_SENDER;
  }

  fromPeerHost(slot: number): boolean {
    const { peer, peerHost } = this.#received[slot]!;
    return peer !== UNKNOWN_PEER || peerHost === true;
  }

  queue(
    { bytes }: Burst,
    peer: number,
    count: number,
    headOffset: number,
    headStride: number,
    headLength: number,
    bodyOffset: number,
    bodyLength: number,
  ): number {
    for (let i = 0; i < count; i++) {
      if (this.#queue.length === QUEUE_MAX) return i;
      const headAt = headOffset + i * headStride;
      const bodyAt = bodyOffset + i * bodyLength;
      const head = bytes.subarray(headAt, headAt + headLength);
      const body = bytes.subarray(bodyAt, bodyAt + bodyLength);
      this.#queue.push({ peer, bytes: Uint8Array.from([...head, ...body]) });
    }
    return count;
  }

  takeRefused(): readonly number[] {
    const { refused } = this;
    this.refused = [];
    return refused;
  }

  maxDatagram(peer: number): number | undefined {
    return this.paths.get(peer);
  }

  allowFragments(): void {
    this.fragments = true;
  }

  flush({ totals }: LaneCounters): void {
    totals[COUNTER.packets]! += this.#queue.length;
    this.sent.push(...this.#queue);
    this.#queue = [];
  }
}
