/**
 * Longest-prefix match over flat typed arrays, so that a table can live in
 * shared memory and be read without locks.
 *
 * Nested prefixes are cut into disjoint ranges once, when the table is built:
 * N prefixes give at most 2N + 1 ranges, each with the next hop of the longest
 * prefix that covers it. A lookup is then one binary search over range starts.
 */

import { NODES_MAX, SUBNETS_MAX } from "../base/limits.ts";
import { addressBits, type IpVersion, type Prefix } from "../net/prefix.ts";
import { RESERVED } from "../net/reserved.ts";

/** A next hop is a peer's index, or one of these. */
export const NO_ROUTE: number = -1;
/** The destination lies in a subnet of this very node. */
export const LOCAL: number = -2;
/** No packet between pods comes from there, or goes there (net/reserved.ts). */
export const NOWHERE: number = -4;

/** A prefix and the peer index (or LOCAL) that owns it. */
export interface Route {
  /** Destinations. */
  readonly prefix: Prefix;
  /** Index of the peer, or LOCAL. */
  readonly hop: number;
}

/** Disjoint ranges in ascending order; each reaches to the next one's start. */
interface Ranges {
  readonly starts: bigint[];
  readonly hops: number[];
}

/** Routes of one table: all subnets, the nodes' own addresses, and what is reserved. */
export const ROUTES_MAX: number = SUBNETS_MAX + NODES_MAX + RESERVED.length;

const RANGES_MAX = 2 * ROUTES_MAX + 1;
const HEADER_BYTES = 8;
const STARTS4_OFFSET = HEADER_BYTES;
const HOPS4_OFFSET = STARTS4_OFFSET + 4 * RANGES_MAX;
const STARTS6_OFFSET = HOPS4_OFFSET + 4 * RANGES_MAX;
const HOPS6_OFFSET = STARTS6_OFFSET + 16 * RANGES_MAX;

/** Bytes that a table takes, whatever it holds. */
export const ROUTE_TABLE_BYTES: number = HOPS6_OFFSET + 4 * RANGES_MAX + 4;

function toBigInt(bytes: Uint8Array): bigint {
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  return value;
}

function cutIntoRanges(routes: readonly Route[], version: IpVersion, elsewhere: number): Ranges {
  const bits = addressBits(version);
  const sorted = routes
    .filter(({ prefix }) => prefix.version === version)
    .map(({ prefix, hop }) => {
      const start = toBigInt(prefix.bytes);
      const end = start + (1n << BigInt(bits - prefix.length_bits));
      return { start, end, hop };
    })
    // Outer before inner: at one start the shorter prefix comes first. Of equal ones the last counts.
    .sort((a, b) => a.start < b.start ? -1 : a.start > b.start ? 1 : a.end > b.end ? -1 : 1);

  const starts: bigint[] = [];
  const hops: number[] = [];
  const emit = (start: bigint, hop: number) => {
    if (starts.length > 0 && starts[starts.length - 1] === start) {
      starts.pop();
      hops.pop();
    }
    if (hops.length > 0 && hops[hops.length - 1] === hop) return;
    starts.push(start);
    hops.push(hop);
  };
  emit(0n, elsewhere);
  const open: { end: bigint; hop: number }[] = [];
  const closeUpTo = (position: bigint) => {
    while (open.length > 0 && open[open.length - 1]!.end <= position) {
      const { end } = open.pop()!;
      emit(end, open[open.length - 1]?.hop ?? elsewhere);
    }
  };
  for (const route of sorted) {
    closeUpTo(route.start);
    emit(route.start, route.hop);
    open.push(route);
  }
  const top = 1n << BigInt(bits);
  closeUpTo(top);
  // A prefix that reaches the last address closes beyond it: nothing starts there.
  if (starts[starts.length - 1] === top) {
    starts.pop();
    hops.pop();
  }
  return { starts, hops };
}

