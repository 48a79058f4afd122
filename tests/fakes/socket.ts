/** A UDP socket in memory behind the real interface. */

import type { LaneTable } from "../../src/forwarding/lane_table.ts";
import { UNKNOWN_PEER } from "../../src/dataplane/senders.ts";
import type { Burst } from "../../src/io/arena.ts";
import type { Run } from "../../src/io/run.ts";
import { OUTCOME, type Outcome, SendResults } from "../../src/io/send_results.ts";
import { putSockaddr, type Sender } from "../../src/io/sockaddr.ts";
import type { PacketSocket } from "../../src/io/socket.ts";

/** A datagram with the index of the peer at its other end. */
export interface FakeDatagram {
  readonly peer: number;
  readonly bytes: Uint8Array;
  /** Received as one: size of each datagram in `bytes`. */
  readonly segment?: number;
  /** Of no peer, but from the address of peer 0. */
  readonly peerHost?: boolean;
}

/** Where a datagram of no peer comes from. */
export const UNKNOWN_SENDER: Sender = { address: Uint8Array.of(203, 0, 113, 9), port: 4000 };
/** A port that is no peer's. */
export const OTHER_PORT = 4001;

/** Datagrams that fit before a flush: fewer than a burst's, to see retries. */
const QUEUE_MAX = 50;

/** Hands out the datagrams in `waiting`, keeps copies of what is sent. */
export class FakeSocket implements PacketSocket {
  waiting: FakeDatagram[] = [];
  sent: FakeDatagram[] = [];
  /** Where peers send from: their address in this table, whatever it is by then. */
  table: LaneTable | undefined;
  /** What becomes of all that is sent. */
  outcome: Outcome = OUTCOME.sent;
  /** The addresses given to destinations, as text. */
  destinations = new Map<number, string>();
  /** Destinations to tell as refused with the next flush. */
  refused: number[] = [];
  /** The largest datagram to each destination, as the kernel knows it. */
  paths = new Map<number, number>();
  fragments = false;
  #queue: FakeDatagram[] = [];
  readonly #results = new SendResults(1);

  receive(burst: Burst): number {
    let slot = 0;
    for (; slot < burst.slots && this.waiting.length > 0; slot++) {
      const datagram = this.waiting.shift()!;
      burst.bytes.set(datagram.bytes, burst.offset(slot));
      burst.length[slot] = datagram.bytes.length;
      burst.segment[slot] = datagram.segment ?? 0;
      const { address, port } = this.#senderOf(datagram);
      putSockaddr(burst.sender, slot, address, port);
    }
    return slot;
  }

  #senderOf({ peer, peerHost }: FakeDatagram): Sender {
    if (peerHost) return { address: this.table!.peer(0).address, port: OTHER_PORT };
    return peer === UNKNOWN_PEER ? UNKNOWN_SENDER : this.table!.peer(peer);
  }

  setDestination(destination: number, address: Uint8Array, port: number): void {
    this.destinations.set(destination, `${address} ${port}`);
  }

  queue(run: Run): number {
    const { bytes } = run.burst;
    for (let i = 0; i < run.count; i++) {
      if (this.#queue.length === QUEUE_MAX) return i;
      const headAt = run.head + i * run.headStride_bytes;
      const bodyAt = run.body + i * run.body_bytes;
      const head = bytes.subarray(headAt, headAt + run.head_bytes);
      const body = bytes.subarray(bodyAt, bodyAt + run.body_bytes);
      this.#queue.push({ peer: run.destination, bytes: Uint8Array.from([...head, ...body]) });
    }
    return run.count;
  }

  flush(): SendResults {
    const results = this.#results;
    results.clear();
    for (const { peer, bytes } of this.#queue) results.add(peer, this.outcome, 1, bytes.length);
    for (const peer of this.refused.splice(0)) results.add(peer, OUTCOME.tooBig, 1, 0);
    if (this.outcome === OUTCOME.sent) this.sent.push(...this.#queue);
    this.#queue = [];
    return results;
  }

  pathMtu(destination: number): number | undefined {
    return this.paths.get(destination);
  }

  allowFragments(): void {
    this.fragments = true;
  }
}
