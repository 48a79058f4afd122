/** Time from outside: the clock, the timers, and the intervals of the control loop. */

import { HELLO_INTERVAL_MS } from "./limits.ts";

/** A timer that runs until it is cancelled. */
export interface Timer {
  cancel(): void;
}

/** Tells the time and waits; tests give one that they move by hand. */
export interface Time {
  /** Milliseconds since this process started, on a clock that never jumps. */
  now_ms(): number;
  /** Milliseconds since 1970. */
  wall_ms(): number;
  /** Runs something again and again. */
  every(interval_ms: number, run: () => void): Timer;
  /** Resolves after a while. */
  sleep(delay_ms: number): Promise<void>;
}

/** Hears what a timer's work has thrown. */
export type OnTimerError = (error: unknown) => void;

/** Time whose timers go on whatever their work throws: `onError` hears of it. */
export function guardedTime(time: Time, onError: OnTimerError): Time {
  const guarded = (run: () => void) => () => {
    try {
      run();
    } catch (error) {
      onError(error);
    }
  };
  return {
    now_ms: () => time.now_ms(),
    wall_ms: () => time.wall_ms(),
    every: (interval_ms, run) => time.every(interval_ms, guarded(run)),
    sleep: (delay_ms) => time.sleep(delay_ms),
  };
}

/** The time of this machine. */
export const systemTime: Time = {
  now_ms: () => performance.now(),
  wall_ms: () => Date.now(),
  every(interval_ms, run) {
    const id = setInterval(run, interval_ms);
    return { cancel: () => clearInterval(id) };
  },
  sleep: (delay_ms) => new Promise((resolve) => setTimeout(resolve, delay_ms)),
};

/** The intervals of the control loop, all from one: the time between two hellos to one peer. */
export interface Timers {
  readonly hello_ms: number;
  /** A peer that has said no hello for so long is asked to, again and again. */
  readonly overdue_ms: number;
  /** Time between two hellos that ask an overdue peer to answer. */
  readonly ask_ms: number;
  /**
   * A peer that has been silent for so long is no longer counted as a tunnet: it has missed two
   * hellos and some six answers, and `status` tells the truth within three intervals.
   */
  readonly silence_ms: number;
  /**
   * A peer that has echoed none of our hellos of so long is asked to. It echoes the last one with
   * its own hello, so that two intervals may pass where nothing is lost.
   */
  readonly unechoed_ms: number;
  /**
   * A peer that has echoed none of our hellos of so long does not hear us, and is not sent to by
   * the kernel path: something lets hellos through one way only. With the next look at the peers,
   * it is told within three intervals.
   */
  readonly unheard_ms: number;
  /** How often device, addresses, routes and peers are looked at. */
  readonly health_ms: number;
  /** How often host names of peers are looked up again; a silent peer's at every hello. */
  readonly resolve_ms: number;
  /** How often a lost device is asked for again. */
  readonly reopen_ms: number;
}

/** The intervals for one of hellos, which is to be the same on every node. */
export function timersOf(hello_ms: number = HELLO_INTERVAL_MS): Timers {
  return {
    hello_ms,
    overdue_ms: 1.3 * hello_ms,
    ask_ms: hello_ms / 5,
    silence_ms: 2.6 * hello_ms,
    unechoed_ms: 2.1 * hello_ms,
    unheard_ms: 2.8 * hello_ms,
    health_ms: hello_ms / 5,
    resolve_ms: 12 * hello_ms,
    reopen_ms: hello_ms / 20,
  };
}
