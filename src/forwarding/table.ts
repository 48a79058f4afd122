/**
 * The forwarding table that the main thread publishes to the lanes: who the
 * peers are, row by row, and which prefix belongs to whom, in shared memory.
 * Neither side takes a lock; lane_table.ts is the lanes' side.
 *
 * A peer row has a sequence number, odd while the row is being written
 * (a seqlock): a lane that has seen the same even number before and after has
 * copied a whole row. Routes take turns in two halves: generation g lies in half g % 2;
 * the publisher writes the other half and then raises the generation. Every
 * publish raises the version, which is all that a lane looks at in a turn.
 *
 * INVARIANT: a half of the routes is written only when they are `routesTakenUp`:
 * every lane reads the other one. An index is given to another peer only when
 * the table is `takenUp`: every lane has taken up everything that was published.
 */

import { NODES_MAX } from "../base/limits.ts";
import { HEADER, ROW_WORDS, TABLE_BYTES, tableViews } from "./layout.ts";
import { encodeRow, type PeerRow, VACANT } from "./peer_row.ts";
import { NOWHERE, type Route } from "./prefixes.ts";
import type { Address, Prefix } from "../net/prefix.ts";
import { RESERVED } from "../net/reserved.ts";

const RESERVED_ROUTES: readonly Route[] = RESERVED.map((prefix) => ({ prefix, hop: NOWHERE }));

/** The table from the publisher's side: one thread, which is the only writer. */
export class ForwardingTable {
  readonly #views;
  /** The version that the last routes came with. */
  #routesVersion = 0;
  readonly #words = new Int32Array(ROW_WORDS);
  readonly #bytes = new Uint8Array(this.#words.buffer);

  /** Sees the table in `memory`: new memory, or what another such object has published in. */
  constructor(readonly memory: SharedArrayBuffer = new SharedArrayBuffer(TABLE_BYTES)) {
    this.#views = tableViews(memory);
  }

  /** Number of indexes in use so far: every later one is vacant. It never falls. */
  get peerCount(): number {
    return this.#views.header[HEADER.peerCount]!;
  }

  /**
   * Publishes one peer's row; no other row and no route is touched. False: the
   * row was the same already, and nothing was published. Throws a RangeError.
   */
  setPeer(index: number, row: PeerRow): boolean {
    if (!(index >= 0 && index < NODES_MAX)) throw new RangeError(`no peer has index ${index}`);
    encodeRow(row, this.#words, this.#bytes);
    const { header, sequences, rows } = this.#views;
    const words = this.#words;
    const at = index * ROW_WORDS;
    let same = true;
    for (let i = 0; i < ROW_WORDS; i++) same &&= rows[at + i] === words[i];
    if (same) return false;
    Atomics.add(sequences, index, 1);
    for (let i = 0; i < ROW_WORDS; i++) Atomics.store(rows, at + i, words[i]!);
    Atomics.add(sequences, index, 1);
    if (index >= this.peerCount) Atomics.store(header, HEADER.peerCount, index + 1);
    this.#published();
    return true;
  }

  /** Publishes that an index is nobody's; otherwise like `setPeer`. */
  clearPeer(index: number): boolean {
    return this.setPeer(index, VACANT);
  }

  /**
   * Publishes all routes. `defaultPeer` owns what no prefix covers and what is not
   * reserved; -1 where there is none. A config that gives a reserved prefix to somebody
   * is obeyed. `accepted` is taken in besides own subnets; of `own`, the first
   * address of each version is what this node answers with. Only when `routesTakenUp`. Throws a RangeError.
   */
  publishRoutes(
    routes: readonly Route[],
    defaultPeer: number,
    accepted: readonly Prefix[] = [],
    own: readonly Address[] = [],
  ): void {
    const { header, halves } = this.#views;
    const next = header[HEADER.routes]! + 1;
    const half = halves[next & 1]!;
    // NO_ROUTE and "no default peer" are both -1.
    half.routes.write([...RESERVED_ROUTES, ...routes], defaultPeer);
    half.accepted.write(accepted);
    half.own.write(own);
    Atomics.store(header, HEADER.routes, next);
    this.#published();
    this.#routesVersion = header[HEADER.version]!;
  }

  /** Has the lanes look again, at what they are told beside the table (lane.ts, onTable). */
  touch(): void {
    this.#published();
  }

  /** Whether `laneCount` lanes, from lane 0 on, have taken up everything that was published. */
  takenUp(laneCount: number): boolean {
    return this.#taken(laneCount, this.#views.header[HEADER.version]!);
  }

  /** Whether they have taken up the last routes at least: the other half is in nobody's use. */
  routesTakenUp(laneCount: number): boolean {
    return this.#taken(laneCount, this.#routesVersion);
  }

  /** Whether lanes are at a version or a later one; versions wrap around. */
  #taken(laneCount: number, version: number): boolean {
    const { header } = this.#views;
    for (let lane = 0; lane < laneCount; lane++) {
      if (((Atomics.load(header, HEADER.lanes + lane) - version) | 0) < 0) return false;
    }
    return true;
  }

  #published(): void {
    Atomics.add(this.#views.header, HEADER.version, 1);
  }
}
