/** The other nodes of the overlay as this node knows them: their config, addresses and state. */

import type { Config, NodeConfig } from "../config/types.ts";
import type { Log } from "../log.ts";
import { type Address, formatAddress, type IpVersion } from "../net/prefix.ts";
import { PeerBook } from "../peers/peers.ts";
import { pickVersion, resolveHost } from "../peers/resolve.ts";
import { peersOf } from "./plan.ts";

/** The peers by index: the same index in the book and in the forwarding table. */
export class Roster {
  readonly peers: readonly NodeConfig[];
  /** Who has said hello. */
  readonly book: PeerBook;
  #addresses: readonly (Address | undefined)[];

  constructor(
    readonly config: Config,
    readonly self: NodeConfig,
    readonly ipVersion: IpVersion,
    readonly log: Log,
  ) {
    this.peers = peersOf(config, self);
    this.#addresses = this.peers.map(() => undefined);
    this.book = new PeerBook(this.peers.map(({ name }) => name), {
      name: self.name,
      mode: config.mode,
      mtu_bytes: 0,
      capabilities: 0,
    });
  }

  /** Each peer's underlay address; undefined while its name is not known. */
  get addresses(): readonly (Address | undefined)[] {
    return this.#addresses;
  }

  /** Looks up the peers' addresses; tells whether any changed. */
  async resolve(): Promise<boolean> {
    const found = await Promise.all(this.peers.map((peer) => this.#lookUp(peer)));
    const text = (addresses: readonly (Address | undefined)[]) =>
      addresses.map((address) => address && formatAddress(address.bytes)).join();
    const changed = text(found) !== text(this.#addresses);
    this.#addresses = found;
    return changed;
  }

  async #lookUp({ name, endpoint: { host } }: NodeConfig): Promise<Address | undefined> {
    const addresses = await resolveHost(host);
    const address = pickVersion(addresses, this.ipVersion);
    if (!address) {
      const why = addresses.length > 0
        ? `it has no IPv${this.ipVersion} address`
        : "its name is not known";
      this.log.warn("unresolved", `${name} (${host}) is out of reach: ${why}`, { peer: name });
    }
    return address;
  }
}
