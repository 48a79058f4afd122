/**
 * What a lane counts, in shared memory: one writer, the lane, any reader. What
 * only the kernel sees, the main thread counts in the same form (lanes.ts).
 */

import { NODES_MAX } from "../base/limits.ts";

/** Names of all counters. Those under `DROPS` count packets that went no further. */
export const COUNTERS = [
  "packets",
  "bytes",
  "control",
  /** Hellos that were replaced by a newer one before anybody had looked at them. */
  "control_replaced",
  "icmp_errors",
  "flooded",
  /** What this host's kernel says on a link by itself, to groups that are on that link only. */
  "link_local",
  "mac_learned",
  "mac_moved",
  "mac_limited",
  "mac_table_full",
  "unknown_peer",
  "wrong_port",
  /** Of a peer's address, but by an interface that does not lead to the peer. */
  "wrong_interface",
  "spoofed_source",
  /** Neither for a subnet of this node nor for what its config accepts. */
  "foreign_destination",
  "malformed",
  "reserved_type",
  "wrong_mode",
  "too_big",
  "no_route",
  "control_flood",
  /** In the clear, to or from a node that has a key. */
  "unencrypted",
  /** By no session that this node knows, or no session has been made in time. */
  "no_session",
  /** Sealed by another key, or damaged. */
  "bad_tag",
  "replayed",
  /** A handshake message that is for another key, or that is none. */
  "bad_handshake",
  /** A handshake message too many. */
  "handshake_flood",
  "device_rejected",
  "device_down",
  "send_queue_full",
  "send_failed",
  /** Dropped by the kernel: the socket's receive buffer was full. */
  "socket_overflow",
  /** Dropped by the kernel: the device's queue was full. */
  "device_overflow",
  /** Dropped by the kernel: its queue between two parts of the kernel path was full. */
  "backlog_overflow",
] as const;

/** The name of a counter. */
export type CounterName = typeof COUNTERS[number];

/** The counters of dropped packets, by reason. */
export const DROPS: readonly CounterName[] = COUNTERS.slice(COUNTERS.indexOf("unknown_peer"));

/** Index of each counter in a lane's array. */
export const COUNTER = Object.fromEntries(COUNTERS.map((name, i) => [name, i])) as Readonly<
  Record<CounterName, number>
>;

/**
 * A lane's counters. Float64 holds whole numbers exactly up to 2^53 (at 100
 * Gbit/s: 22 years of bytes) without the allocation that a BigInt costs.
 */
export interface LaneCounters {
  /** By COUNTER. */
  readonly totals: Float64Array;
  /** Packets to or from each peer, by its index. */
  readonly peerPackets: Float64Array;
  /** Their bytes. */
  readonly peerBytes: Float64Array;
  /** Packets to or from each peer that went no further. */
  readonly peerDrops: Float64Array;
}

/** Bytes of shared memory for one lane's counters. */
export const LANE_COUNTERS_BYTES = 8 * (COUNTERS.length + 3 * NODES_MAX);

/** Views of one lane's counters in its shared memory. */
export function laneCounters(buffer: ArrayBufferLike): LaneCounters {
  return {
    totals: new Float64Array(buffer, 0, COUNTERS.length),
    peerPackets: new Float64Array(buffer, 8 * COUNTERS.length, NODES_MAX),
    peerBytes: new Float64Array(buffer, 8 * (COUNTERS.length + NODES_MAX), NODES_MAX),
    peerDrops: new Float64Array(buffer, 8 * (COUNTERS.length + 2 * NODES_MAX), NODES_MAX),
  };
}
