/**
 * The learning switch's table: which MAC address is a station of which peer
 * (IEEE 802.1Q, 8.8: the filtering database). It lies in shared memory: the
 * inbound lanes learn, the outbound lanes look up, the main thread keeps the
 * clock and the static entries.
 *
 * Addresses hash to buckets of WAYS slots; an entry never leaves its bucket. A
 * slot is three cells: a word (the address's upper 16 bits, owner), the
 * address's lower 32 bits, and when it was last seen.
 *
 * INVARIANT: only the holder of the lock writes words and lower halves, and it
 * empties a slot's word before it writes another address to it. So a reader that
 * sees one word twice around the lower half has seen one whole entry. Readers
 * take no lock; a writer that does not get it soon gives up, and the next frame
 * tries again.
 * INVARIANT: an entry is replaced only when it is aged. Who comes too late finds
 * no room, and frames for it are flooded.
 */

import { MAC_AGEING_S, MAC_LEARNED_MAX, MACS_MAX, NODES_MAX } from "../base/limits.ts";

/** An address of a station, and whose it is. */
export interface MacEntry {
  /** Six bytes. */
  readonly mac: Uint8Array;
  /** A peer's index, or SELF. */
  readonly owner: number;
  /** From the config: never learned, moved or aged. */
  readonly fixed: boolean;
  /** Seconds since it was last seen; 0 for a fixed one. */
  readonly age_s: number;
}

/** `lookup`: nobody is known to have the address. */
export const NOBODY: number = -1;
/** Owner of the fixed entries of this very node. */
export const SELF: number = NODES_MAX;
/** Added to the owner by `lookup` where the entry is fixed. */
export const FIXED = 0x2000;

/** What came of learning. */
export const LEARN = {
  /** It was there already. */
  known: 0,
  learned: 1,
  /** It was another peer's, and is this one's now. */
  moved: 2,
  /** The config gives the address to somebody else. */
  elsewhere: 3,
  /** No free or aged slot for this peer. */
  full: 4,
  /** Somebody else is writing; try again with the next frame. */
  busy: 5,
} as const;
/** One of LEARN. */
export type LearnResult = typeof LEARN[keyof typeof LEARN];

const WAYS = 16;
/** Four times as many slots as entries may be learned, so that hardly a bucket is ever full. */
const SLOTS = 4 * MAC_LEARNED_MAX;
const BUCKET_MASK = SLOTS / WAYS - 1;

/** A word: upper half of the address (16 bits), two bits unused, fixed (1), owner + 1 (13). */
const OWNER_MASK = FIXED - 1;
const KEY_MASK = 0xffff << 16;

/** Cells before the slots. */
const CELL = { lock: 0, seed: 1, now_s: 2, learned: 3, swept_s: 4 } as const;
const HELD_AT = 8;
const WORDS_AT = HELD_AT + NODES_MAX;
const LOWS_AT = WORDS_AT + SLOTS;
const SEEN_AT = LOWS_AT + SLOTS;

/** Bytes of shared memory for a table. */
export const MAC_TABLE_BYTES = 4 * (SEEN_AT + SLOTS);

/** Turns for which a lane waits for the lock: about what a sweep takes. */
const LOCK_TURNS = 4_000;
/** How often as long the main thread waits: some seconds, should the holder's core be busy. */
const MAIN_TURNS = 100_000;
/** Seeds tried until every fixed address finds a slot; one in a few would do. */
const SEEDS_MAX = 64;

/** The table, seen from any thread. */
export class MacTable {
  readonly #cells: Int32Array;
  /** Entries learned from each peer. */
  readonly #held: Int32Array;
  readonly #words: Int32Array;
  readonly #lows: Int32Array;
  readonly #seen_s: Int32Array;
  /** Slot of the last address that `lookup` found. */
  #slot = 0;

  /** Sees the table in `memory`, which was all zeros before its first use. */
  constructor(readonly memory: SharedArrayBuffer) {
    this.#cells = new Int32Array(memory, 0, HELD_AT);
    this.#held = new Int32Array(memory, 4 * HELD_AT, NODES_MAX);
    this.#words = new Int32Array(memory, 4 * WORDS_AT, SLOTS);
    this.#lows = new Int32Array(memory, 4 * LOWS_AT, SLOTS);
    this.#seen_s = new Int32Array(memory, 4 * SEEN_AT, SLOTS);
  }

