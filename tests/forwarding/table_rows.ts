/** Rows and routes of which every part follows from one number, so that a torn one is seen. */

import { type PeerRow, TRANSPORT, type Transport } from "../../src/forwarding/peer_row.ts";
import type { LaneTable } from "../../src/forwarding/lane_table.ts";
import type { Prefix } from "../../src/net/prefix.ts";
import type { Route, RouteTable } from "../../src/forwarding/prefixes.ts";

/** Prefixes in each generation of routes. */
export const ROUTES = 200;

/** The row of peer `index` that follows from `n`. */
export function rowOf(index: number, n: number): PeerRow {
  const size = index % 2 === 0 ? 4 : 16;
  return {
    address: Uint8Array.from({ length: size }, (_, i) => n * (i + 1) & 0xff),
    port: n & 0xffff,
    mtu_bytes: n % 60_000,
    capabilities: Math.imul(n, 0x9e3779b1) >>> 0,
    heard: n % 2 === 0,
    transport: n % (TRANSPORT.sealed + 1) as Transport,
    token: BigInt.asUintN(64, BigInt(n) * 0x9e37_79b9_7f4a_7c15n),
  };
}

/** Whether a row follows from its own port. */
export function isWhole(index: number, row: PeerRow): boolean {
  const wanted = rowOf(index, row.port);
  return String(row.address) === String(wanted.address) && row.mtu_bytes === wanted.mtu_bytes &&
    row.capabilities === wanted.capabilities && row.heard === wanted.heard &&
    row.transport === wanted.transport && row.token === wanted.token;
}

/** Routes that all lead to peer `hop`. */
export function routesTo(hop: number): Route[] {
  return Array.from({ length: ROUTES }, (_, i) => ({
    prefix: { version: 4, bytes: Uint8Array.of(10, i, 0, 0), length_bits: 16 },
    hop,
  }));
}

/** What is accepted beside `routesTo(hop)`. */
export function acceptedOf(hop: number): readonly Prefix[] {
  return [{ version: 4, bytes: Uint8Array.of(11, hop, 0, 0), length_bits: 16 }];
}

/** Whether a lane accepts that, and nothing else. */
export function acceptsOnly({ accepted }: LaneTable, hop: number): boolean {
  const has = (n: number) => accepted.has(new DataView(Uint8Array.of(11, n, 0, 1).buffer), 0, 4);
  return has(hop) && !has(hop + 1);
}

/** Whether every prefix, and all the rest, leads to `hop`. */
export function routesAgree(routes: RouteTable, hop: number): boolean {
  return Array.from({ length: ROUTES }, (_, i) => routes.lookup(Uint8Array.of(10, i, 1, 1)))
    .every((found) => found === hop) && routes.lookup(Uint8Array.of(9, 1, 1, 1)) === hop;
}
