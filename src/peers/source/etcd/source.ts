/** Members from etcd: this node's lease is kept, and what changes there is handed on as diffs. */

import { EXIT, RunError } from "../../../base/errors.ts";
import {
  ETCD_PROBE_INTERVAL_MS,
  ETCD_RELIST_INTERVAL_MS,
  ETCD_RETRY_MAX_MS,
  ETCD_RETRY_MIN_MS,
  ETCD_SAVE_INTERVAL_MS,
} from "../../../base/limits.ts";
import type { Log } from "../../../base/log.ts";
import type { Time, Timer } from "../../../base/time.ts";
import type { Config, NodeConfig } from "../../../config/types.ts";
import { formatAddress, formatPrefix, type Prefix } from "../../../net/prefix.ts";
import {
  type Members as Overlay,
  membersDiff,
  type MemberSource,
  type OnChange,
  type ReloadOutcome,
} from "../source.ts";
import { claimSubnet } from "./claim.ts";
import type { Etcd } from "./client.ts";
import type { KeyEvent, KeyValue, WatchMessage } from "./gateway.ts";
import { LeaseMachine } from "./lease.ts";
import type { Entry, Members } from "./members.ts";
import { NETWORK_KEY_END } from "./network.ts";
import { keyEnd, type Refusal } from "./records.ts";

/** What is kept for a start without etcd. */
export interface Kept {
  /** The value of the network's key. */
  readonly network: string;
  readonly subnet: Prefix;
  readonly entries: readonly Entry[];
}

/** What a source is made of. */
export interface EtcdSourceParts {
  readonly etcd: Etcd;
  /** The key that everything is below, without a slash at its end. */
  readonly prefix: string;
  readonly members: Members;
  /** The value of the network's key that `members` goes by. */
  readonly network: string;
  /** All of the config but its nodes. */
  readonly config: Omit<Config, "nodes">;
  readonly ttl_ms: number;
  readonly wanted?: Prefix | undefined;
  readonly remembered?: Prefix | undefined;
  readonly save: (kept: Kept) => void;
  readonly chance: () => number;
  readonly log: Log;
  readonly time: Time;
}

/** How it stands with etcd. */
export interface EtcdState {
  readonly endpoint: string;
  /** Whether its last answer was one. */
  readonly connected: boolean;
  /** Why not. */
  readonly problem: string | undefined;
  /** Of the last change that was seen. */
  readonly revision: number;
  readonly subnet: Prefix;
  /** Whether the lease is held, as far as is known. */
  readonly held: boolean;
  /** Since etcd confirmed it; undefined if it never has. */
  readonly lease_age_ms: number | undefined;
  readonly lease_ttl_ms: number;
  readonly records: number;
  readonly refused: ReadonlyMap<Refusal, number>;
}

/** How often it is looked whether something is due for the lease. */
const LEASE_TICK_MS = 250;

/** The key that all subnets' keys begin with. */
export const subnetsBase = (prefix: string): string => `${prefix}/subnets/`;

/** A key as a record's entry. */
export const entryOf = (base: string, { key, ...rest }: KeyValue): Entry => ({
  end: key.slice(base.length),
  ...rest,
});

/** Members from etcd. */
export class EtcdSource implements MemberSource {
  readonly #parts: EtcdSourceParts;
  readonly #machine = new LeaseMachine();
  readonly #base: string;
  readonly #closed = new AbortController();
  #timers: Timer[] = [];
  #subnet: Prefix;
  /** The revision of which the own record is ours; events before it tell of the past. */
  #own_revision = 0;
  #revision = 0;
  #listed_ms: number | undefined;
  /** The member that the watch is at. */
  #watched: string | undefined;
  #problem: string | undefined;
  #running: Overlay;
  #onChange: OnChange = () => Promise.resolve();
  #publishing: Promise<void> | undefined;
  #publishAgain = false;
  /** A diff could not be applied: the next one says everything. */
  #incomplete = false;
  #unsaved = false;
  /** Records have changed since those that are left out were told. */
  #changed = false;
  #leasing = false;
  #network: string;
  readonly #told = new Set<string>();

  private constructor(parts: EtcdSourceParts, subnet: Prefix) {
    this.#parts = parts;
    this.#base = subnetsBase(parts.prefix);
    this.#network = parts.network;
    this.#subnet = subnet;
    this.#running = { config: { ...parts.config, nodes: [] }, self: this.#makeSelf() };
  }

