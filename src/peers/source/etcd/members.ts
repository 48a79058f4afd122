/** The records in etcd, and the nodes that follow from them, kept in step change by change. Pure. */

import { ETCD_RECORDS_MAX, NODES_MAX } from "../../../base/limits.ts";
import type { NodeConfig } from "../../../config/types.ts";
import {
  type Address,
  formatAddress,
  maskBytes,
  type Prefix,
  prefixContains,
  prefixCovers,
  sameBytes,
} from "../../../net/prefix.ts";
import { equalBytes, formatKey } from "../../../wire/keys.ts";
import type { Network } from "./network.ts";
import { keyEnd, type ReadRecord, readRecord, type Refusal, type SubnetRecord } from "./records.ts";

/** One key below the prefix's subnets, as etcd has it. */
export interface Entry {
  /** What follows the prefix: `10.5.34.0-24`. */
  readonly end: string;
  readonly value: string;
  readonly created_revision: number;
  readonly modified_revision: number;
  /** The lease's number, in decimal digits; "0" where it has none. */
  readonly lease: string;
}

/** What decides which records are taken in. */
export interface MemberRules {
  readonly network: Network;
  readonly ownAddress: Address;
  /** This node's key; absent where nothing is sealed. */
  readonly ownKey?: Uint8Array | undefined;
  /** Whether records without a key are taken in beside ours that have one. */
  readonly allowPlain: boolean;
  /** Nodes that a file names: nothing in etcd takes anything from them. */
  readonly fixed: readonly NodeConfig[];
}

/** Nodes that differ from those that were taken before. */
export interface NodesDiff {
  readonly added: readonly NodeConfig[];
  readonly changed: readonly NodeConfig[];
  /** Names. */
  readonly removed: readonly string[];
}

interface Held extends Entry {
  readonly read: ReadRecord;
  /** Whether its subnet is its own. */
  owns: boolean;
}

const EMPTY: ReadonlySet<Held> = new Set();

/** All records, and what they come to. */
export class Members {
  readonly #held = new Map<string, Held>();
  /** Owners by length and first address of their subnets. */
  readonly #owners = new Map<number, Map<string, Held>>();
  /** Records that own their subnet, by the node that they tell of. */
  readonly #byIdentity = new Map<string, Set<Held>>();
  readonly #byAddress = new Map<string, Set<Held>>();
  /** Records whose subnet is another's. */
  readonly #waiting = new Set<Held>();
  readonly #dirty = new Set<string>();
  /** Nodes by identity, as they were taken last. */
  readonly #taken = new Map<string, NodeConfig>();
  #own: Prefix | undefined;
  #left_out = 0;

  constructor(readonly rules: MemberRules) {}

  /** How many records there are. */
  get size(): number {
    return this.#held.size;
  }

