/** How many of a peer's numbered hellos got lost on the way here. Pure. */

import { HELLO_LOSS_WINDOW } from "../base/limits.ts";
import type { Timers } from "../base/time.ts";

/** Number of set bits in a word. */
function popcount(word: number): number {
  let count = 0;
  // Each turn clears the lowest set bit.
  for (let rest = word; rest !== 0; rest &= rest - 1) count++;
  return count;
}

/**
 * The last hellos of one peer. Numbers rise by one with each hello; a number is
 * lost when a higher one has arrived and it has not.
 */
export class HelloLoss {
  #last = 0;
  /** Bit i: hello number `last - i` has arrived. */
  #arrived = 0;
  /** Numbers looked at, the last one included. */
  #window = 0;

  constructor(readonly timers: Timers) {}

  /** Takes in the number of a hello that has arrived, the last of `count`; 0 is no number. */
  arrived(number: number, count = 1): void {
    if (number === 0) return;
    for (let older = Math.min(count, HELLO_LOSS_WINDOW) - 1; older > 0; older--) {
      this.arrived(Math.max(0, number - older));
    }
    const ahead = number - this.#last;
    if (this.#window === 0) {
      this.#arrived = 1;
      this.#window = 1;
      this.#last = number;
    } else if (ahead > 0) {
      this.#arrived = ahead < HELLO_LOSS_WINDOW ? (this.#arrived << ahead) | 1 : 1;
      this.#window = Math.min(HELLO_LOSS_WINDOW, this.#window + ahead);
      this.#last = number;
    } else if (-ahead < this.#window) this.#arrived |= 1 << -ahead;
  }

  /** Forgets all: the peer counts anew. */
  reset(): void {
    this.#window = 0;
  }

  /**
   * The share that was lost, 0 to 1; undefined while no numbered hello has come. `silent_ms` is the
   * time since the last one: those that are overdue are lost too.
   */
  share(silent_ms: number): number | undefined {
    if (this.#window === 0) return undefined;
    const { overdue_ms, hello_ms } = this.timers;
    const overdue = silent_ms < overdue_ms ? 0 : Math.floor(silent_ms / hello_ms);
    const counted = Math.min(HELLO_LOSS_WINDOW, this.#window + overdue);
    // The oldest leave the window as overdue ones enter it.
    const kept = counted - Math.min(counted, overdue);
    const mask = kept === 0 ? 0 : -1 >>> (HELLO_LOSS_WINDOW - kept);
    return 1 - popcount(this.#arrived & mask) / counted;
  }
}
