/** Keep maps of the kernel equal to what they are to hold, with the fewest changes. Pure. */

/** Where entries go; BpfMap is one. */
export interface Entries {
  set(key: Uint8Array, value: Uint8Array): void;
  delete(key: Uint8Array): void;
}

/** An entry. */
export type Entry = readonly [key: Uint8Array, value: Uint8Array];

interface Held {
  /** Key and value as text, to compare. */
  readonly name: string;
  readonly text: string;
  readonly entry: Entry;
}

const textOf = (bytes: Uint8Array): string => String.fromCharCode(...bytes);

const held = (entry: Entry): Held => ({ name: textOf(entry[0]), text: textOf(entry[1]), entry });

/** A map that is equal to a list, which is made anew each time. */
export class ListMirror {
  #there = new Map<string, Held>();

  constructor(readonly map: Entries) {}

  /**
   * Makes the map hold these entries and no others. What is new comes before
   * what is old goes, so that a packet meets the one or the other.
   */
  replace(entries: readonly Entry[]): void {
    const before = this.#there;
    const now: typeof before = new Map();
    for (const entry of entries) {
      const one = held(entry);
      if (before.get(one.name)?.text !== one.text) this.map.set(...entry);
      now.set(one.name, one);
      // Known at once: if a later one fails, this one is still to be removed.
      before.set(one.name, one);
    }
    for (const [name, { entry: [key] }] of before) {
      if (!now.has(name)) this.map.delete(key);
    }
    this.#there = now;
  }
}

/**
 * A map in which each owner has one entry at most. Owners may claim the same
 * key, two peers on one host for good, others for the moment in which one takes
 * over another's address: the last claim holds, and the key goes with the last.
 */
export class OwnerMirror {
  readonly #byOwner = new Map<number, Held>();
  readonly #owners = new Map<string, Set<number>>();

  constructor(readonly map: Entries) {}

  /** Makes this the owner's entry, or takes it away. */
  assign(owner: number, entry: Entry | undefined): void {
    const before = this.#byOwner.get(owner);
    const now = entry && held(entry);
    if (now) this.#claim(owner, now, before);
    else this.#byOwner.delete(owner);
    if (before && before.name !== now?.name) this.#release(owner, before);
  }

  #claim(owner: number, now: Held, before: Held | undefined): void {
    if (before?.name === now.name && before.text === now.text) return;
    this.map.set(...now.entry);
    const owners = this.#owners.get(now.name) ?? new Set();
    owners.delete(owner);
    this.#owners.set(now.name, owners.add(owner));
    this.#byOwner.set(owner, now);
  }

  #release(owner: number, { name, entry: [key] }: Held): void {
    const owners = this.#owners.get(name)!;
    owners.delete(owner);
    const last = [...owners].at(-1);
    if (last !== undefined) return this.map.set(...this.#byOwner.get(last)!.entry);
    this.#owners.delete(name);
    this.map.delete(key);
  }
}
