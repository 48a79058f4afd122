/** A token bucket: at most `perSecond` in any second, a full second's worth at once. */
export class RateLimit {
  #tokens: number;
  #last_ms: number;

  constructor(readonly perSecond: number, readonly now_ms: () => number) {
    this.#tokens = perSecond;
    this.#last_ms = now_ms();
  }

  /** Whether no more may pass now. */
  get isEmpty(): boolean {
    if (this.#tokens >= 1) return false;
    const now = this.now_ms();
    const gained = (now - this.#last_ms) * this.perSecond / 1000;
    if (gained < 1) return true;
    this.#tokens = Math.min(this.perSecond, this.#tokens + gained);
    this.#last_ms = now;
    return false;
  }

  /** Whether one more may pass now. */
  take(): boolean {
    if (this.isEmpty) return false;
    this.#tokens--;
    return true;
  }
}

/** A token bucket for each peer, like RateLimit. */
export class PeerRateLimit {
  readonly #tokens: Float64Array;
  readonly #last_ms: Float64Array;

  constructor(peers: number, readonly perSecond: number, readonly now_ms: () => number) {
    this.#tokens = new Float64Array(peers).fill(perSecond);
    this.#last_ms = new Float64Array(peers).fill(now_ms());
  }

  /** Whether one more of a peer may pass now. */
  take(peer: number): boolean {
    if (this.#tokens[peer]! < 1) {
      const now = this.now_ms();
      const gained = (now - this.#last_ms[peer]!) * this.perSecond / 1000;
      if (gained < 1) return false;
      this.#tokens[peer] = Math.min(this.perSecond, this.#tokens[peer]! + gained);
      this.#last_ms[peer] = now;
    }
    this.#tokens[peer]!--;
    return true;
  }
}
