/** A token bucket: at most `perSecond` in any second, a full second's worth at once. */
export class RateLimit {
  #tokens: number;
  #last_ms: number;

  constructor(readonly perSecond: number, readonly now_ms: () => number) {
    this.#tokens = perSecond;
    this.#last_ms = now_ms();
  }

  /** Whether one more may pass now. */
  take(): boolean {
    if (this.#tokens < 1) {
      const now = this.now_ms();
      const gained = (now - this.#last_ms) * this.perSecond / 1000;
      if (gained < 1) return false;
      this.#tokens = Math.min(this.perSecond, this.#tokens + gained);
      this.#last_ms = now;
    }
    this.#tokens--;
    return true;
  }
}
