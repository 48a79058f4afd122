/**
 * When handshakes are too many: they share their thread with hellos, status and
 * signals, so that the budget is in time, not in number. Pure.
 */

import {
  HANDSHAKE_BUDGET_MS,
  HANDSHAKE_WINDOW_MS,
  HANDSHAKES_COUNTED,
  HANDSHAKES_WAITING_MAX,
  UNDER_LOAD_MS,
} from "../base/limits.ts";

/** What was spent on handshakes lately. */
export class HandshakeLoad {
  #window_ms = -Infinity;
  #spent_ms = 0;
  /** How many calls of `spent` that is. */
  #count = 0;
  #until_ms = -Infinity;

  /** `cost_ms` were spent on handshake messages; `waiting` of them have not been looked at. */
  spent(cost_ms: number, waiting: number, now_ms: number): void {
    if (now_ms - this.#window_ms >= HANDSHAKE_WINDOW_MS) {
      this.#window_ms = now_ms;
      this.#spent_ms = 0;
      this.#count = 0;
    }
    this.#spent_ms += cost_ms;
    this.#count++;
    // A few that take long are of code that runs for the first time, or of a busy host.
    const isMuch = this.#count >= HANDSHAKES_COUNTED && this.#spent_ms > HANDSHAKE_BUDGET_MS;
    if (isMuch || waiting > HANDSHAKES_WAITING_MAX) {
      this.#until_ms = now_ms + UNDER_LOAD_MS;
    }
  }

  /** Whether senders must show that they receive where they send from. */
  underLoad(now_ms: number): boolean {
    return now_ms < this.#until_ms;
  }
}
