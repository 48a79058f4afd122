/** Publishes the roster to the lanes as a forwarding table. */

import type { FibPeer } from "../engine/fib.ts";
import type { Supervisor } from "../engine/supervisor.ts";
import type { Paths } from "./paths.ts";
import { tableRoutes } from "./plan.ts";
import type { Roster } from "./roster.ts";

/** Keeps the lanes' table in step with the roster. */
export class Publisher {
  #stale = false;

  constructor(
    readonly roster: Roster,
    readonly paths: Paths,
    readonly supervisor: Supervisor,
  ) {}

  /** Whether the published table is behind. */
  get stale(): boolean {
    return this.#stale;
  }

  /** The table is behind: it will be published at the next opportunity. */
  markStale(): void {
    this.#stale = true;
  }

  /** Publishes the table; a half that lanes still read is never written (see fib.ts). */
  publish(): void {
    const { roster: { config, self, peers, addresses, book, ipVersion }, paths } = this;
    const entries: FibPeer[] = peers.map(({ endpoint }, i) => {
      const address = addresses[i];
      return {
        address: address?.bytes ?? new Uint8Array(ipVersion === 4 ? 4 : 16),
        port: endpoint.port,
        mtu_bytes: paths.innerMtu_bytes(address),
        capabilities: book.peers[i]!.capabilities,
      };
    });
    const reachable = addresses.map((address) => address !== undefined);
    const defaultPeer = peers.findIndex(({ name }) => name === config.defaultNode);
    const routes = tableRoutes(self, peers, reachable);
    this.supervisor.fib.publish(entries, routes, reachable[defaultPeer] ? defaultPeer : -1);
  }

  /** Publishes the table again; when a lane still reads the one before, the next tick does it. */
  republish(): void {
    const { fib, laneCount } = this.supervisor;
    this.#stale = !fib.settled(laneCount);
    if (this.#stale) return;
    this.publish();
    this.supervisor.wake();
  }
}
