/** Looks up the peers' host names, again and again: a name may get another address. */

import { NO_HOST } from "../config/types.ts";
import type { Log } from "../base/log.ts";
import type { Time } from "../base/time.ts";
import { type Address, formatAddress, parseAddress } from "../net/prefix.ts";
import type { Peer, Resolved } from "./peer.ts";
import type { Registry } from "./registry.ts";

/** Looks up a host's addresses; none if its name is not known now. */
export type ResolveHost = (host: string) => Promise<readonly Address[]>;

/** Looks up host names, each once. */
export async function resolveHosts(
  hosts: readonly string[],
  resolveHost: ResolveHost,
): Promise<Resolved> {
  const names = [...new Set(hosts)].filter((host) => parseAddress(host) === undefined);
  const found = await Promise.all(
    names.map(async (name) => [name, await resolveHost(name)] as const),
  );
  return new Map(found);
}

/** Asks for the peers' addresses at the start, and again from time to time. */
export class ResolveLoop {
  #asked_ms = 0;
  #asking = false;
  /** Peers whose unknown name has been reported. */
  readonly #reported = new Set<Peer>();

  constructor(
    readonly registry: Registry,
    readonly log: Log,
    readonly resolveHost: ResolveHost,
    readonly time: Time,
  ) {}

  /** Looks up all peers; resolves to those that have another address than before. */
  async resolveAll(): Promise<readonly Peer[]> {
    this.#asked_ms = this.time.now_ms();
    return await this.#resolve(this.registry.peers);
  }

  /**
   * To be called often: looks up the names of peers that cannot be reached, and
   * now and then all names. Does nothing while an earlier look-up is under way,
   * since a resolver may take long to give up.
   */
  async tick(): Promise<readonly Peer[]> {
    if (this.#asking) return [];
    const { time, registry: { peers, timers } } = this;
    if (time.now_ms() - this.#asked_ms >= timers.resolve_ms) return await this.resolveAll();
    return await this.#resolve(peers.filter((peer) => this.#isLost(peer)));
  }

  /** Whether a peer may be elsewhere by now. One that never said hello is as it always was. */
  #isLost({ address, liveness }: Peer): boolean {
    const { state } = liveness;
    return !address || state === "down" ||
      state !== "plain" && liveness.isMissing(this.time.now_ms());
  }

  /** Reports the peers that have no address. */
  report(): void {
    for (const peer of this.#reported) {
      if (peer.address || this.registry.at(peer.index) !== peer) this.#reported.delete(peer);
    }
    for (const peer of this.registry.peers) {
      if (peer.address || this.#reported.has(peer)) continue;
      this.#reported.add(peer);
      const { name, node: { endpoint: { host } }, ipVersion } = peer;
      if (host === NO_HOST) continue; // It will call.
      const why = parseAddress(host)
        ? `it is no IPv${ipVersion} address`
        : `its name has no IPv${ipVersion} address now`;
      this.log.warn("unresolved", `${name} (${host}) is out of reach: ${why}`, { peer: name });
    }
  }

  async #resolve(peers: readonly Peer[]): Promise<readonly Peer[]> {
    const hosts = peers.map(({ node }) => node.endpoint.host);
    this.#asking = true;
    let found: Resolved;
    try {
      found = await resolveHosts(hosts, this.resolveHost);
    } finally {
      this.#asking = false;
    }
    // A peer may have been removed, or its host changed, in the meantime.
    const changed = this.registry.peers.filter((peer) => {
      const addresses = found.get(peer.node.endpoint.host);
      if (!addresses) return false;
      const before = peer.address;
      if (!peer.offer(addresses)) return false;
      const address = formatAddress(peer.address!.bytes);
      if (before) {
        this.log.info(
          "peer_address",
          `${peer.name} (${peer.node.endpoint.host}) is at ${address} now`,
          { peer: peer.name, address },
        );
      }
      return true;
    });
    this.report();
    return changed;
  }
}
