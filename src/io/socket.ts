/**
 * A UDP socket as one lane uses it: bytes and addresses, no forwarding table and
 * no counters. `udp_batch.ts` is the real one, `udp_deno.ts` the slow one.
 */

import type { Burst } from "./arena.ts";
import type { Run } from "./run.ts";
import type { SendResults } from "./send_results.ts";

/** What the packet path needs of a socket. Its queue is of one burst and one thread. */
export interface PacketSocket {
  /**
   * Takes waiting datagrams into the burst's slots from 0 on, without blocking,
   * and notes each one's length, sender and segment size. Returns how many, 0
   * when none waits.
   */
  receive(burst: Burst): number;
  /** Gives a destination its address: its number is below NODES_MAX. Only while nothing is queued. */
  setDestination(destination: number, address: Uint8Array, port: number): void;
  /**
   * Queues a run from the run's arena, whose bytes stay where they are until
   * `flush`. Datagrams to one destination leave in the order they came. Returns
   * how many were queued: if fewer, the queue is full, so flush it and go on.
   */
  queue(run: Run): number;
  /**
   * Sends what is queued, without blocking for long. Returns what has become of
   * it, and holds until the next `flush`; a socket that sends later tells later.
   */
  flush(): SendResults;
  /**
   * The largest datagram that the path to a destination carries, in bytes of UDP
   * payload, as far as the kernel knows by now; undefined where there is no way.
   */
  pathMtu(destination: number): number | undefined;
  /** From now on, a datagram that is too large for its path goes out in fragments. */
  allowFragments(): void;
}