  /** Takes a subnet and reads who else is there. Throws an EtcdError. */
  static async join(parts: EtcdSourceParts): Promise<EtcdSource> {
    const { members, remembered, wanted } = parts;
    const nowhere = wanted ?? remembered ?? members.rules.network.network;
    const source = new EtcdSource(parts, nowhere);
    await source.#list();
    await source.#acquire();
    source.#start();
    return source;
  }

  /** Goes by what was kept, until etcd answers. */
  static restore(parts: EtcdSourceParts, kept: Kept, problem: string): EtcdSource {
    const source = new EtcdSource(parts, kept.subnet);
    source.#problem = problem;
    parts.members.replace(kept.entries);
    parts.members.claim(kept.subnet);
    source.#start();
    return source;
  }

  /** The members as they are now. */
  get overlay(): Overlay {
    return this.#running;
  }

  /** How it stands with etcd. */
  get state(): EtcdState {
    const { etcd, members, ttl_ms, time } = this.#parts;
    const { renewed_ms, lease } = this.#machine;
    return {
      endpoint: this.#watched ?? etcd.endpoint,
      connected: this.#problem === undefined,
      problem: this.#problem,
      revision: this.#revision,
      subnet: this.#subnet,
      held: lease !== undefined,
      lease_age_ms: renewed_ms === undefined ? undefined : time.now_ms() - renewed_ms,
      lease_ttl_ms: ttl_ms,
      records: members.size,
      refused: members.refused(),
    };
  }

  watch(onChange: OnChange): void {
    const { time } = this.#parts;
    this.#onChange = onChange;
    this.#timers = [
      time.every(LEASE_TICK_MS, () => void this.#leaseTick()),
      time.every(ETCD_SAVE_INTERVAL_MS, () => {
        this.#tellRefused();
        this.#saveIfChanged();
      }),
    ];
    // A node that is killed at once comes back with its subnet, too.
    this.#saveIfChanged();
    void this.#follow();
  }

  async reload(): Promise<ReloadOutcome> {
    try {
      await this.#list();
      await this.#publish();
      const { endpoint } = this.#parts.etcd;
      const nodes = this.#running.config.nodes.length;
      const line = `read ${endpoint} again: ${nodes} ${nodes === 1 ? "node" : "nodes"}`;
      return { ok: true, exitCode: 0, lines: [line] };
    } catch (error) {
      if (!(error instanceof RunError)) throw error;
      return { ok: false, exitCode: EXIT.failed, lines: [error.message] };
    }
  }

  close(): void {
    this.#closed.abort();
    for (const timer of this.#timers) timer.cancel();
    this.#saveIfChanged();
  }

  /** What it begins with is no change. */
  #start(): void {
    this.#parts.members.take();
    this.#running = this.#wanted();
    this.#unsaved = true;
    this.#changed = true;
    this.#tellRefused();
  }

  #makeSelf(): NodeConfig {
    const { ownAddress, ownKey, network: { port } } = this.#parts.members.rules;
    const host = formatAddress(ownAddress.bytes);
    const keys = ownKey && { publicKey: ownKey, wireguard: false, keepalive_ms: 0 };
    return {
      name: host,
      endpoint: { host, port },
      subnets: [this.#subnet],
      ...(keys ? { keys } : {}),
    };
  }

  #wanted(): Overlay {
    const { members, config } = this.#parts;
    const [own] = this.#running.self.subnets;
    const self =
      own && keyEnd(own) === keyEnd(this.#subnet) && this.#running.config.nodes.length > 0
        ? this.#running.self
        : this.#makeSelf();
    return { config: { ...config, nodes: [self, ...members.nodes()] }, self };
  }

