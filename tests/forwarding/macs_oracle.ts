/**
 * A MAC table the slow and obvious way: a map, and the rules as they are told.
 * Shares no code with src/.
 */

const ENTRIES_MAX = 4096;
const AGEING_S = 300;

interface Entry {
  peer: number;
  seen_s: number;
}

/** What the table does, by address text. */
export class MacOracle {
  readonly entries = new Map<string, Entry>();
  readonly fixed = new Map<string, number>();
  now_s = 0;
  #swept_s = 0;

  /** The owner, -1 for nobody. */
  lookup(mac: string): number {
    const owner = this.fixed.get(mac);
    if (owner !== undefined) return owner;
    const entry = this.entries.get(mac);
    return entry && !this.#aged(entry) ? entry.peer : -1;
  }

  learn(mac: string, peer: number): string {
    const owner = this.fixed.get(mac);
    if (owner !== undefined) return owner === peer ? "known" : "elsewhere";
    const entry = this.entries.get(mac);
    if (entry) {
      const moved = entry.peer !== peer;
      this.entries.set(mac, { peer, seen_s: this.now_s });
      return moved ? "moved" : "known";
    }
    if (!this.#room(peer) && this.#swept_s !== this.now_s) {
      this.#swept_s = this.now_s;
      for (const [key, one] of this.entries) if (this.#aged(one)) this.entries.delete(key);
    }
    if (!this.#room(peer)) return "full";
    this.entries.set(mac, { peer, seen_s: this.now_s });
    return "learned";
  }

  forget(mac: string): boolean {
    return !this.fixed.has(mac) && this.entries.delete(mac);
  }

  /** A peer may take an entry while it holds fewer than are free. */
  #room(peer: number): boolean {
    const held = [...this.entries.values()].filter((one) => one.peer === peer).length;
    return held < ENTRIES_MAX - this.entries.size;
  }

  #aged({ seen_s }: Entry): boolean {
    return this.now_s - seen_s >= AGEING_S;
  }
}
