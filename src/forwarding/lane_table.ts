/** The forwarding table from a lane's side: its own copy of the peer rows, and the routes in place. */

import { NODES_MAX } from "../base/limits.ts";
import { HEADER, ROW, ROW_WORDS, tableViews } from "./layout.ts";
import { decodeRow, type PeerRow, type Transport } from "./peer_row.ts";
import type { AcceptedPrefixes } from "./accepted.ts";
import type { OwnAddresses } from "./own_addresses.ts";
import type { RouteTable } from "./prefixes.ts";

/** How often a row that is being written is read again before the lane keeps its old copy. */
const READS_MAX = 64;

/** One lane's view. `acquire` brings it up to date, and nothing else ever changes it. */
export class LaneTable {
  readonly #views;
  /** The version that this lane has taken up whole; -1: none. */
  #version = -1;
  /** The generation of `routes`. */
  #generation = 0;
  /** This lane's copy of each row, and the sequence number it was copied at. */
  readonly #rows = new Int32Array(NODES_MAX * ROW_WORDS);
  readonly #taken = new Int32Array(NODES_MAX);
  readonly #row = new Int32Array(ROW_WORDS);
  #peerCount = 0;
  #routes: RouteTable;
  #accepted: AcceptedPrefixes;
  #own: OwnAddresses;
  #changed: number[] = [];

  /** Sees the table in `memory` for lane number `lane`. */
  constructor(memory: SharedArrayBuffer, readonly lane: number) {
    this.#views = tableViews(memory);
    this.#routes = this.#views.halves[0].routes;
    this.#accepted = this.#views.halves[0].accepted;
    this.#own = this.#views.halves[0].own;
  }

  /** Whether something was published that this lane has not taken up: one load. */
  get stale(): boolean {
    return Atomics.load(this.#views.header, HEADER.version) !== this.#version;
  }

  /** Number of indexes in use: no row from there on was ever published. */
  get peerCount(): number {
    return this.#peerCount;
  }

  /** Indexes of the rows that the last `acquire` took up. */
  get changed(): readonly number[] {
    return this.#changed;
  }

  /** The current routes, where the publisher wrote them. */
  get routes(): RouteTable {
    return this.#routes;
  }

  /** What this node takes in besides its subnets, likewise. */
  get accepted(): AcceptedPrefixes {
    return this.#accepted;
  }

  /** What this node answers with, likewise. */
  get own(): OwnAddresses {
    return this.#own;
  }

  /** How peer `index` is reached. */
  transportOf(index: number): Transport {
    return (this.#rows[index * ROW_WORDS + ROW.kind]! & 0xff) as Transport;
  }

  /** The row of peer `index`, copied out. */
  peer(index: number): PeerRow {
    return decodeRow(this.#rows, index * ROW_WORDS);
  }

  /**
   * Takes up what was published: the rows that have changed, and the routes if
   * they have. Then tells the publisher so, unless a row was being written all
   * the time: that one stays as it was, and the view stays stale.
   */
  acquire(): void {
    const { header, sequences, halves } = this.#views;
    // First: whatever this version says is published has been published before.
    const version = Atomics.load(header, HEADER.version);
    const generation = Atomics.load(header, HEADER.routes);
    if (generation !== this.#generation) {
      const half = halves[generation & 1]!;
      half.routes.reload();
      this.#routes = half.routes;
      this.#accepted = half.accepted;
      this.#own = half.own;
      this.#generation = generation;
    }
    this.#peerCount = Atomics.load(header, HEADER.peerCount);
    this.#changed = [];
    let whole = true;
    for (let index = 0; index < this.#peerCount; index++) {
      // A plain load, which costs a tenth: it cannot be older than the version above.
      if (sequences[index] === this.#taken[index]) continue;
      if (this.#take(index)) this.#changed.push(index);
      else whole = false;
    }
    if (!whole) return;
    this.#version = version;
    Atomics.store(header, HEADER.lanes + this.lane, version);
  }

  /** Copies a row; false if it was being written at every try. */
  #take(index: number): boolean {
    const { sequences, rows } = this.#views;
    const at = index * ROW_WORDS;
    for (let reads = 0; reads < READS_MAX; reads++) {
      const before = Atomics.load(sequences, index);
      for (let i = 0; i < ROW_WORDS; i++) this.#row[i] = Atomics.load(rows, at + i);
      if ((before & 1) !== 0 || Atomics.load(sequences, index) !== before) continue;
      this.#rows.set(this.#row, at);
      this.#taken[index] = before;
      return true;
    }
    return false;
  }
}
