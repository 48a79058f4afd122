/** Finds the pod subnet that holds an address, among thousands, without comparing each. Pure. */

import { type Address, type Prefix, prefixContains, prefixCovers } from "../net/prefix.ts";

/** A subnet and where it stands in the config. */
export interface PlacedSubnet {
  readonly prefix: Prefix;
  readonly node: number;
}

interface Entry {
  readonly key: string;
  readonly subnet: PlacedSubnet;
  /** Index of the next wider subnet around this one, -1 for none. */
  readonly parent: number;
}

const HEX = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, "0"));

/** A text that sorts as the addresses do; the version leads. */
function sortKey({ version, bytes }: Address): string {
  let key = String(version);
  for (const byte of bytes) key += HEX[byte]!;
  return key;
}

/** The same text for the same prefix, and no other. */
export function prefixKey(prefix: Prefix): string {
  return `${sortKey(prefix)}/${prefix.length_bits}`;
}

/** Longest-prefix lookup over a fixed set of subnets. */
export class SubnetIndex {
  readonly #entries: readonly Entry[];

  /** O(n log n) for n subnets. */
  constructor(subnets: readonly PlacedSubnet[]) {
    const sorted = subnets
      .map((subnet) => ({ key: sortKey(subnet.prefix), subnet }))
      // Wider before narrower: at one start the shorter prefix comes first.
      .sort((a, b) =>
        a.key < b.key
          ? -1
          : a.key > b.key
          ? 1
          : a.subnet.prefix.length_bits - b.subnet.prefix.length_bits
      );
    const entries: Entry[] = [];
    const open: number[] = [];
    for (const { key, subnet } of sorted) {
      while (
        open.length > 0 &&
        !prefixCovers(entries[open[open.length - 1]!]!.subnet.prefix, subnet.prefix)
      ) {
        open.pop();
      }
      entries.push({ key, subnet, parent: open[open.length - 1] ?? -1 });
      open.push(entries.length - 1);
    }
    this.#entries = entries;
  }

  /** All subnets that hold the address, the longest prefix first. */
  covering(address: Address): readonly PlacedSubnet[] {
    const key = sortKey(address);
    let low = -1;
    let high = this.#entries.length;
    // Invariant: entries up to `low` start at or before the address, those from `high` after it.
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (this.#entries[middle]!.key <= key) low = middle;
      else high = middle;
    }
    const found: PlacedSubnet[] = [];
    for (let i = low; i >= 0; i = this.#entries[i]!.parent) {
      const { subnet } = this.#entries[i]!;
      if (prefixContains(subnet.prefix, address)) found.push(subnet);
    }
    return found;
  }
}
