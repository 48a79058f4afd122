/**
 * The sessions of one peer: `current` is the one to send by; `previous` and `older`
 * still receive what is under way; `next` has been made by an answer of ours and
 * waits until the peer uses it, since only then it is sure to have it. Two old ones,
 * where WireGuard keeps one: when both call each other at once, two sessions follow
 * the one that all under way was sealed by. Pure.
 */

/** A session without its keys. */
export interface Session {
  /** Our index. */
  readonly index: number;
  /** The peer's. */
  readonly remoteIndex: number;
  /** Whether we began the handshake. */
  readonly initiator: boolean;
  readonly created_ms: number;
  /** See `TimedSession`. */
  readonly yields?: boolean;
}

const NONE: readonly Session[] = [];

/** The sessions; what a change leaves out is returned by it. */
export class Keypairs {
  older: Session | undefined;
  previous: Session | undefined;
  current: Session | undefined;
  next: Session | undefined;

  /** All that are there. */
  get all(): readonly Session[] {
    return [this.older, this.previous, this.current, this.next]
      .filter((session) => session !== undefined);
  }

  #without(change: () => void): readonly Session[] {
    const before = this.all;
    change();
    const after = this.all;
    return before.filter((session) => !after.includes(session));
  }

  /** The peer has answered: it has the keys, so the session is used at once. */
  answered(session: Session): readonly Session[] {
    return this.#without(() => {
      // Both have called each other at once: the peer sends by its own session.
      if (this.next) this.#shift(this.next);
      this.next = undefined;
      this.#shift(session);
    });
  }

  /** We have answered: the session waits for its first use. */
  offered(session: Session): readonly Session[] {
    return this.#without(() => {
      this.next = session;
    });
  }

  /** The peer has used `next`: now it is the one to send by. */
  confirmed(): readonly Session[] {
    return this.#without(() => {
      this.#shift(this.next);
      this.next = undefined;
    });
  }

  #shift(current: Session | undefined): void {
    if (this.current) {
      this.older = this.previous;
      this.previous = this.current;
    }
    this.current = current;
  }

  /** When the oldest was made; Infinity where there is none. */
  get oldest_ms(): number {
    return Math.min(
      this.older?.created_ms ?? Infinity,
      this.previous?.created_ms ?? Infinity,
      this.current?.created_ms ?? Infinity,
      this.next?.created_ms ?? Infinity,
    );
  }

  /** Leaves out what is `lifetime_ms` old. */
  expire(now_ms: number, lifetime_ms: number): readonly Session[] {
    if (now_ms - this.oldest_ms < lifetime_ms) return NONE;
    const fresh = (session: Session | undefined): Session | undefined =>
      session && now_ms - session.created_ms < lifetime_ms ? session : undefined;
    return this.#without(() => {
      this.older = fresh(this.older);
      this.previous = fresh(this.previous);
      this.current = fresh(this.current);
      this.next = fresh(this.next);
    });
  }
}
