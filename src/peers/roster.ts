/** The other nodes of the overlay as this node knows them: config, underlay address, index. Pure. */

import type { Config, NodeConfig } from "../config/types.ts";
import { NODES_MAX } from "../base/limits.ts";
import {
  type Address,
  formatAddress,
  formatEndpoint,
  type IpVersion,
  parseAddress,
} from "../net/prefix.ts";
import { PeerBook } from "./book.ts";
import { pickVersion } from "./pick.ts";
import { peersOf } from "./plan.ts";

/** Addresses of each host name, as far as they are known. */
export type Resolved = ReadonlyMap<string, readonly Address[]>;

const same = (one: Address | undefined, other: Address): boolean =>
  one !== undefined && formatAddress(one.bytes) === formatAddress(other.bytes);

/** One other node. */
export class Peer {
  #node: NodeConfig;
  #resolved: Address | undefined;

  /**
   * `index` is its place in the forwarding table, the counters and the book. It
   * stays the same for as long as the config has a node of this name.
   */
  constructor(readonly index: number, node: NodeConfig, readonly ipVersion: IpVersion) {
    this.#node = node;
  }

  /** The node as the config has it. */
  get node(): NodeConfig {
    return this.#node;
  }

  /** The node's name. */
  get name(): string {
    return this.#node.name;
  }

  /** Where it is reached; undefined while its host name is not known. */
  get address(): Address | undefined {
    return this.#resolved;
  }

  /** The UDP port where it is reached. */
  get port(): number {
    return this.#node.endpoint.port;
  }

  /** Whether a datagram from here is its own. */
  isAt(address: Uint8Array, port: number): boolean {
    const own = this.address;
    return own !== undefined && port === this.port && own.bytes.length === address.length &&
      own.bytes.every((byte, i) => byte === address[i]);
  }

  /**
   * Takes in what its host name stands for now; tells whether its address has
   * changed. An address that still stands among them is kept, and so is the
   * last one known when there is none.
   */
  offer(addresses: readonly Address[]): boolean {
    const address = pickVersion(addresses, this.ipVersion);
    if (!address || addresses.some((one) => same(this.#resolved, one))) return false;
    this.#resolved = address;
    return true;
  }

  /** Takes over what a new config says of it; tells whether it is reached elsewhere now. */
  update(node: NodeConfig, addresses: readonly Address[]): boolean {
    const before = this.#node.endpoint;
    const { host, port } = node.endpoint;
    this.#node = node;
    if (host !== before.host) this.#resolved = undefined;
    return this.offer(addresses) || port !== before.port || host !== before.host;
  }
}

/** What a new config has changed in the roster. */
export interface RosterChange {
  readonly added: readonly Peer[];
  readonly removed: readonly Peer[];
  /** Kept, but reached elsewhere. */
  readonly moved: readonly Peer[];
}

/** Hosts that are addresses stand for themselves. */
function addressesOf(host: string, resolved: Resolved): readonly Address[] {
  const literal = parseAddress(host);
  return literal ? [literal] : resolved.get(host) ?? [];
}

/** The peers, in the order of the config. */
export class Roster {
  /** Who has said hello, by the peers' indexes. */
  readonly book: PeerBook;
  #config: Config;
  #self: NodeConfig;
  #peers: readonly Peer[] = [];
  #byIndex: (Peer | undefined)[] = [];
  /** Indexes of removed peers that lanes may still use. */
  #leaving: number[] = [];
  /** Indexes that were used before: the one that has been free for longest comes first. */
  #free: number[] = [];

  constructor(config: Config, self: NodeConfig, readonly ipVersion: IpVersion) {
    this.#config = config;
    this.#self = self;
    this.book = new PeerBook([], {
      name: self.name,
      mode: config.mode,
      mtu_bytes: 0,
      capabilities: 0,
    });
    this.replace(config, self, new Map());
  }

  /** The config that holds now. */
  get config(): Config {
    return this.#config;
  }

  /** This node. */
  get self(): NodeConfig {
    return this.#self;
  }

  /** All peers. */
  get peers(): readonly Peer[] {
    return this.#peers;
  }

  /** One more than the highest index in use. */
  get indexes(): number {
    return this.#byIndex.length;
  }

  /** How many peers can be added. */
  get room(): number {
    return this.#free.length + NODES_MAX - this.#byIndex.length;
  }

  /** The peer with an index; undefined where there is none (any more). */
  at(index: number): Peer | undefined {
    return this.#byIndex[index];
  }

  /** A peer's name, and where it is reached, as text. */
  shown(index: number): { readonly name: string; readonly endpoint: string } | undefined {
    const peer = this.at(index);
    const host = peer?.address && formatAddress(peer.address.bytes);
    return peer && { name: peer.name, endpoint: host ? formatEndpoint(host, peer.port) : "" };
  }

  /** Peers of a config that the roster does not have: those that need an index of their own. */
  newcomers(config: Config, self: NodeConfig): readonly NodeConfig[] {
    const known = new Set(this.#peers.map(({ name }) => name));
    return peersOf(config, self).filter(({ name }) => !known.has(name));
  }

  /** The underlay addresses that the peers of a config would have. */
  preview(config: Config, self: NodeConfig, resolved: Resolved): readonly (Address | undefined)[] {
    const known = new Map(this.#peers.map((peer) => [peer.name, peer]));
    return peersOf(config, self).map(({ name, endpoint: { host } }) => {
      const peer = known.get(name);
      return (peer?.node.endpoint.host === host ? peer.address : undefined) ??
        pickVersion(addressesOf(host, resolved), this.ipVersion);
    });
  }

  /**
   * Follows a new config. Peers are kept by name, with their index, address and
   * state. Throws a RangeError if there is no room for the new ones.
   */
  replace(config: Config, self: NodeConfig, resolved: Resolved): RosterChange {
    if (this.newcomers(config, self).length > this.room) throw new RangeError("no index is free");
    const before = new Map(this.#peers.map((peer) => [peer.name, peer]));
    const added: Peer[] = [];
    const moved: Peer[] = [];
    this.#peers = peersOf(config, self).map((node) => {
      const addresses = addressesOf(node.endpoint.host, resolved);
      const known = before.get(node.name);
      if (known) {
        before.delete(node.name);
        if (known.update(node, addresses)) moved.push(known);
        return known;
      }
      const peer = new Peer(this.#takeIndex(), node, this.ipVersion);
      peer.offer(addresses);
      this.#byIndex[peer.index] = peer;
      this.book.assign(peer.index, peer.name);
      added.push(peer);
      return peer;
    });
    const removed = [...before.values()];
    for (const { index } of removed) {
      this.#byIndex[index] = undefined;
      this.book.vacate(index);
      this.#leaving.push(index);
    }
    this.#config = config;
    this.#self = self;
    return { added, removed, moved };
  }

  /**
   * Lets the indexes of removed peers be used again. INVARIANT: only once no
   * lane uses a table that has them.
   */
  release(): void {
    this.#free.push(...this.#leaving);
    this.#leaving = [];
  }

  #takeIndex(): number {
    return this.#free.shift() ?? this.#byIndex.push(undefined) - 1;
  }
}
