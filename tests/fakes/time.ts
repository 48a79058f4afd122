/** Time that a test moves by hand. */

import type { Time, Timer } from "../../src/base/time.ts";

interface Due {
  at_ms: number;
  /** 0: once. */
  readonly interval_ms: number;
  readonly run: () => void;
}

/** Starts at 0; `advance` runs what has become due, in its order. */
export class FakeTime implements Time {
  #now_ms = 0;
  readonly #due = new Set<Due>();

  now_ms(): number {
    return this.#now_ms;
  }

  wall_ms(): number {
    return 1_700_000_000_000 + this.#now_ms;
  }

  every(interval_ms: number, run: () => void): Timer {
    return this.#add({ at_ms: this.#now_ms + interval_ms, interval_ms, run });
  }

  sleep(delay_ms: number): Promise<void> {
    return new Promise((run) => {
      this.#add({ at_ms: this.#now_ms + delay_ms, interval_ms: 0, run });
    });
  }

  /** Lets time go by; what awaits a sleep goes on before the next timer runs. */
  async advance(duration_ms: number): Promise<void> {
    const end_ms = this.#now_ms + duration_ms;
    for (;;) {
      const [next] = [...this.#due].toSorted((one, other) => one.at_ms - other.at_ms);
      if (!next || next.at_ms > end_ms) break;
      this.#now_ms = next.at_ms;
      if (next.interval_ms > 0) next.at_ms += next.interval_ms;
      else this.#due.delete(next);
      next.run();
      await idle();
    }
    this.#now_ms = end_ms;
    await idle();
  }

  /** Lets time go by while something runs: no timer is due in between. */
  skip(duration_ms: number): void {
    this.#now_ms += duration_ms;
  }

  #add(due: Due): Timer {
    this.#due.add(due);
    return { cancel: () => void this.#due.delete(due) };
  }
}

/** Resolves after all that waits for nothing but promises. */
function idle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