  /** All records. */
  entries(): readonly Entry[] {
    return [...this.#held.values()].map((
      { end, value, created_revision, modified_revision, lease },
    ) => ({ end, value, created_revision, modified_revision, lease }));
  }

  /** The record of a subnet. */
  at(subnet: Prefix): Entry | undefined {
    return this.#held.get(keyEnd(subnet));
  }

  /** The record that tells of this node by its address, and by its key where it has one. */
  own(): Entry | undefined {
    return [...this.#held.values()].filter((held) => held.read.record && this.isOwn(held))
      .toSorted((one, other) => other.modified_revision - one.modified_revision)[0];
  }

  /** Whether an entry tells of this node. */
  isOwn({ end, value }: Entry): boolean {
    const { record } = readRecord(end, value);
    return record !== undefined && this.#tellsOfUs(record);
  }

  /** Whether a record, or a node of the file, has any of a subnet; a record of this node's does not. */
  isTaken(subnet: Prefix): boolean {
    const held = this.#held.get(keyEnd(subnet)) ?? this.#overlapping(subnet);
    return this.#isFixed(subnet) || (held !== undefined && !this.isOwn(held));
  }

  /** This node's subnet: whoever claims any of it is refused. */
  claim(subnet: Prefix | undefined): void {
    this.#own = subnet;
    for (const held of [...this.#held.values()]) this.#judge(held);
  }

  /** Takes in a record that is new, or has changed. */
  put(entry: Entry): void {
    const known = this.#held.get(entry.end);
    if (known) this.#release(known);
    else if (this.#held.size >= ETCD_RECORDS_MAX) {
      this.#left_out++;
      return;
    }
    const held: Held = { ...entry, read: readRecord(entry.end, entry.value), owns: false };
    this.#held.set(entry.end, held);
    this.#judge(held);
    if (known) this.#reconsider();
  }

  /** Takes out a record. */
  delete(end: string): void {
    const held = this.#held.get(end);
    if (!held) return;
    this.#release(held);
    this.#held.delete(end);
    this.#reconsider();
  }

  /** Goes over to a list of all records. */
  replace(entries: readonly Entry[]): void {
    const ends = new Set(entries.map(({ end }) => end));
    for (const end of [...this.#held.keys()]) if (!ends.has(end)) this.delete(end);
    this.#left_out = 0;
    for (const entry of entries.toSorted((one, other) => isEarlier(one, other) ? -1 : 1)) {
      const known = this.#held.get(entry.end);
      if (known?.modified_revision === entry.modified_revision && known.value === entry.value) {
        continue;
      }
      this.put(entry);
    }
  }

  /** The records that are left out now, by reason. */
  refused(): ReadonlyMap<Refusal, number> {
    const counts = new Map<Refusal, number>();
    const count = (refusal: Refusal | undefined, by = 1) => {
      if (refusal && by > 0) counts.set(refusal, (counts.get(refusal) ?? 0) + by);
    };
    for (const held of this.#held.values()) count(this.refusalOf(held));
    count("too_many", this.#left_out);
    return counts;
  }

  /** Why a record is left out; undefined where it is not, or is this node's own. */
  refusalOf({ end }: Entry): Refusal | undefined {
    const held = this.#held.get(end);
    if (!held) return undefined;
    const { record, refusal } = held.read;
    if (!record) return refusal;
    const fault = this.#fault(record);
    if (fault) return fault;
    if (this.#tellsOfUs(record)) {
      return this.#own && keyEnd(this.#own) === end ? undefined : "own_address";
    }
    if (!held.owns) return "taken";
    return this.#current(held) ? undefined : "superseded";
  }

  /** All nodes but this one. */
  nodes(): readonly NodeConfig[] {
    return [...this.rules.fixed, ...this.#taken.values()];
  }

  /** What has changed since it was asked last. */
  take(): NodesDiff {
    const before = new Map<string, NodeConfig>();
    const after = new Map<string, NodeConfig>();
    for (const identity of this.#dirty) {
      const was = this.#taken.get(identity);
      if (was) before.set(was.name, was);
      this.#taken.delete(identity);
    }
    const room = NODES_MAX - 1 - this.rules.fixed.length;
    for (const identity of this.#dirty) {
      const now = this.#nodeOf(identity);
      if (!now || this.#taken.size >= room) continue;
      this.#taken.set(identity, now);
      after.set(now.name, now);
    }
    this.#dirty.clear();
    const both = [...after.values()].filter(({ name }) => before.has(name));
    return {
      added: [...after.values()].filter(({ name }) => !before.has(name)),
      changed: both.filter((now) => !sameNode(before.get(now.name)!, now)),
      removed: [...before.keys()].filter((name) => !after.has(name)),
    };
  }

  #tellsOfUs({ address, publicKey }: SubnetRecord): boolean {
    const { ownAddress, ownKey } = this.rules;
    return sameBytes(address.bytes, ownAddress.bytes) ||
      (ownKey !== undefined && publicKey !== undefined && equalBytes(ownKey, publicKey));
  }

  /** What is wrong with a record whatever others there are. */
  #fault({ subnet, address, backend }: SubnetRecord): Refusal | undefined {
    const { network: { network }, ownKey, allowPlain, fixed } = this.rules;
    if (ownKey && backend === "udp" && !allowPlain) return "plain";
    if (!ownKey && backend === "wireguard") return "backend";
    if (!prefixCovers(network, subnet)) return "outside";
    // Packets to it would go into the tunnel.
    if (prefixContains(network, address)) return "address";
    const host = formatAddress(address.bytes);
    return fixed.some(({ endpoint }) => endpoint.host === host) ? "address" : undefined;
  }

  #isFixed(subnet: Prefix): boolean {
    return this.rules.fixed.some(({ subnets }) => subnets.some((one) => overlap(one, subnet)));
  }

  /** Whether its subnet is its own: the first to come has it, and what etcd lists is in that order. */
  #judge(held: Held): void {
    const { record } = held.read;
    this.#release(held);
    if (!record || this.#fault(record)) return;
    const { subnet } = record;
    const ours = this.#own !== undefined && !this.#tellsOfUs(record) && overlap(this.#own, subnet);
    if (ours || this.#isFixed(subnet) || this.#overlapping(subnet)) this.#waiting.add(held);
    else this.#take(held, record);
  }

  #take(held: Held, { subnet, address }: SubnetRecord): void {
    held.owns = true;
    const { length_bits, bytes } = subnet;
    const same = this.#owners.get(length_bits) ?? new Map<string, Held>();
    this.#owners.set(length_bits, same.set(formatAddress(bytes), held));
    add(this.#byIdentity, identityOf(held.read.record!), held);
    add(this.#byAddress, formatAddress(address.bytes), held);
    this.#touch(held.read.record!);
  }

  /** Takes back what `judge` has found. */
  #release(held: Held): void {
    this.#waiting.delete(held);
    const { record } = held.read;
    if (!held.owns || !record) return;
    held.owns = false;
    const { subnet: { length_bits, bytes }, address } = record;
    this.#owners.get(length_bits)?.delete(formatAddress(bytes));
    remove(this.#byIdentity, identityOf(record), held);
    remove(this.#byAddress, formatAddress(address.bytes), held);
    this.#touch(record);
  }

  /** Something has gone: those whose subnet it had may come in. */
  #reconsider(): void {
    const waiting = [...this.#waiting].toSorted((one, other) => isEarlier(one, other) ? -1 : 1);
    for (const held of waiting) this.#judge(held);
  }

  /** A node has to be made again, and those that share its address. */
  #touch(record: SubnetRecord): void {
    this.#dirty.add(identityOf(record));
    for (const { read } of this.#byAddress.get(formatAddress(record.address.bytes)) ?? EMPTY) {
      this.#dirty.add(identityOf(read.record!));
    }
  }

  /** An owner of any part of a subnet. */
  #overlapping(subnet: Prefix): Held | undefined {
    for (const [length_bits, owners] of this.#owners) {
      if (length_bits <= subnet.length_bits) {
        const around = owners.get(formatAddress(maskBytes(subnet.bytes, length_bits)));
        if (around) return around;
        continue;
      }
      for (const owner of owners.values()) {
        if (prefixCovers(subnet, owner.read.record!.subnet)) return owner;
      }
    }
    return undefined;
  }

  /** Whether nothing newer tells of another node at its address. */
  #current({ read }: Held): boolean {
    const { record } = read;
    if (!record) return false;
    const newest = newestOf(this.#byAddress.get(formatAddress(record.address.bytes)) ?? EMPTY);
    return newest?.read.record !== undefined &&
      identityOf(newest.read.record) === identityOf(record);
  }

  /** What the records of one node come to. */
  #nodeOf(identity: string): NodeConfig | undefined {
    const { network: { port } } = this.rules;
    const records = this.#byIdentity.get(identity) ?? EMPTY;
    const newest = newestOf(records);
    const record = newest?.read.record;
    if (!newest || !record || this.#tellsOfUs(record) || !this.#current(newest)) return undefined;
    const host = formatAddress(record.address.bytes);
    const subnets = [...records].map(({ read }) => read.record!.subnet);
    const keys = record.publicKey &&
      { publicKey: record.publicKey, wireguard: false, keepalive_ms: 0 };
    return { name: host, endpoint: { host, port }, subnets, ...(keys ? { keys } : {}) };
  }
}

const overlap = (one: Prefix, other: Prefix): boolean =>
  prefixCovers(one, other) || prefixCovers(other, one);

/** Which node a record tells of: who has a key is known by it wherever it is. */
const identityOf = ({ address, publicKey }: SubnetRecord): string =>
  publicKey ? formatKey(publicKey) : formatAddress(address.bytes);

function isEarlier(one: Entry, other: Entry): boolean {
  return one.created_revision < other.created_revision ||
    (one.created_revision === other.created_revision && one.end < other.end);
}

function newestOf(records: ReadonlySet<Held>): Held | undefined {
  let newest: Held | undefined;
  for (const held of records) {
    if (!newest || held.modified_revision > newest.modified_revision) newest = held;
  }
  return newest;
}

function add(sets: Map<string, Set<Held>>, key: string, held: Held): void {
  sets.set(key, (sets.get(key) ?? new Set()).add(held));
}

function remove(sets: Map<string, Set<Held>>, key: string, held: Held): void {
  const set = sets.get(key);
  set?.delete(held);
  if (set?.size === 0) sets.delete(key);
}

function sameNode(one: NodeConfig, other: NodeConfig): boolean {
  const keys = (node: NodeConfig) => node.keys && formatKey(node.keys.publicKey);
  return keys(one) === keys(other) && one.subnets.length === other.subnets.length &&
    one.subnets.every((subnet) => other.subnets.some((same) => keyEnd(same) === keyEnd(subnet)));
}
