/**
 * When to do what for one peer (WireGuard's paper, section 6): a state machine
 * without clock, socket or keys. Events say what happened, `tick` what to do now.
 *
 * Time is milliseconds of a clock that never goes back and that counts the time
 * for which the host is suspended (CLOCK_BOOTTIME): after it, sessions are as old
 * as the peer finds them.
 */

/** The times, each in milliseconds; WireGuard's are TIMES. */
export interface Times {
  /** Age at which the initiator of a session makes a new one when it sends. */
  readonly rekey_after_ms: number;
  /** Age from which a session is not used any more. */
  readonly reject_after_ms: number;
  /** How long a handshake is tried for before it is given up. */
  readonly rekey_attempt_ms: number;
  /** Time between two initiations. */
  readonly rekey_timeout_ms: number;
  /** At most so much is added to that, at random, so that two sides do not stay in step. */
  readonly jitter_ms: number;
  /** Data that was received is answered within this time, if by nothing else then by a keepalive. */
  readonly keepalive_timeout_ms: number;
}

/** WireGuard's constants. */
export const TIMES: Times = {
  rekey_after_ms: 120_000,
  reject_after_ms: 180_000,
  rekey_attempt_ms: 90_000,
  rekey_timeout_ms: 5_000,
  jitter_ms: 334,
  keepalive_timeout_ms: 10_000,
};

/** The times that go with another age at which sessions are replaced, all in proportion. */
export function timesFor(rekey_after_ms: number): Times {
  const part = rekey_after_ms / TIMES.rekey_after_ms;
  return {
    rekey_after_ms,
    reject_after_ms: part * TIMES.reject_after_ms,
    rekey_attempt_ms: part * TIMES.rekey_attempt_ms,
    rekey_timeout_ms: part * TIMES.rekey_timeout_ms,
    jitter_ms: part * TIMES.jitter_ms,
    keepalive_timeout_ms: part * TIMES.keepalive_timeout_ms,
  };
}

/** What is to be done now. */
export type Due = "initiate" | "keepalive" | "give_up";

const NEVER = Infinity;
const NOTHING: readonly Due[] = [];

/** The session that is sent by, as far as timers care. */
export interface TimedSession {
  readonly initiator: boolean;
  readonly created_ms: number;
  /** Whether the peer has begun one at the same time and is to be the one to begin the next. */
  readonly yields?: boolean | undefined;
}

/** The timers of one peer. */
export class Timers {
  /** Until when the handshake is tried, and when the next initiation goes out; NEVER: no handshake. */
  #tryUntil_ms = NEVER;
  #initiate_ms = NEVER;
  #lastInitiation_ms = -Infinity;
  /** When a keepalive is due because data has not been answered. */
  #keepalive_ms = NEVER;
  /** When a handshake is due because the peer does not answer our data. */
  #silence_ms = NEVER;
  /** When that data was sent. */
  #unanswered_ms = 0;
  /** When a persistent keepalive is due. */
  #persistent_ms = NEVER;
  #session: TimedSession | undefined;
  /** The session that a new handshake has been begun for while receiving, once. */
  #refreshed: TimedSession | undefined;

  /**
   * `random` gives numbers from 0 up to 1. `persistent_ms` is the persistent keepalive, 0 for none.
   */
  constructor(
    readonly times: Times,
    readonly random: () => number,
    readonly persistent_ms = 0,
  ) {}

  /** Whether a handshake is under way. */
  get handshaking(): boolean {
    return this.#initiate_ms !== NEVER;
  }

  /** How long ago the first data was sent since anything came from the peer; 0: there is none. */
  unansweredFor_ms(now_ms: number): number {
    return this.#silence_ms === NEVER ? 0 : now_ms - this.#unanswered_ms;
  }

