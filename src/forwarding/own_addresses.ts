/**
 * The addresses that this node answers with when a packet has no way, at most one of each IP
 * version, in (shared) memory.
 */

import type { Address, IpVersion } from "../net/prefix.ts";

/** Where the bytes of each version are, behind a word that tells which are there. */
const PLACES = { 4: { flag: 1, at: 4, length: 4 }, 6: { flag: 2, at: 8, length: 16 } } as const;

/** Bytes that they take, whatever there is. */
export const OWN_ADDRESSES_BYTES = 24;

/** A view of OWN_ADDRESSES_BYTES of memory; zeros are none. */
export class OwnAddresses {
  readonly #flags: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #views: Readonly<Record<IpVersion, DataView>>;

  /** `byteOffset` is a multiple of 4. */
  constructor(buffer: ArrayBufferLike, byteOffset = 0) {
    this.#flags = new Int32Array(buffer, byteOffset, 1);
    this.#bytes = new Uint8Array(buffer, byteOffset, OWN_ADDRESSES_BYTES);
    const view = ({ at, length }: typeof PLACES[IpVersion]) =>
      new DataView(buffer, byteOffset + at, length);
    this.#views = { 4: view(PLACES[4]), 6: view(PLACES[6]) };
  }

  /** Writes the first of each version. */
  write(addresses: readonly Address[]): void {
    this.#flags[0] = 0;
    for (const version of [4, 6] as const) {
      const found = addresses.find((address) => address.version === version);
      if (!found) continue;
      const { flag, at } = PLACES[version];
      this.#bytes.set(found.bytes, at);
      this.#flags[0]! |= flag;
    }
  }

  /** The address of one version, in place; undefined where there is none. */
  get(version: IpVersion): DataView | undefined {
    return (this.#flags[0]! & PLACES[version].flag) === 0 ? undefined : this.#views[version];
  }
}
