/** etcd in memory: keys with revisions, leases that end when a test says so, watches. */

import type { Etcd, Listed, MemberStatus } from "../../src/peers/source/etcd/client.ts";
import { EtcdError } from "../../src/peers/source/etcd/errors.ts";
import type {
  KeyEvent,
  KeyValue,
  WatchMessage,
  WriteOptions,
} from "../../src/peers/source/etcd/gateway.ts";

const NOTHING = { events: [], created: false, canceled: false, compact_revision: 0, why: "" };

interface Watcher {
  readonly prefix: string;
  readonly send: (message: WatchMessage | undefined) => void;
}

/** What several clients share. */
export class FakeEtcd {
  revision = 1;
  /** Changes before it are forgotten. */
  compacted = 0;
  /** Nobody answers. */
  away = false;
  /** Runs before each write. */
  beforeWrite: () => void = () => {};
  readonly keys = new Map<string, KeyValue>();
  readonly leases = new Set<string>();
  readonly calls: string[] = [];
  readonly #history: { readonly revision: number; readonly event: KeyEvent }[] = [];
  readonly #watchers = new Set<Watcher>();
  #lease = 100;

  put(key: string, value: string, lease = "0"): number {
    const revision = ++this.revision;
    const before = this.keys.get(key);
    const kv = {
      ...{ key, value, lease },
      created_revision: before?.created_revision ?? revision,
      modified_revision: revision,
    };
    this.keys.set(key, kv);
    this.#tell(revision, { what: "put", kv });
    return revision;
  }

  delete(key: string): void {
    if (!this.keys.delete(key)) return;
    const revision = ++this.revision;
    this.#tell(revision, { what: "delete", key, revision });
  }

  /** Ends a lease with all that hangs on it. */
  expire(lease: string): void {
    this.leases.delete(lease);
    for (const { key, lease: of } of [...this.keys.values()]) if (of === lease) this.delete(key);
  }

  /** Ends all watches, as a lost connection does. */
  disconnect(): void {
    for (const { send } of this.#watchers) send(undefined);
  }

  client(endpoint = "http://fake"): Etcd {
    const ask = <T>(call: string, answer: () => T): Promise<T> => {
      this.calls.push(call);
      if (!this.away) return Promise.resolve().then(answer);
      return Promise.reject(new EtcdError("unreachable", { what: `etcd at ${endpoint} is away` }));
    };
    return {
      endpoint,
      turnAway: () => {},
      status: () =>
        ask(
          "status",
          (): MemberStatus => ({ version: "fake", hasLeader: true, db_bytes: 1, clock_ms: 0 }),
        ),
      revisionAt: () => ask("revision", () => this.revision),
      list: (prefix) =>
        ask("list", (): Listed => ({
          revision: this.revision,
          keys: [...this.keys.values()].filter(({ key }) => key.startsWith(prefix)),
        })),
      write: ({ key, value, lease, modified_revision }: WriteOptions) =>
        ask("write", () => {
          this.beforeWrite();
          if ((this.keys.get(key)?.modified_revision ?? 0) !== modified_revision) return 0;
          return this.put(key, value, lease);
        }),
      grant: () =>
        ask("grant", () => {
          const lease = `${++this.#lease}`;
          this.leases.add(lease);
          return lease;
        }),
      renew: (lease) => ask("renew", () => this.leases.has(lease) ? 60 : 0),
      revoke: (lease) => ask("revoke", () => this.expire(lease)),
      watch: (_, prefix, revision, signal) => this.#watch(prefix, revision, signal),
    };
  }

  async *#watch(
    prefix: string,
    revision: number,
    signal: AbortSignal,
  ): AsyncGenerator<WatchMessage> {
    this.calls.push(`watch ${revision}`);
    if (this.away) throw new EtcdError("unreachable", { what: "etcd is away" });
    yield { ...NOTHING, created: true };
    if (revision < this.compacted) {
      yield { ...NOTHING, canceled: true, compact_revision: this.compacted };
      return;
    }
    const waiting: (WatchMessage | undefined)[] = this.#history
      .filter((one) => one.revision >= revision && keyOf(one.event).startsWith(prefix))
      .map(({ event }) => ({ ...NOTHING, events: [event] }));
    let wake = () => {};
    const send = (message: WatchMessage | undefined) => {
      waiting.push(message);
      wake();
    };
    const watcher = { prefix, send };
    this.#watchers.add(watcher);
    signal.addEventListener("abort", () => send(undefined));
    try {
      for (;;) {
        while (waiting.length === 0) await new Promise<void>((resolve) => wake = resolve);
        const message = waiting.shift();
        if (!message || signal.aborted) return;
        yield message;
      }
    } finally {
      this.#watchers.delete(watcher);
    }
  }

  #tell(revision: number, event: KeyEvent): void {
    this.#history.push({ revision, event });
    for (const { prefix, send } of this.#watchers) {
      if (keyOf(event).startsWith(prefix)) send({ ...NOTHING, events: [event] });
    }
  }
}

const keyOf = (event: KeyEvent): string => event.what === "put" ? event.kv.key : event.key;
