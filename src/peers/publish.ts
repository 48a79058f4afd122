/** Publishes the roster to the lanes as a forwarding table. */

import { type PeerRow, TRANSPORT, VACANT } from "../forwarding/peer_row.ts";
import type { Lanes } from "../dataplane/lanes/lanes.ts";
import { SETTLE_CHECK_INTERVAL_MS } from "../base/limits.ts";
import type { Route } from "../forwarding/prefixes.ts";
import type { Paths } from "./paths.ts";
import { fixedMacs, tableRoutes } from "./plan.ts";
import type { Peer, Roster } from "./roster.ts";

/** The table that is published, for whoever follows it beside the lanes. */
export interface PublishedTable {
  /** By index. */
  readonly entries: readonly PeerRow[];
  readonly routes: readonly Route[];
  /** -1: there is none. */
  readonly defaultPeer: number;
  /** Whether hellos get through to the peer with this index. */
  readonly hearsUs: (index: number) => boolean;
}

/** Follows the published table beside the lanes. */
export interface TableFollower {
  publish(table: PublishedTable): void;
}

/** Keeps the lanes' table in step with the roster. */
export class Publisher {
  #stale = false;
  /** The MTU that was published for each peer's index. */
  #mtu_bytes: readonly number[] = [];

  constructor(
    readonly roster: Roster,
    readonly paths: Paths,
    readonly supervisor: Lanes,
    /** Follows each published table (the kernel path). */
    readonly follower: TableFollower,
  ) {}

  /** Whether the published table is behind. */
  get stale(): boolean {
    return this.#stale;
  }

  /** The table is behind: it will be published at the next opportunity. */
  markStale(): void {
    this.#stale = true;
  }

  /** The largest packet to a peer as it was published last; undefined for one that was not. */
  mtuOf(index: number): number | undefined {
    return this.#mtu_bytes[index] || undefined;
  }

  /** Publishes the table before any lane runs. */
  publish(): void {
    const { roster: { config, self, peers, indexes }, supervisor } = this;
    const reachable = peers.filter(({ address }) => address !== undefined);
    const entries: PeerRow[] = Array.from({ length: indexes }, () => VACANT);
    for (const peer of reachable) entries[peer.index] = this.#entry(peer);
    this.#mtu_bytes = entries.map(({ mtu_bytes }) => mtu_bytes);
    const defaultPeer = reachable.find(({ name }) => name === config.defaultNode);
    const routes = tableRoutes(self, reachable);
    const rest = defaultPeer?.index ?? -1;
    const { table } = supervisor;
    for (let index = 0; index < Math.max(entries.length, table.peerCount); index++) {
      table.setPeer(index, entries[index] ?? VACANT);
    }
    table.publishRoutes(routes, rest);
    const hearsUs = (index: number) => this.roster.book.peers[index]?.hearsUs === true;
    this.follower.publish({ entries, routes, defaultPeer: rest, hearsUs });
    supervisor.macs?.setFixed(fixedMacs(self, peers));
  }

  /**
   * Publishes the table again; when a lane still reads the one before, the next
   * tick does it. Routes that lanes read are never written (see table.ts).
   */
  republish(): void {
    const { table, laneCount } = this.supervisor;
    this.#stale = !table.settled(laneCount);
    if (this.#stale) return;
    this.publish();
    this.supervisor.wake();
  }

  /** Publishes the table again; resolves when every lane uses it, or the lanes have ended. */
  async settle(): Promise<void> {
    await this.#settled();
    this.republish();
    await this.#settled();
  }

  async #settled(): Promise<void> {
    const { supervisor } = this;
    // A lane takes up a table between two bursts; one that never does is a bug that ends the node.
    while (!supervisor.table.settled(supervisor.laneCount)) {
      supervisor.wake();
      await new Promise((resolve) => setTimeout(resolve, SETTLE_CHECK_INTERVAL_MS));
    }
  }

  #entry({ index, address, port }: Peer): PeerRow {
    const { book, config } = this.roster;
    const state = book.peers[index];
    const heard = state !== undefined && state.heard_ms > 0;
    const otherMode = heard && state.saidMode !== config.mode;
    return {
      address: address!.bytes,
      port,
      mtu_bytes: this.paths.innerMtu_bytes(address),
      capabilities: state?.capabilities ?? 0,
      heard,
      transport: otherMode ? TRANSPORT.other_mode : heard ? TRANSPORT.tunnet : TRANSPORT.plain,
    };
  }
}
