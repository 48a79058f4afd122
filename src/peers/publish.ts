/** Publishes the registry to the lanes' forwarding table: rows one by one, routes when they change. */

import type { PeerRow } from "../forwarding/peer_row.ts";
import type { Route } from "../forwarding/prefixes.ts";
import type { Lanes } from "../dataplane/lanes/lanes.ts";
import { TAKEN_UP_CHECK_INTERVAL_MS } from "../base/limits.ts";
import type { Time } from "../base/time.ts";
import type { Address } from "../net/prefix.ts";
import type { Peer } from "./peer.ts";
import { acceptedBy, fixedMacs, tableRoutes, underlayRoutes } from "./plan.ts";
import type { Registry, RegistryChange } from "./registry.ts";
import { rowOf } from "./transport.ts";

/** Follows what is published, beside the lanes. */
export interface TableFollower {
  setPeer(index: number, row: PeerRow): void;
  clearPeer(index: number): void;
  /** `defaultPeer` is -1 where there is none. */
  setRoutes(routes: readonly Route[], defaultPeer: number): void;
  /** What was set belongs together, and is whole now. */
  published(): void;
}

/** What the publisher needs of the lanes. */
export type PublishedLanes = Pick<Lanes, "table" | "macs" | "laneCount" | "wake">;

/** Keeps the lanes' table in step with the registry. */
export class Publisher {
  #stale = false;
  /** The rows that were published, by index. */
  readonly #rows = new Map<number, PeerRow>();
  /** The peers whose routes were published, with the addresses that they had then. */
  #routed: ReadonlyMap<Peer, Address> = new Map();

  constructor(
    readonly registry: Registry,
    readonly paths: { look(peer: Peer): void },
    readonly lanes: PublishedLanes,
    readonly followers: readonly TableFollower[],
    readonly time: Time,
    /** Where others reach this node, if that is known. */
    readonly ownAddress?: Address,
    /** The addresses that this node may answer with. */
    readonly answerAddresses: () => readonly Address[] = () => [],
  ) {}

  /** The largest packet to a peer as it was published last; undefined for one that was not. */
  mtuOf(index: number): number | undefined {
    return this.#rows.get(index)?.mtu_bytes;
  }

  /**
   * Publishes one peer's row; routes too, if it had no address before. What the default node does
   * not own follows an address that has changed with the next `retry`: whoever roams costs no more.
   */
  publishPeer(peer: Peer): void {
    const { address } = peer;
    const before = this.#routed.get(peer);
    this.#setRow(peer);
    if (address && !before) this.#publishRoutes();
    else if (address !== before && this.registry.config.defaultNode) this.#stale = true;
    this.#published();
  }

  /** Publishes what follows from the config: every row, the routes, the fixed addresses. */
  publishAll(): void {
    const { registry: { self, peers }, lanes } = this;
    for (const index of this.#rows.keys()) {
      if (!this.registry.at(index)) this.#clearRow(index);
    }
    for (const peer of peers) this.#setRow(peer);
    this.#publishRoutes();
    lanes.macs?.setFixed(fixedMacs(self, peers));
    this.#published();
  }

  /** Publishes the rows of peers that have come, gone or moved, and the routes. */
  publishChange({ added, removed, moved }: RegistryChange): void {
    for (const { index } of removed) this.#clearRow(index);
    for (const peer of [...added, ...moved]) this.#setRow(peer);
    this.#publishRoutes();
    this.#published();
  }

  /** Publishes routes that had to wait, for a lane or for this. */
  retry(): void {
    if (!this.#stale) return;
    this.#publishRoutes();
    this.lanes.wake();
  }

  /** Resolves when every lane uses what was published, or the lanes have ended. */
  async takenUp(): Promise<void> {
    const { lanes, time } = this;
    do {
      this.retry();
      // A lane takes up a table between two bursts; one that never does is a bug that ends the node.
      while (!lanes.table.takenUp(lanes.laneCount)) {
        lanes.wake();
        await time.sleep(TAKEN_UP_CHECK_INTERVAL_MS);
      }
    } while (this.#stale);
  }

  #setRow(peer: Peer): void {
    const { registry, lanes, followers, paths } = this;
    const { path } = peer.liveness;
    if (peer.address && path.mtu_bytes === 0) paths.look(peer);
    const mtu_bytes = peer.address ? path.mtu_bytes : 0;
    const row = rowOf(peer, registry.config.mode, mtu_bytes);
    this.#rows.set(peer.index, row);
    lanes.table.setPeer(peer.index, row);
    for (const follower of followers) follower.setPeer(peer.index, row);
  }

  #clearRow(index: number): void {
    this.#rows.delete(index);
    this.lanes.table.clearPeer(index);
    for (const follower of this.followers) follower.clearPeer(index);
  }

  #published(): void {
    // Before a lane takes from a peer what it did not take before.
    for (const follower of this.followers) follower.published();
    this.lanes.wake();
  }

  /** A lane may still read the half that would be written: then `retry` does it. */
  #publishRoutes(): void {
    const { registry: { config, self, peers }, lanes, followers } = this;
    this.#stale = !lanes.table.routesTakenUp(lanes.laneCount);
    if (this.#stale) return;
    const placed = [{ node: self, address: this.ownAddress }, ...peers];
    const routes = [...underlayRoutes(config, placed), ...tableRoutes(self, peers)];
    const reachable = peers.filter(({ address }) => address !== undefined);
    const defaultPeer = reachable.find(({ name }) => name === config.defaultNode)?.index ?? -1;
    const accepted = acceptedBy(config, self);
    lanes.table.publishRoutes(routes, defaultPeer, accepted, this.answerAddresses());
    for (const follower of followers) follower.setRoutes(routes, defaultPeer);
    this.#routed = new Map(reachable.map((peer) => [peer, peer.address!]));
  }
}
