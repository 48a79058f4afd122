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
  readonly liveness: Readonly<Liveness>;

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
    this.liveness = new Liveness(timers, newToken(), new PathProbe(timers, ipVersion));
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
    return this.#address;
  }

  /** The UDP port where it is reached. */
  get port(): number {
    return this.#node.endpoint.port;
  }

  /** Where it is reached as text; empty while that is not known. */
  get endpoint(): string {
    return this.#address ? formatEndpoint(formatAddress(this.#address.bytes), this.port) : "";
  }

  /** Whether a datagram from here is its own. */
  isAt(address: Uint8Array, port: number): boolean {
    const own = this.#address;
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

  /** Takes over what a new config says of it; tells whether it is reached elsewhere now. */
  update(node: NodeConfig, addresses: readonly Address[]): boolean {
    const before = this.#node.endpoint;
    const { host, port } = node.endpoint;
    this.#node = node;
    if (host !== before.host) this.#address = undefined;
    if (port !== before.port) this.liveness.moved(this.newToken());
    return this.offer(addresses) || port !== before.port || host !== before.host;
  }
}
