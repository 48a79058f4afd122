/** What the engine needs of the UDP side; `batch.ts` is the real one. */

import type { Burst } from "./arena.ts";
import type { LaneTable } from "../forwarding/lane_table.ts";
import type { LaneCounters } from "../forwarding/counters.ts";

/** Sender of a datagram that comes from no known node. */
export const UNKNOWN_PEER = -1;

/** Where a datagram came from: an underlay address of 4 or 16 bytes, and a port. */
export interface Sender {
  readonly address: Uint8Array;
  readonly port: number;
}

/** A UDP socket as one lane uses it. */
export interface PacketSocket {
  /** Learns the peers' addresses from a newly published table. */
  usePeers(table: LaneTable): void;
  /**
   * Takes waiting datagrams into the burst's slots from 0 on, without blocking,
   * and notes each one's length, peer and segment size. Returns how many, 0 when none waits.
   */
  receive(burst: Burst): number;
  /** The sender of a slot's datagram, copied out. Holds until the next `receive`. */
  senderOf(slot: number): Sender;
  /** Whether a slot's datagram came from the address of a peer, from whatever port. */
  fromPeerHost(slot: number): boolean;
  /**
   * Queues `count` datagrams of one size for a peer, from the burst's arena: to
   * each a header, `headStride` from the one before, and a body, right behind the
   * one before; no header where `headLength` is 0. Datagrams to one peer leave in
   * the order they came. Returns how many were queued: if fewer, the queue is
   * full, so flush it and go on.
   */
  queue(
    burst: Burst,
    peer: number,
    count: number,
    headOffset: number,
    headStride: number,
    headLength: number,
    bodyOffset: number,
    bodyLength: number,
  ): number;
  /** Sends what is queued, and counts it per peer, or as a drop by reason. */
  flush(counters: LaneCounters): void;
  /**
   * The peers to whom a datagram was refused since the last call because their
   * path does not carry it.
   */
  takeRefused(): readonly number[];
  /**
   * The largest datagram that the path to a peer carries, in bytes, as far as
   * the kernel knows by now; undefined where there is no way.
   */
  maxDatagram(peer: number): number | undefined;
  /** From now on, a datagram that is too large for its path goes out in fragments. */
  allowFragments(): void;
}
