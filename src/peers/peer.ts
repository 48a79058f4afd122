/** One other node, whole: what the config says of it, where it is reached, how it is. Pure. */

import type { Timers } from "../base/time.ts";
import type { NodeConfig } from "../config/types.ts";
import {
  type Address,
  formatAddress,
  formatEndpoint,
  type IpVersion,
  parseAddress,
} from "../net/prefix.ts";
import { DATA_MESSAGE_MIN_BYTES } from "../wire/data_message.ts";
import { Liveness } from "./liveness.ts";
import { PathProbe } from "./path_probe.ts";

/** Addresses of each host name, as far as they are known. */
export type Resolved = ReadonlyMap<string, readonly Address[]>;

/** The addresses that a host has: itself, if it is an address. */
export function addressesOf(host: string, resolved: Resolved): readonly Address[] {
  const literal = parseAddress(host);
  return literal ? [literal] : resolved.get(host) ?? [];
}

/** The first address of the wanted IP version. */
export function pickVersion(
  addresses: readonly Address[],
  version: IpVersion,
): Address | undefined {
  return addresses.find((address) => address.version === version);
}

const same = (one: Address | undefined, other: Address): boolean =>
  one !== undefined && formatAddress(one.bytes) === formatAddress(other.bytes);

/** One other node. */
export class Peer {
  #node: NodeConfig;
  #address: Address | undefined;
  /** Where it has sent something authentic from, if that is not what the config says. */
  #seen: { readonly address: Address; readonly port: number } | undefined;
  readonly liveness: Readonly<Liveness>;
  /** What sealing adds to a packet for it; 0: it has no key. */
  readonly sealed_bytes: number;

  /**
   * `index` is its place in the forwarding table and in the counters. It stays
   * the same for as long as the config has a node of this name.
   */
  constructor(
    readonly index: number,
    node: NodeConfig,
    readonly ipVersion: IpVersion,
    timers: Timers,
    /** Makes 64 bits that nobody can guess. */
    readonly newToken: () => bigint,
  ) {
    this.#node = node;
    this.sealed_bytes = node.keys ? DATA_MESSAGE_MIN_BYTES : 0;
    const path = new PathProbe(timers, ipVersion, this.sealed_bytes);
    this.liveness = new Liveness(timers, newToken(), path);
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
    return this.#seen?.address ?? this.#address;
  }

  /** The UDP port where it is reached. */
  get port(): number {
    return this.#seen?.port ?? this.#node.endpoint.port;
  }

  /** Whether packets to and from it are sealed. */
  get isSealed(): boolean {
    return this.#node.keys !== undefined;
  }

  /** Where it is reached as text; empty while that is not known. */
  get endpoint(): string {
    const { address, port } = this;
    return address ? formatEndpoint(formatAddress(address.bytes), port) : "";
  }

  /** Whether a datagram from here is its own. */
  isAt(address: Uint8Array, port: number): boolean {
    const own = this.address;
    return own !== undefined && port === this.port && own.bytes.length === address.length &&
      own.bytes.every((byte, i) => byte === address[i]);
  }

  /**
   * Takes in the addresses of its host now; tells whether its own has changed. It
   * keeps an address that is still among them, and the last one where there is none.
   */
  offer(addresses: readonly Address[]): boolean {
    const address = pickVersion(addresses, this.ipVersion);
    if (!address || addresses.some((one) => same(this.#address, one))) return false;
    this.#address = address;
    this.liveness.moved(this.newToken());
    return true;
  }

  /** Something authentic came from there: answers go there from now on. Tells whether that is news. */
  seenAt(address: Address, port: number): boolean {
    if (this.isAt(address.bytes, port)) return false;
    this.#seen = { address, port };
    return true;
  }

  /** Takes over what a new config says of it; tells whether it is reached elsewhere now. */
  update(node: NodeConfig, addresses: readonly Address[]): boolean {
    const before = this.#node.endpoint;
    const { host, port } = node.endpoint;
    this.#node = node;
    if (host !== before.host || port !== before.port) this.#seen = undefined;
    if (host !== before.host) this.#address = undefined;
    if (port !== before.port) this.liveness.moved(this.newToken());
    return this.offer(addresses) || port !== before.port || host !== before.host;
  }
}
