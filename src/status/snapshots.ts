/** The status as it is served: made when asked for, and used again for a while. Pure. */

import { STATUS_REUSE_FACTOR, STATUS_REUSE_MAX_MS } from "../base/limits.ts";
import { formatMetrics } from "./format/metrics.ts";
import { bodyBytes } from "./http/answer.ts";
import { findingsOf } from "./model/findings.ts";
import type { Past } from "./model/history.ts";
import type { Status } from "./model/types.ts";

/** One status, and its texts as far as they were asked for. */
interface Snapshot {
  readonly status: Status;
  readonly made_ms: number;
  /** What making it and its texts took. */
  cost_ms: number;
  json?: Uint8Array;
  metrics?: Uint8Array;
  findings?: Uint8Array;
}

/**
 * Statuses on demand. However many ask, and however large it is, making it takes a bounded share of
 * the thread's time, and one is held at a time.
 */
export class Snapshots {
  #last: Snapshot | undefined;

  constructor(readonly make: () => Status, readonly now_ms: () => number) {}

  /** The status of lately. */
  status(): Status {
    return this.#current().status;
  }

  /** The same as JSON, with a newline at its end. */
  json(): Uint8Array {
    const snapshot = this.#current();
    return snapshot.json ??= this.#timed(
      snapshot,
      () => bodyBytes(JSON.stringify(snapshot.status) + "\n"),
    );
  }

  /** The same as Prometheus metrics. */
  metrics(): Uint8Array {
    const snapshot = this.#current();
    return snapshot.metrics ??= this.#timed(
      snapshot,
      () => bodyBytes(formatMetrics(snapshot.status)),
    );
  }

  /** What is wrong as of it, and was lately, as JSON. */
  findings(lately: Past): Uint8Array {
    const snapshot = this.#current();
    return snapshot.findings ??= this.#timed(
      snapshot,
      () => bodyBytes(JSON.stringify(findingsOf(snapshot.status, lately)) + "\n"),
    );
  }

  /** What is asked for next is made anew: something has just been changed on demand. */
  forget(): void {
    this.#last = undefined;
  }

  #current(): Snapshot {
    const begin_ms = this.now_ms();
    const last = this.#last;
    if (last) {
      const reuse_ms = Math.min(last.cost_ms * STATUS_REUSE_FACTOR, STATUS_REUSE_MAX_MS);
      if (begin_ms < last.made_ms + reuse_ms) return last;
    }
    const status = this.make();
    const made_ms = this.now_ms();
    return this.#last = { status, made_ms, cost_ms: made_ms - begin_ms };
  }

  #timed<T>(snapshot: Snapshot, make: () => T): T {
    const begin_ms = this.now_ms();
    const made = make();
    snapshot.cost_ms += this.now_ms() - begin_ms;
    return made;
  }
}
