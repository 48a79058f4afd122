/**
 * Where everything lies in the memory of a forwarding table (table.ts writes
 * it, lane_table.ts reads it). Words of 32 bits, in the machine's own order.
 *
 * | words                       | what                                               |
 * | --------------------------- | -------------------------------------------------- |
 * | HEADER_WORDS                | versions, and what each lane has taken up (HEADER)  |
 * | NODES_MAX                   | sequence number of each peer row                   |
 * | NODES_MAX * ROW_WORDS       | peer rows (ROW)                                    |
 * | 2 * (HALF_WORDS and routes) | routes, two halves                                 |
 */

import { LANES_MAX, NODES_MAX } from "../base/limits.ts";
import { ACCEPTED_BYTES, AcceptedPrefixes } from "./accepted.ts";
import { OWN_ADDRESSES_BYTES, OwnAddresses } from "./own_addresses.ts";
import { ROUTE_TABLE_BYTES, RouteTable } from "./prefixes.ts";

/** Words of the header; from `lanes` on, one for each lane: the version that it has taken up. */
export const HEADER = { version: 0, routes: 1, peerCount: 2, lanes: 3 } as const;
/** Words before the sequence numbers. */
export const HEADER_WORDS: number = HEADER.lanes + LANES_MAX;

/** Words of a row; the address takes four, its bytes in their order. */
export const ROW = {
  /** transport, heard << 8, bytes of the address << 16. */
  kind: 0,
  port: 1,
  mtu: 2,
  capabilities: 3,
  address: 4,
  /** Two words, the lower one first. */
  token: 8,
} as const;
/** Words from one row to the next. */
export const ROW_WORDS = 10;

const SEQUENCES_AT = 4 * HEADER_WORDS;
const ROWS_AT = SEQUENCES_AT + 4 * NODES_MAX;
const HALVES_AT = ROWS_AT + 4 * NODES_MAX * ROW_WORDS;
/** Before the routes of each half: own addresses, and what is accepted besides own subnets. */
const HALF_BYTES = OWN_ADDRESSES_BYTES + ACCEPTED_BYTES + ROUTE_TABLE_BYTES;

/** Bytes of shared memory for a forwarding table; all zeros before its first use. */
export const TABLE_BYTES: number = HALVES_AT + 2 * HALF_BYTES;

/** The routes of one half. */
export interface RouteHalf {
  /** What this node answers with. */
  readonly own: OwnAddresses;
  /** What this node takes in besides its subnets. */
  readonly accepted: AcceptedPrefixes;
  /** Which prefix belongs to whom. */
  readonly routes: RouteTable;
}

/** Views of a table's memory. */
export interface TableViews {
  /** HEADER_WORDS words. */
  readonly header: Int32Array;
  /** One for each row. */
  readonly sequences: Int32Array;
  /** NODES_MAX rows, ROW_WORDS apart. */
  readonly rows: Int32Array;
  /** Generation g lies in half g % 2. */
  readonly halves: readonly [RouteHalf, RouteHalf];
}

/** Sees a table in its memory. */
export function tableViews(memory: SharedArrayBuffer): TableViews {
  const half = (at: number): RouteHalf => ({
    own: new OwnAddresses(memory, at),
    accepted: new AcceptedPrefixes(memory, at + OWN_ADDRESSES_BYTES),
    routes: new RouteTable(memory, at + OWN_ADDRESSES_BYTES + ACCEPTED_BYTES),
  });
  return {
    header: new Int32Array(memory, 0, HEADER_WORDS),
    sequences: new Int32Array(memory, SEQUENCES_AT, NODES_MAX),
    rows: new Int32Array(memory, ROWS_AT, NODES_MAX * ROW_WORDS),
    halves: [half(HALVES_AT), half(HALVES_AT + HALF_BYTES)],
  };
}