  /** When `tick` has something to do next; Infinity: nothing. */
  get next_ms(): number {
    return Math.min(this.#initiate_ms, this.#keepalive_ms, this.#silence_ms, this.#persistent_ms);
  }

  /** The peer is there: where there is a persistent keepalive, it begins. */
  start(now_ms: number): void {
    if (this.persistent_ms > 0) this.#persistent_ms = now_ms;
  }

  #jitter(): number {
    return Math.floor(this.random() * this.times.jitter_ms);
  }

  /** A new session is wanted: data waits, the session is old, or the peer is silent. */
  wantSession(now_ms: number): void {
    this.#tryUntil_ms = now_ms + this.times.rekey_attempt_ms;
    if (this.handshaking) return;
    this.#initiate_ms = Math.max(now_ms, this.#lastInitiation_ms + this.times.rekey_timeout_ms);
  }

  /** A session is sent by from now on; undefined: none is. */
  useSession(session: TimedSession | undefined): void {
    this.#session = session;
  }

  /** A handshake is complete: the peer has answered, or has used a session that we offered. */
  handshakeDone(): void {
    this.#initiate_ms = NEVER;
    this.#tryUntil_ms = NEVER;
  }

  #persist(now_ms: number): void {
    if (this.persistent_ms > 0) this.#persistent_ms = now_ms + this.persistent_ms;
  }

  /** Something was sent to the peer by a session: data, or else a keepalive. */
  sent(now_ms: number, data: boolean): void {
    this.#keepalive_ms = NEVER;
    this.#persist(now_ms);
    if (!data) return;
    const { keepalive_timeout_ms, rekey_timeout_ms, rekey_after_ms } = this.times;
    if (this.#silence_ms === NEVER) {
      this.#unanswered_ms = now_ms;
      this.#silence_ms = now_ms + keepalive_timeout_ms + rekey_timeout_ms + this.#jitter();
    }
    const session = this.#session;
    const wait_ms = session?.yields ? rekey_after_ms + keepalive_timeout_ms : rekey_after_ms;
    if (session?.initiator && now_ms - session.created_ms >= wait_ms) this.wantSession(now_ms);
  }

  /** Something authentic came from the peer: data, or else a keepalive or a handshake message. */
  received(now_ms: number, data: boolean): void {
    this.#silence_ms = NEVER;
    this.#persist(now_ms);
    const { reject_after_ms, keepalive_timeout_ms, rekey_timeout_ms } = this.times;
    // A keepalive is no data: it is never answered, or two sides would keep each other awake.
    if (data && this.#keepalive_ms === NEVER) this.#keepalive_ms = now_ms + keepalive_timeout_ms;
    const session = this.#session;
    const refresh_ms = reject_after_ms - keepalive_timeout_ms - rekey_timeout_ms;
    if (
      session?.initiator && session !== this.#refreshed && now_ms - session.created_ms >= refresh_ms
    ) {
      this.#refreshed = session;
      this.wantSession(now_ms);
    }
  }

  /** What is due by now, in order. An initiation counts as sent, a keepalive is reported by `sent`. */
  tick(now_ms: number): readonly Due[] {
    if (now_ms < this.next_ms) return NOTHING;
    const due: Due[] = [];
    if (now_ms >= this.#silence_ms) {
      this.#silence_ms = NEVER;
      this.wantSession(now_ms);
    }
    const persistent = now_ms >= this.#persistent_ms;
    if (persistent || now_ms >= this.#keepalive_ms) {
      this.#keepalive_ms = NEVER;
      this.#persist(now_ms);
      if (this.#session) due.push("keepalive");
      else if (persistent) this.wantSession(now_ms);
    }
    if (now_ms >= this.#initiate_ms) {
      if (now_ms >= this.#tryUntil_ms) {
        this.handshakeDone();
        this.#keepalive_ms = NEVER;
        due.push("give_up");
      } else {
        this.#lastInitiation_ms = now_ms;
        this.#initiate_ms = now_ms + this.times.rekey_timeout_ms + this.#jitter();
        due.push("initiate");
      }
    }
    return due;
  }
}
