/** Bytes on their way to a reader who may be slow: a bounded queue that never waits. Pure. */

/** Writes some bytes; resolves to how many it took, as Deno's writers do. */
export type Write = (bytes: Uint8Array<ArrayBuffer>) => Promise<number>;

/** Pieces are joined up to this size, so that a system call carries many lines. */
const CHUNK_BYTES = 65_536;

type Item = Uint8Array | (() => Promise<void>);

/**
 * INVARIANT: at most `limit_bytes` wait; what finds no room is refused and
 * counted, and what was taken is written in order, whole.
 */
export class OutputQueue {
  /** Pieces that found no room. */
  dropped = 0;
  #items: Item[] = [];
  #waiting_bytes = 0;
  #working: Promise<void> | undefined;
  #failed = false;

  /** `onFailure` hears once of an error; everything is refused afterwards, and not counted. */
  constructor(
    readonly write: Write,
    readonly limit_bytes: number,
    readonly onFailure: (error: unknown) => void,
  ) {}

  /** Takes a piece, or refuses it. The bytes must not change afterwards. */
  push(bytes: Uint8Array): boolean {
    if (this.#failed) return false;
    if (this.#waiting_bytes + bytes.length > this.limit_bytes) {
      this.dropped++;
      return false;
    }
    this.#waiting_bytes += bytes.length;
    this.#items.push(bytes);
    this.#start();
    return true;
  }

  /** Runs `task` when everything before it is written, and before anything after it is. */
  between(task: () => Promise<void>): void {
    if (this.#failed) return;
    this.#items.push(task);
    this.#start();
  }

  /** Resolves when all is written, or at the latest after the bound: false. */
  async drain(timeout_ms: number): Promise<boolean> {
    const working = this.#working;
    if (working === undefined) return true;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(false), timeout_ms);
    });
    const done = await Promise.race([working.then(() => true), late]);
    clearTimeout(timer);
    return done;
  }

  #start(): void {
    this.#working ??= this.#work().finally(() => this.#working = undefined);
  }

  async #work(): Promise<void> {
    try {
      // A turn later: pieces of one burst go together.
      await Promise.resolve();
      while (this.#items.length > 0) {
        const chunk = this.#take();
        if (chunk instanceof Uint8Array) {
          for (let at = 0; at < chunk.length;) at += await this.write(chunk.subarray(at));
          this.#waiting_bytes -= chunk.length;
        } else await chunk();
      }
    } catch (error) {
      this.#failed = true;
      this.#items = [];
      this.#waiting_bytes = 0;
      this.onFailure(error);
    }
  }

  /** The next task, or the next pieces in one. */
  #take(): Uint8Array<ArrayBuffer> | (() => Promise<void>) {
    const first = this.#items[0]!;
    if (!(first instanceof Uint8Array)) {
      this.#items.shift();
      return first;
    }
    let count = 0;
    let size = 0;
    for (const item of this.#items) {
      if (!(item instanceof Uint8Array) || count > 0 && size + item.length > CHUNK_BYTES) break;
      size += item.length;
      count++;
    }
    const joined = new Uint8Array(size);
    let at = 0;
    for (const item of this.#items.splice(0, count)) {
      if (!(item instanceof Uint8Array)) continue;
      joined.set(item, at);
      at += item.length;
    }
    return joined;
  }
}
