/** The maps of the kernel path as they follow the forwarding table. Pure. */

import type { Prefix } from "../../net/prefix.ts";
import type { Route } from "../../forwarding/prefixes.ts";
import { type Entries, type Entry, ListMirror, OwnerMirror } from "./mirror.ts";
import * as records from "./records.ts";

/**
 * A peer that runs the kernel path too. Both must have heard each other before
 * packets go that way, so what a firewall forbids stays forbidden: hellos pass it
 * like any datagram of the host, the programs do not.
 */
export interface KernelPathPeer extends records.KernelPeer {
  readonly index: number;
  /** Whether it hears us: only then is it sent to. */
  readonly takes: boolean;
}

/** The maps that follow the forwarding table: routes as a whole, the others peer by peer. */
type Maps = Readonly<
  Record<"routes4" | "routes6" | "peers" | "senders" | "hosts" | "counts", Entries>
>;

const EVERYTHING = {
  4: { version: 4, bytes: new Uint8Array(4), length_bits: 0 },
  6: { version: 6, bytes: new Uint8Array(16), length_bits: 0 },
} as const satisfies Record<number, Prefix>;

const NO_COUNTS = new Uint8Array(records.COUNTS.size);
const PRESENT = records.u32(1);

/** An address as the kernel's tunnels tell it: IPv4 as a number in the host's order. */
function hostKey(address: Uint8Array): Uint8Array {
  return address.length === 4 ? address.toReversed() : address;
}

/** Keeps the maps in step. All methods throw what the maps throw when they are full. */
export class KernelTables {
  readonly #routes: Readonly<Record<4 | 6, ListMirror>>;
  readonly #mirrors: Readonly<Record<"peers" | "senders" | "hosts" | "counts", OwnerMirror>>;
  readonly #peers = new Map<number, KernelPathPeer>();
  #defaultPeer = -1;

  constructor({ routes4, routes6, peers, senders, hosts, counts }: Maps) {
    this.#routes = { 4: new ListMirror(routes4), 6: new ListMirror(routes6) };
    this.#mirrors = {
      peers: new OwnerMirror(peers),
      senders: new OwnerMirror(senders),
      hosts: new OwnerMirror(hosts),
      counts: new OwnerMirror(counts),
    };
  }

  /** The peers that run the kernel path, by index. */
  get peers(): ReadonlyMap<number, KernelPathPeer> {
    return this.#peers;
  }

  /** Takes over what is known of one peer. No other peer's entries are touched. */
  setPeer(peer: KernelPathPeer): void {
    const { counts, hosts, peers } = this.#mirrors;
    const { index, address, takes } = peer;
    const key = records.u32(index);
    this.#peers.set(index, peer);
    counts.assign(index, [key, NO_COUNTS]);
    hosts.assign(index, [hostKey(address), PRESENT]);
    this.#setSender(peer);
    // Last: now packets are sent.
    peers.assign(index, takes ? [key, records.peerRecord(peer)] : undefined);
  }

  /** Forgets a peer; nothing is sent to it first of all. */
  clearPeer(index: number): void {
    const { counts, hosts, senders, peers } = this.#mirrors;
    this.#peers.delete(index);
    for (const mirror of [peers, senders, hosts, counts]) mirror.assign(index, undefined);
  }

  /** Takes over all routes. `defaultPeer` is -1 where there is none. */
  setRoutes(routes: readonly Route[], defaultPeer: number): void {
    for (const version of [4, 6] as const) {
      this.#routes[version].replace(routeEntries(version, routes, defaultPeer));
    }
    const before = this.#defaultPeer;
    this.#defaultPeer = defaultPeer;
    for (const index of [before, defaultPeer]) {
      const peer = this.#peers.get(index);
      if (peer) this.#setSender(peer);
    }
  }

  #setSender(peer: KernelPathPeer): void {
    const record = records.senderRecord(peer.index, peer.index === this.#defaultPeer);
    this.#mirrors.senders.assign(peer.index, [records.senderKey(peer), record]);
  }
}

/** Who owns what, and who gets the rest. */
function routeEntries(version: 4 | 6, routes: readonly Route[], defaultPeer: number): Entry[] {
  const entries: Entry[] = [];
  if (defaultPeer >= 0) {
    entries.push([records.routeKey(EVERYTHING[version]), records.u32(defaultPeer)]);
  }
  for (const { prefix, hop } of routes) {
    if (prefix.version !== version) continue;
    entries.push([records.routeKey(prefix), records.u32(hop < 0 ? records.LOCAL_OWNER : hop)]);
  }
  return entries;
}
