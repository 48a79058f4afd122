/**
 * The lease by which a node has its subnet, as a state machine: what is due, and what has come of
 * it. Knows neither etcd nor a clock. Pure.
 */

import { ETCD_RENEW_MAX_MS, ETCD_RETRY_MAX_MS, ETCD_RETRY_MIN_MS } from "../../../base/limits.ts";
import type { Prefix } from "../../../net/prefix.ts";

/** A subnet and the lease that it hangs on. */
export interface HeldLease {
  readonly subnet: Prefix;
  /** Its number, in decimal digits. */
  readonly id: string;
  readonly ttl_ms: number;
}

/** What is to be done: get a subnet, renew its lease, or nothing until then. */
export type Due =
  | { readonly what: "acquire" }
  | { readonly what: "renew"; readonly lease: HeldLease }
  | { readonly what: "wait"; readonly until_ms: number };

/** What etcd tells of the own record. */
export type OwnRecord =
  | { readonly what: "deleted" }
  | { readonly what: "written"; readonly lease: string };

/** Without a lease, or with one that is renewed after a third of its time. */
export class LeaseMachine {
  #lease: HeldLease | undefined;
  #due_ms = 0;
  #failures = 0;
  #renewed_ms: number | undefined;

  /** The lease that is held, as far as is known. */
  get lease(): HeldLease | undefined {
    return this.#lease;
  }

  /** How many attempts have failed since one went well. */
  get failures(): number {
    return this.#failures;
  }

  /** When etcd confirmed the lease last. */
  get renewed_ms(): number | undefined {
    return this.#renewed_ms;
  }

  /** What is to be done now. */
  next(now_ms: number): Due {
    if (now_ms < this.#due_ms) return { what: "wait", until_ms: this.#due_ms };
    return this.#lease ? { what: "renew", lease: this.#lease } : { what: "acquire" };
  }

  /**
   * A subnet has been got. Attempts that failed count until it has been renewed: two nodes that take
   * it from each other do so ever more slowly.
   */
  acquired(now_ms: number, lease: HeldLease): void {
    this.#lease = lease;
    this.#confirmed(now_ms, lease);
  }

  /** etcd has answered a renewal: with the time that is left, or 0 where there is no such lease. */
  renewed(now_ms: number, id: string, left_ms: number): void {
    const lease = this.#lease;
    // What was asked before the lease was lost says nothing of the next one.
    if (!lease || lease.id !== id) return;
    if (left_ms <= 0) return this.#lose(now_ms);
    this.#failures = 0;
    this.#confirmed(now_ms, lease);
  }

  /** An attempt has come to nothing: the next one waits, the longer the more have failed. */
  failed(now_ms: number): void {
    const wait_ms = Math.min(ETCD_RETRY_MIN_MS * 2 ** this.#failures, ETCD_RETRY_MAX_MS);
    this.#failures = Math.min(this.#failures + 1, 16);
    this.#due_ms = now_ms + wait_ms;
  }

  /** The own record has changed; tells whether the lease is lost by that. */
  heard(now_ms: number, record: OwnRecord): boolean {
    const lease = this.#lease;
    if (!lease || (record.what === "written" && record.lease === lease.id)) return false;
    this.#lose(now_ms);
    return true;
  }

  #confirmed(now_ms: number, { ttl_ms }: HeldLease): void {
    this.#renewed_ms = now_ms;
    this.#due_ms = now_ms + Math.min(ttl_ms / 3, ETCD_RENEW_MAX_MS);
  }

  #lose(now_ms: number): void {
    this.#lease = undefined;
    this.failed(now_ms);
  }
}
