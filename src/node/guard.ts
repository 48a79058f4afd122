/**
 * What becomes of errors that nobody has caught, in timers, promises and handlers of events: a
 * shortage passes and is told, and anything else ends the node in order.
 */

import { RunError } from "../base/errors.ts";
import { SHORTAGE_QUIET_MS } from "../base/limits.ts";
import type { Log } from "../base/log.ts";
import { errnoOf, shortageOf } from "../base/shortage.ts";
import { VERSION } from "../base/version.ts";

const message = (error: unknown) => error instanceof Error ? error.message : String(error);

/** What the guard needs. */
export interface GuardParts {
  readonly log: Log;
  /** A clock that never jumps. */
  readonly now_ms: () => number;
  /** Ends the node; called once at most. */
  readonly end: (error: RunError) => void;
}

/** Takes errors until the node has ended. */
export class Guard {
  /** When each shortage was seen last. */
  readonly #seen_ms = new Map<string, number>();
  #ended = false;

  constructor(readonly parts: GuardParts) {}

  /** An error in the work of a timer, which will be tried again. */
  inTimer(error: unknown): void {
    const errno = errnoOf(error);
    if (this.#isShortage(errno, error)) return;
    // The underlay is down, or the device has just gone: others tell of that.
    if (errno !== undefined) this.parts.log.debug("timer", message(error));
    else this.#end(error);
  }

  /** An error that came to nobody. */
  uncaught(error: unknown): void {
    if (!this.#isShortage(errnoOf(error), error)) this.#end(error);
  }

  /** Takes this thread's uncaught errors and unhandled rejections; the result ends that. */
  install(): () => void {
    const onError = (event: ErrorEvent) => {
      event.preventDefault();
      this.uncaught(event.error);
    };
    const onRejection = (event: PromiseRejectionEvent) => {
      event.preventDefault();
      this.uncaught(event.reason);
    };
    globalThis.addEventListener("error", onError);
    globalThis.addEventListener("unhandledrejection", onRejection);
    return () => {
      globalThis.removeEventListener("error", onError);
      globalThis.removeEventListener("unhandledrejection", onRejection);
    };
  }

  /** Tells of a shortage, but not again until there has been none for a while. */
  #isShortage(errno: string | undefined, error: unknown): boolean {
    const what = shortageOf(error);
    if (errno === undefined || what === undefined) return false;
    const { log, now_ms } = this.parts;
    const now = now_ms();
    const quiet = now - (this.#seen_ms.get(errno) ?? -Infinity) >= SHORTAGE_QUIET_MS;
    this.#seen_ms.set(errno, now);
    if (quiet) log.warn("shortage", `${what}: ${message(error)}; the node goes on without`);
    return true;
  }

  #end(error: unknown): void {
    const { log, end } = this.parts;
    if (error instanceof Error && error.stack) log.debug("bug", error.stack);
    if (this.#ended) return;
    this.#ended = true;
    end(
      error instanceof RunError ? error : new RunError({
        what: `a bug in tunnet ${VERSION} has ended the node`,
        why: message(error),
        how: "--log-level debug, which shows where, and report it",
      }),
    );
  }
}

/** Does one after the other, whatever any of them throws; then throws the first error. */
export async function runAll(work: readonly (() => unknown)[]): Promise<void> {
  const errors: unknown[] = [];
  for (const run of work) {
    try {
      await run();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}