  /** Hands on what has changed; what changes meanwhile comes after it, at once. */
  #publish(): Promise<void> {
    this.#publishAgain = true;
    this.#publishing ??= this.#publishAll().finally(() => this.#publishing = undefined);
    return this.#publishing;
  }

  async #publishAll(): Promise<void> {
    const { members, log } = this.#parts;
    while (this.#publishAgain) {
      this.#publishAgain = false;
      const nodes = members.take();
      const wanted = this.#wanted();
      const moved = wanted.self !== this.#running.self;
      const diff = this.#incomplete || moved
        ? membersDiff(this.#running, wanted)
        : { ...wanted, ...nodes };
      if (!moved && diff.added.length + diff.changed.length + diff.removed.length === 0) continue;
      this.#unsaved = true;
      try {
        await this.#onChange(diff);
        this.#running = wanted;
        this.#incomplete = false;
      } catch (error) {
        if (!(error instanceof RunError)) throw error;
        this.#incomplete = true;
        log.error("etcd_members", `members from etcd cannot be followed: ${error.message}`);
      }
    }
  }

  /** Reads everything. Throws an EtcdError. */
  async #list(): Promise<void> {
    const { etcd, prefix, members, time } = this.#parts;
    const { revision, keys } = await etcd.list(`${prefix}/`);
    this.#answered();
    // The watch has come further meanwhile.
    if (this.#listed_ms !== undefined && revision < this.#revision) return;
    const entries = keys.filter(({ key }) => key.startsWith(this.#base))
      .map((kv) => entryOf(this.#base, kv));
    members.replace(entries);
    const network = keys.find(({ key }) => key === `${prefix}/${NETWORK_KEY_END}`);
    if (network) this.#hearNetwork(network.value);
    this.#revision = revision;
    this.#listed_ms = time.now_ms();
    const own = entries.find(({ end }) => end === keyEnd(this.#subnet));
    if (own) this.#hearOwn(own.modified_revision, { what: "written", lease: own.lease });
    else this.#hearOwn(revision, { what: "deleted" });
    this.#changed = true;
  }

  /** Follows etcd until the end, whatever happens to it. */
  async #follow(): Promise<void> {
    const { etcd, time } = this.#parts;
    const { signal } = this.#closed;
    for (let failures = 0; !signal.aborted;) {
      try {
        if (this.#listed_ms === undefined) {
          await this.#list();
          void this.#publish();
        }
        if (await this.#watchOnce()) failures = 0;
        else throw new RunError({ what: `etcd at ${etcd.endpoint} has ended the watch` });
      } catch (error) {
        if (signal.aborted) return;
        this.#failed(error);
        etcd.turnAway();
        await time.sleep(Math.min(ETCD_RETRY_MIN_MS * 2 ** failures, ETCD_RETRY_MAX_MS));
        failures = Math.min(failures + 1, 16);
      }
    }
  }

  /** Watches until the stream ends; tells whether that was for a reason of our own. */
  async #watchOnce(): Promise<boolean> {
    const { etcd, prefix, time } = this.#parts;
    const { endpoint } = etcd;
    this.#watched = endpoint;
    const ended = new AbortController();
    const end = () => ended.abort();
    this.#closed.signal.addEventListener("abort", end);
    let failure: unknown;
    let wanted = false;
    const probe = time.every(ETCD_PROBE_INTERVAL_MS, () => {
      this.#probe(endpoint).then((listAgain) => {
        if (!listAgain) return;
        this.#listed_ms = undefined;
        wanted = true;
        end();
      }, (error) => {
        failure = error;
        end();
      });
    });
    try {
      const watch = etcd.watch(endpoint, `${prefix}/`, this.#revision + 1, ended.signal);
      for await (const message of watch) {
        this.#hear(message);
        if (!message.canceled) continue;
        // After compaction, what was missed is in the list.
        this.#listed_ms = undefined;
        return true;
      }
    } finally {
      probe.cancel();
      this.#closed.signal.removeEventListener("abort", end);
      end();
    }
    if (failure) throw failure;
    return wanted;
  }

  /** Asks the member that the watch is at; tells whether everything is to be read again. */
  async #probe(endpoint: string): Promise<boolean> {
    const { etcd, prefix, time } = this.#parts;
    const revision = await etcd.revisionAt(endpoint, `${prefix}/${NETWORK_KEY_END}`);
    this.#answered();
    // Another cluster, or one that was restored from an earlier state.
    return revision < this.#revision ||
      time.now_ms() - (this.#listed_ms ?? 0) > ETCD_RELIST_INTERVAL_MS;
  }

  #hear({ events, created }: WatchMessage): void {
    if (created) this.#answered();
    const seen = this.#revision;
    for (const event of events) {
      const revision = event.what === "put" ? event.kv.modified_revision : event.revision;
      // A list that was read meanwhile has it already.
      if (revision <= seen) continue;
      this.#hearEvent(event);
      this.#revision = Math.max(this.#revision, revision);
      this.#changed = true;
    }
    if (this.#revision > seen) void this.#publish();
  }

  #hearEvent(event: KeyEvent): void {
    const { members, prefix } = this.#parts;
    const key = event.what === "put" ? event.kv.key : event.key;
    if (key === `${prefix}/${NETWORK_KEY_END}`) {
      this.#hearNetwork(event.what === "put" ? event.kv.value : "");
      return;
    }
    if (!key.startsWith(this.#base)) return;
    const end = key.slice(this.#base.length);
    if (event.what === "put") members.put(entryOf(this.#base, event.kv));
    else members.delete(end);
    if (end !== keyEnd(this.#subnet)) return;
    if (event.what === "delete") this.#hearOwn(event.revision, { what: "deleted" });
    else {
      const { modified_revision, lease } = event.kv;
      this.#hearOwn(modified_revision, { what: "written", lease });
    }
  }

  #hearOwn(revision: number, record: Parameters<LeaseMachine["heard"]>[1]): void {
    const { time, log } = this.#parts;
    if (revision <= this.#own_revision || !this.#machine.heard(time.now_ms(), record)) return;
    const why = record.what === "deleted" ? "its record is gone" : "somebody else wrote its record";
    log.warn("etcd_lease_lost", `the lease of ${formatPrefix(this.#subnet)} is lost: ${why}`);
  }

  #hearNetwork(value: string): void {
    if (value === this.#network) return;
    this.#network = value;
    const { log } = this.#parts;
    const what = value === "" ? "is gone from etcd" : "has changed in etcd";
    if (value === this.#parts.network) return;
    log.warn("etcd_network", `the network's configuration ${what}: a restart goes by it`);
  }

  async #leaseTick(): Promise<void> {
    if (this.#leasing || this.#closed.signal.aborted) return;
    const { etcd, time } = this.#parts;
    const due = this.#machine.next(time.now_ms());
    if (due.what === "wait") return;
    this.#leasing = true;
    try {
      if (due.what === "renew") {
        const left_s = await etcd.renew(due.lease.id);
        this.#machine.renewed(time.now_ms(), due.lease.id, left_s * 1000);
        this.#answered();
      } else {
        await this.#list();
        await this.#acquire();
        this.#saveIfChanged();
        await this.#publish();
      }
    } catch (error) {
      this.#machine.failed(time.now_ms());
      this.#failed(error);
    } finally {
      this.#leasing = false;
    }
  }

  /** Takes a subnet. Throws an EtcdError. */
  async #acquire(): Promise<void> {
    const { etcd, members, ttl_ms, wanted, remembered, chance, time, log } = this.#parts;
    const had = this.#machine.renewed_ms === undefined ? remembered : this.#subnet;
    const { lease, revision } = await claimSubnet({
      ...{ etcd, members, ttl_ms, wanted, chance },
      remembered: had,
      base: this.#base,
      refresh: () => this.#list(),
    });
    this.#machine.acquired(time.now_ms(), lease);
    this.#own_revision = revision;
    this.#subnet = lease.subnet;
    members.claim(lease.subnet);
    this.#unsaved = true;
    log.info("etcd_lease", `${formatPrefix(lease.subnet)} is this node's, by a lease in etcd`);
  }

  #answered(): void {
    if (this.#problem === undefined) return;
    this.#problem = undefined;
    const { etcd, log } = this.#parts;
    log.info("etcd_back", `etcd at ${etcd.endpoint} answers again`);
  }

  #failed(error: unknown): void {
    if (!(error instanceof RunError)) throw error;
    const { log } = this.#parts;
    const first = this.#problem === undefined;
    this.#problem = error.message;
    if (first) log.warn("etcd_away", `${error.message}: going on with the members that are known`);
  }

  /** Names records that are left out, each once. */
  #tellRefused(): void {
    const { members, log } = this.#parts;
    if (!this.#changed) return;
    this.#changed = false;
    const now = new Set<string>();
    for (const entry of members.entries()) {
      const refusal = members.refusalOf(entry);
      if (!refusal) continue;
      const text = `${entry.end}: ${refusal}`;
      now.add(text);
      if (this.#told.has(text)) continue;
      log.warn("etcd_refused", `the record ${JSON.stringify(entry.end)} is left out: ${refusal}`);
    }
    this.#told.clear();
    for (const text of now) this.#told.add(text);
  }

  #saveIfChanged(): void {
    const { members, save, network } = this.#parts;
    if (!this.#unsaved) return;
    this.#unsaved = false;
    save({ network, subnet: this.#subnet, entries: members.entries() });
  }
}
