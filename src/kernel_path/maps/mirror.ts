/** Keeps a map of the kernel equal to a list that is made anew each time. Pure. */

/** Where entries go; BpfMap is one. */
export interface Entries {
  set(key: Uint8Array, value: Uint8Array): void;
  delete(key: Uint8Array): void;
}

/** An entry. */
export type Entry = readonly [key: Uint8Array, value: Uint8Array];

const textOf = (bytes: Uint8Array): string => String.fromCharCode(...bytes);

/** Knows what it has put into a map, and changes what differs. */
export class MapMirror {
  #there = new Map<string, { readonly key: Uint8Array; readonly value: string }>();

  constructor(readonly map: Entries) {}

  /**
   * Makes the map hold these entries and no others. What is new comes before
   * what is old goes, so that a packet meets the one or the other.
   */
  replace(entries: readonly Entry[]): void {
    const before = this.#there;
    const now: typeof before = new Map();
    for (const [key, value] of entries) {
      const name = textOf(key);
      const entry = { key, value: textOf(value) };
      if (before.get(name)?.value !== entry.value) this.map.set(key, value);
      now.set(name, entry);
      // Known at once: if a later one fails, this one is still to be removed.
      before.set(name, entry);
    }
    for (const [name, { key }] of before) {
      if (now.has(name)) continue;
      this.map.delete(key);
    }
    this.#there = now;
  }
}