  /** Number of learned entries, those included that have aged and nobody has replaced yet. */
  get learned(): number {
    return Atomics.load(this.#cells, CELL.learned);
  }

  /** Main thread: sets the table's clock, in seconds from any start. It never goes back. */
  tick(now_s: number): void {
    Atomics.store(this.#cells, CELL.now_s, now_s | 0);
  }

  /**
   * Main thread: makes the hash one that nobody can foresee, and forgets all.
   * Before any lane uses the table, or where fixed addresses find no room.
   */
  reset(seed: number): void {
    this.#withLock(() => this.#reset(seed));
  }

  /**
   * Main thread: these are the fixed addresses now, no address twice. One that
   * was learned becomes fixed; one that is no longer in the list is forgotten.
   */
  setFixed(entries: readonly Pick<MacEntry, "mac" | "owner">[]): void {
    if (entries.length > MACS_MAX) throw new RangeError(`more than ${MACS_MAX} fixed addresses`);
    this.#withLock(() => {
      const kept = new Set<number>();
      for (let attempt = 0; !entries.every((entry) => this.#fix(entry, kept)); attempt++) {
        if (attempt === SEEDS_MAX) throw new RangeError("fixed addresses find no room");
        this.#reset(this.#cells[CELL.seed]! + 1);
        kept.clear();
      }
      for (let slot = 0; slot < SLOTS; slot++) {
        const stays = (this.#words[slot]! & FIXED) === 0 || kept.has(slot);
        if (!stays) Atomics.store(this.#words, slot, 0);
      }
    });
  }

  /** Main thread: forgets what was learned from a peer, whose index will be another's. */
  forgetPeer(peer: number): void {
    this.#withLock(() => {
      for (let slot = 0; slot < SLOTS; slot++) {
        if ((this.#words[slot]! & (FIXED | OWNER_MASK)) === peer + 1) this.#free(slot);
      }
    });
  }

  /**
   * Whose the MAC address at `at` is: NOBODY, or a peer's index or SELF, with
   * FIXED added where the config says so. Aged entries are nobody's.
   */
  lookup(view: DataView, at: number): number {
    const low = view.getInt32(at + 2);
    const key = view.getUint16(at) << 16;
    const slot = this.#find(key, low);
    if (slot < 0) return NOBODY;
    const word = Atomics.load(this.#words, slot);
    // Another address may have come in the meantime.
    if ((word & KEY_MASK) !== key || (word & OWNER_MASK) === 0) return NOBODY;
    if (Atomics.load(this.#lows, slot) !== low) return NOBODY;
    if (Atomics.load(this.#words, slot) !== word) return NOBODY;
    const owner = (word & OWNER_MASK) - 1;
    if ((word & FIXED) !== 0) return owner | FIXED;
    if (this.#aged(slot)) return NOBODY;
    this.#slot = slot;
    return owner;
  }

  /** Notes that the learned address that `lookup` has just found was seen again. */
  touch(): void {
    const now_s = Atomics.load(this.#cells, CELL.now_s);
    if (this.#seen_s[this.#slot] !== now_s) Atomics.store(this.#seen_s, this.#slot, now_s);
  }

  /**
   * Notes that the MAC address at `at` is a station of a peer. A peer gets a slot only while it holds fewer than are free:
   * one alone can fill half of the table, and another still finds room.
   */
  learn(view: DataView, at: number, peer: number): LearnResult {
    if (!this.#lock()) return LEARN.busy;
    const result = this.#learn(view.getUint16(at) << 16, view.getInt32(at + 2), peer);
    this.#unlock();
    return result;
  }

  /** Forgets the learned address at `at`. False: it is not there, is fixed, or the lock is busy. */
  forget(view: DataView, at: number): boolean {
    if (!this.#lock()) return false;
    const low = view.getInt32(at + 2);
    const slot = this.#find(view.getUint16(at) << 16, low);
    const learned = slot >= 0 && (this.#words[slot]! & FIXED) === 0;
    if (learned) this.#free(slot);
    this.#unlock();
    return learned;
  }

  /** All entries that have not aged, in no order. */
  entries(): MacEntry[] {
    const found: MacEntry[] = [];
    for (let slot = 0; slot < SLOTS; slot++) {
      const word = Atomics.load(this.#words, slot);
      const low = Atomics.load(this.#lows, slot);
      if ((word & OWNER_MASK) === 0 || Atomics.load(this.#words, slot) !== word) continue;
      const fixed = (word & FIXED) !== 0;
      if (!fixed && this.#aged(slot)) continue;
      const mac = new Uint8Array(6);
      const view = new DataView(mac.buffer);
      view.setUint16(0, word >>> 16);
      view.setInt32(2, low);
      const age_s = fixed ? 0 : Atomics.load(this.#cells, CELL.now_s) - this.#seen_s[slot]!;
      found.push({ mac, owner: (word & OWNER_MASK) - 1, fixed, age_s });
    }
    return found;
  }

  #learn(key: number, low: number, peer: number): LearnResult {
    const cells = this.#cells;
    const now_s = Atomics.load(cells, CELL.now_s);
    const slot = this.#find(key, low);
    if (slot >= 0) {
      const word = this.#words[slot]!;
      const owner = (word & OWNER_MASK) - 1;
      if ((word & FIXED) !== 0) return owner === peer ? LEARN.known : LEARN.elsewhere;
      Atomics.store(this.#seen_s, slot, now_s);
      if (owner === peer) return LEARN.known;
      // An entry changes hands in one store.
      Atomics.store(this.#words, slot, key | peer + 1);
      this.#held[owner]!--;
      this.#held[peer]!++;
      return LEARN.moved;
    }
    if (!this.#hasRoom(peer)) {
      // At most once a second: a storm must not make every frame pay for it.
      if (cells[CELL.swept_s] === now_s) return LEARN.full;
      cells[CELL.swept_s] = now_s;
      this.#sweep();
      if (!this.#hasRoom(peer)) return LEARN.full;
    }
    const free = this.#vacate(this.#bucketOf(key, low));
    if (free < 0) return LEARN.full;
    this.#put(free, key | peer + 1, low, now_s);
    this.#held[peer]!++;
    cells[CELL.learned]!++;
    return LEARN.learned;
  }

  #hasRoom(peer: number): boolean {
    return this.#held[peer]! < MAC_LEARNED_MAX - this.#cells[CELL.learned]!;
  }

  /** Makes an address fixed and notes its slot; false if there is none. */
  #fix({ mac, owner }: Pick<MacEntry, "mac" | "owner">, kept: Set<number>): boolean {
    const view = new DataView(mac.buffer, mac.byteOffset, mac.byteLength);
    const key = view.getUint16(0) << 16;
    const low = view.getInt32(2);
    const word = key | FIXED | owner + 1;
    const found = this.#find(key, low);
    const slot = found >= 0 ? found : this.#vacate(this.#bucketOf(key, low));
    if (slot < 0) return false;
    if (found >= 0 && (this.#words[slot]! & FIXED) === 0) this.#free(slot);
    if (this.#words[slot] !== 0) Atomics.store(this.#words, slot, word);
    else this.#put(slot, word, low, 0);
    kept.add(slot);
    return true;
  }

  /** The slot of an address in the table, aged or not; -1 without one. */
  #find(key: number, low: number): number {
    const words = this.#words;
    const first = this.#bucketOf(key, low);
    for (let slot = first; slot < first + WAYS; slot++) {
      const word = Atomics.load(words, slot);
      if ((word & KEY_MASK) !== key || (word & OWNER_MASK) === 0) continue;
      if (Atomics.load(this.#lows, slot) === low) return slot;
    }
    return -1;
  }

  /** A free slot of the bucket, or one made free because its entry has aged; -1 if all are in use. */
  #vacate(first: number): number {
    for (let slot = first; slot < first + WAYS; slot++) {
      if (this.#words[slot] === 0) return slot;
    }
    for (let slot = first; slot < first + WAYS; slot++) {
      if ((this.#words[slot]! & FIXED) !== 0 || !this.#aged(slot)) continue;
      this.#free(slot);
      return slot;
    }
    return -1;
  }

  #aged(slot: number): boolean {
    const now_s = Atomics.load(this.#cells, CELL.now_s);
    return now_s - Atomics.load(this.#seen_s, slot) >= MAC_AGEING_S;
  }

  #sweep(): void {
    for (let slot = 0; slot < SLOTS; slot++) {
      const word = this.#words[slot]!;
      if (word !== 0 && (word & FIXED) === 0 && this.#aged(slot)) this.#free(slot);
    }
  }

  #put(slot: number, word: number, low: number, now_s: number): void {
    Atomics.store(this.#lows, slot, low);
    Atomics.store(this.#seen_s, slot, now_s);
    Atomics.store(this.#words, slot, word);
  }

  #free(slot: number): void {
    const peer = (this.#words[slot]! & OWNER_MASK) - 1;
    Atomics.store(this.#words, slot, 0);
    this.#held[peer]!--;
    this.#cells[CELL.learned]!--;
  }

  #reset(seed: number): void {
    Atomics.store(this.#cells, CELL.seed, seed | 0);
    for (let slot = 0; slot < SLOTS; slot++) Atomics.store(this.#words, slot, 0);
    this.#held.fill(0);
    this.#cells[CELL.learned] = 0;
  }

  /** First slot of an address's bucket. */
  #bucketOf(key: number, low: number): number {
    let hash = Math.imul(low ^ this.#cells[CELL.seed]!, 0x9e3779b1);
    hash ^= hash >>> 15;
    hash = Math.imul(hash ^ key >>> 16, 0x85ebca6b);
    hash ^= hash >>> 13;
    return (hash & BUCKET_MASK) * WAYS;
  }

  #withLock(change: () => void): void {
    let locked = false;
    for (let turn = 0; turn < MAIN_TURNS && !locked; turn++) locked = this.#lock();
    if (!locked) throw new Error("a lane does not let go of the MAC table");
    try {
      change();
    } finally {
      this.#unlock();
    }
  }

  #lock(): boolean {
    for (let turn = 0; turn < LOCK_TURNS; turn++) {
      if (Atomics.compareExchange(this.#cells, CELL.lock, 0, 1) === 0) return true;
    }
    return false;
  }

  #unlock(): void {
    Atomics.store(this.#cells, CELL.lock, 0);
  }
}
