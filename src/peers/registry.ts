/** The registry of peers: who they are, and which index each one has. Pure. */

import type { Config, NodeConfig } from "../config/types.ts";
import { NODES_MAX } from "../base/limits.ts";
import type { Timers } from "../base/time.ts";
import type { Address, IpVersion } from "../net/prefix.ts";
import type { SelfDescription } from "./liveness.ts";
import { addressesOf, Peer, pickVersion, type Resolved } from "./peer.ts";
import { peersOf } from "./plan.ts";
import { type Members, type MembersDiff, membersDiff } from "./source/source.ts";

/** What a diff has changed in the registry. */
export interface RegistryChange {
  readonly added: readonly Peer[];
  readonly removed: readonly Peer[];
  /** Kept, but reached elsewhere. */
  readonly moved: readonly Peer[];
}

function randomToken(): bigint {
  return crypto.getRandomValues(new BigUint64Array(1))[0]!;
}

/** The peers, in the order of the config. */
export class Registry {
  /** What this node says of itself in its hellos. */
  description: SelfDescription;
  #members: Members;
  #peers: readonly Peer[] = [];
  #byIndex: (Peer | undefined)[] = [];
  /** Indexes of removed peers that lanes may still use. */
  #retired: number[] = [];
  /** Indexes that were used before: the one that has been free for longest comes first. */
  #free: number[] = [];

  constructor(
    members: Members,
    readonly ipVersion: IpVersion,
    readonly timers: Timers,
    readonly newToken: () => bigint = randomToken,
  ) {
    const { config, self } = members;
    this.description = { name: self.name, mode: config.mode, mtu_bytes: 0, capabilities: 0 };
    this.#members = members;
    const nobody = { config: { ...config, nodes: [self] }, self };
    this.apply(membersDiff(nobody, members), new Map());
  }

  /** The config that holds now. */
  get config(): Config {
    return this.#members.config;
  }

  /** This node. */
  get self(): NodeConfig {
    return this.#members.self;
  }

  /** All peers. */
  get peers(): readonly Peer[] {
    return this.#peers;
  }

  /** One more than the highest index in use. */
  get indexes(): number {
    return this.#byIndex.length;
  }

  /** The peer with an index; undefined where there is none (any more). */
  at(index: number): Peer | undefined {
    return this.#byIndex[index];
  }

  /** Whether there are indexes for all peers that some members add. */
  hasRoomFor({ config, self }: Members): boolean {
    const known = this.#byName();
    const added = peersOf(config, self).filter(({ name }) => !known.has(name)).length;
    return added <= this.#free.length + NODES_MAX - this.#byIndex.length;
  }

  /** The underlay addresses that the peers will have after a diff. */
  preview({ config, self }: Members, resolved: Resolved): readonly (Address | undefined)[] {
    const known = this.#byName();
    return peersOf(config, self).map(({ name, endpoint: { host } }) => {
      const peer = known.get(name);
      return (peer?.node.endpoint.host === host ? peer.address : undefined) ??
        pickVersion(addressesOf(host, resolved), this.ipVersion);
    });
  }

  /**
   * Goes over to what a source says now. Peers are kept by name, with their
   * index, address and liveness. Throws a RangeError where the diff finds no room.
   */
  apply(diff: MembersDiff, resolved: Resolved): RegistryChange {
    if (!this.hasRoomFor(diff)) throw new RangeError("no index is free");
    const { config, self } = diff;
    const known = this.#byName();
    const changed = new Set(diff.changed);
    const added: Peer[] = [];
    const moved: Peer[] = [];
    this.#peers = peersOf(config, self).map((node) => {
      const { name, endpoint: { host } } = node;
      const same = known.get(name);
      // With a key for the first time, or without one, it is another peer.
      const peer = same?.isSealed === (node.keys !== undefined) ? same : undefined;
      if (peer) known.delete(name);
      if (!peer) {
        const fresh = new Peer(this.#takeIndex(), node, this.ipVersion, this.timers, this.newToken);
        fresh.offer(addressesOf(host, resolved));
        this.#byIndex[fresh.index] = fresh;
        added.push(fresh);
        return fresh;
      }
      if (changed.has(node) && peer.update(node, addressesOf(host, resolved))) moved.push(peer);
      return peer;
    });
    const removed = [...known.values()];
    for (const { index } of removed) {
      this.#byIndex[index] = undefined;
      this.#retired.push(index);
    }
    this.#members = { config, self };
    return { added, removed, moved };
  }

  /**
   * Frees the indexes of removed peers. INVARIANT: only once every lane has
   * moved on to a table that does not have them.
   */
  release(): void {
    this.#free.push(...this.#retired);
    this.#retired = [];
  }

  #byName(): Map<string, Peer> {
    return new Map(this.#peers.map((peer) => [peer.name, peer]));
  }

  #takeIndex(): number {
    return this.#free.shift() ?? this.#byIndex.push(undefined) - 1;
  }
}