/** A view of a route table in `ROUTE_TABLE_BYTES` of (shared) memory. */
export class RouteTable {
  readonly #counts: Int32Array;
  readonly #starts4: Uint32Array;
  readonly #hops4: Int32Array;
  readonly #starts6: Uint32Array;
  readonly #hops6: Int32Array;
  #count4 = 0;
  #count6 = 0;

  /** `byteOffset` is a multiple of 4. Memory of zeros is a table without routes after `write`. */
  constructor(buffer: ArrayBufferLike, byteOffset = 0) {
    this.#counts = new Int32Array(buffer, byteOffset, 2);
    this.#starts4 = new Uint32Array(buffer, byteOffset + STARTS4_OFFSET, RANGES_MAX);
    this.#hops4 = new Int32Array(buffer, byteOffset + HOPS4_OFFSET, RANGES_MAX);
    this.#starts6 = new Uint32Array(buffer, byteOffset + STARTS6_OFFSET, 4 * RANGES_MAX);
    this.#hops6 = new Int32Array(buffer, byteOffset + HOPS6_OFFSET, RANGES_MAX);
    this.reload();
  }

  /** Takes note of what another thread has written since. */
  reload(): void {
    this.#count4 = this.#counts[0]!;
    this.#count6 = this.#counts[1]!;
  }

  /** Builds the table. `elsewhere` is the hop of what no prefix covers (NO_ROUTE or a peer). */
  write(routes: readonly Route[], elsewhere: number): void {
    if (routes.length > ROUTES_MAX) throw new RangeError(`more than ${ROUTES_MAX} routes`);
    const v4 = cutIntoRanges(routes, 4, elsewhere);
    v4.starts.forEach((start, i) => this.#starts4[i] = Number(start));
    this.#hops4.set(v4.hops);
    const v6 = cutIntoRanges(routes, 6, elsewhere);
    v6.starts.forEach((start, i) => {
      for (let word = 0; word < 4; word++) {
        this.#starts6[4 * i + word] = Number((start >> BigInt(96 - 32 * word)) & 0xffffffffn);
      }
    });
    this.#hops6.set(v6.hops);
    this.#counts[0] = v4.starts.length;
    this.#counts[1] = v6.starts.length;
    this.reload();
  }

  /**
   * Next hop of the IPv4 address at `at` of `view`. It is not passed as
   * a number: one above 2^31 would be allocated wherever V8 does not inline this.
   */
  lookup4(view: DataView, at: number): number {
    const address = view.getUint32(at);
    const starts = this.#starts4;
    let low = 0;
    let high = this.#count4;
    if (high === 0) return NO_ROUTE;
    // Invariant: starts[low] <= address < starts[high]; the first range starts at 0.
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (starts[middle]! <= address) low = middle;
      else high = middle;
    }
    return this.#hops4[low]!;
  }

  /** Next hop of the IPv6 address at `at` of `view`. */
  lookup6(view: DataView, at: number): number {
    const word0 = view.getUint32(at);
    const word1 = view.getUint32(at + 4);
    const word2 = view.getUint32(at + 8);
    const word3 = view.getUint32(at + 12);
    const starts = this.#starts6;
    let low = 0;
    let high = this.#count6;
    if (high === 0) return NO_ROUTE;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      const range = 4 * middle;
      const start0 = starts[range]!;
      const start1 = starts[range + 1]!;
      const start2 = starts[range + 2]!;
      const notAfter = start0 !== word0
        ? start0 < word0
        : start1 !== word1
        ? start1 < word1
        : start2 !== word2
        ? start2 < word2
        : starts[range + 3]! <= word3;
      if (notAfter) low = middle;
      else high = middle;
    }
    return this.#hops6[low]!;
  }

  /** Next hop of an address in bytes, as commands and tests have it. */
  lookup(bytes: Uint8Array): number {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return bytes.length === 4 ? this.lookup4(view, 0) : this.lookup6(view, 0);
  }
}
