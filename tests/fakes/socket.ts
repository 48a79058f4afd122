/** A UDP socket in memory behind the real interface. */

import type { Burst } from "../../src/engine/burst.ts";
import { COUNTER, type LaneCounters } from "../../src/engine/counters.ts";
import type { FibHalf } from "../../src/engine/fib.ts";
import type { PacketSocket } from "../../src/udp/socket.ts";

/** A datagram with the index of the peer at its other end. */
export interface FakeDatagram {
  readonly peer: number;
  readonly bytes: Uint8Array;
}

/** Hands out the datagrams in `waiting`, keeps copies of what is sent. */
export class FakeSocket implements PacketSocket {
  waiting: FakeDatagram[] = [];
  sent: FakeDatagram[] = [];
  #queue: { slot: number; peer: number }[] = [];
  peerCount = 0;

  usePeers(fib: FibHalf): void {
    this.peerCount = fib.peerCount;
  }

  receive(burst: Burst): number {
    let slot = 0;
    for (; slot < burst.slots && this.waiting.length > 0; slot++) {
      const { peer, bytes } = this.waiting.shift()!;
      burst.bytes.set(bytes, burst.offset(slot));
      burst.length[slot] = bytes.length;
      burst.peer[slot] = peer;
    }
    return slot;
  }

  queue(_burst: Burst, slot: number, peer: number): void {
    this.#queue.push({ slot, peer });
  }

  flush(burst: Burst, { totals }: LaneCounters): void {
    for (const { slot, peer } of this.#queue) {
      const offset = burst.offset(slot);
      this.sent.push({ peer, bytes: burst.bytes.slice(offset, offset + burst.length[slot]!) });
      totals[COUNTER.packets]!++;
    }
    this.#queue = [];
  }
}
