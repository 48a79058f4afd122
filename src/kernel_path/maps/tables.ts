/** The maps of the kernel path as they follow the forwarding table. Pure. */

import type { Prefix } from "../../net/prefix.ts";
import type { Route } from "../../forwarding/prefixes.ts";
import { type Entries, type Entry, MapMirror } from "./mirror.ts";
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

/** Names of the maps that follow the forwarding table. */
const TABLES = ["routes4", "routes6", "peers", "senders", "hosts", "counts"] as const;

type Tables<T> = Readonly<Record<typeof TABLES[number], T>>;

const EVERYTHING = {
  4: { version: 4, bytes: new Uint8Array(4), length_bits: 0 },
  6: { version: 6, bytes: new Uint8Array(16), length_bits: 0 },
} as const satisfies Record<number, Prefix>;

/** An address as the kernel's tunnels tell it: IPv4 as a number in the host's order. */
function hostKey(address: Uint8Array): Uint8Array {
  return address.length === 4 ? address.toReversed() : address;
}

/** Keeps the maps in step. */
export class KernelTables {
  readonly #mirrors: Tables<MapMirror>;

  constructor(maps: Tables<Entries>) {
    const mirrors = TABLES.map((name) => [name, new MapMirror(maps[name])] as const);
    this.#mirrors = Object.fromEntries(mirrors) as Tables<MapMirror>;
  }

  /**
   * Takes over a table. `defaultPeer` is -1 where there is none. Throws what the
   * maps throw when they are full.
   */
  publish(peers: readonly KernelPathPeer[], routes: readonly Route[], defaultPeer: number): void {
    const { routes4, routes6, counts, hosts, senders, peers: byIndex } = this.#mirrors;
    routes4.replace(routeEntries(4, routes, defaultPeer));
    routes6.replace(routeEntries(6, routes, defaultPeer));
    const none = new Uint8Array(records.COUNTS.size);
    counts.replace(peers.map(({ index }) => [records.u32(index), none]));
    hosts.replace(peers.map(({ address }) => [hostKey(address), records.u32(1)]));
    senders.replace(peers.map((peer) => {
      const record = records.senderRecord(peer.index, peer.index === defaultPeer);
      return [records.senderKey(peer), record];
    }));
    // Last: now packets are sent.
    byIndex.replace(
      peers.filter(({ takes }) => takes)
        .map((peer) => [records.u32(peer.index), records.peerRecord(peer)]),
    );
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
