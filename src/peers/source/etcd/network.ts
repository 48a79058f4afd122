/** The network's configuration in etcd, as flannel reads and writes it. Pure. */

import type { ErrorParts } from "../../../base/errors.ts";
import { ETCD_VALUE_MAX_BYTES, FLANNEL_UDP_PORT, WIREGUARD_PORT } from "../../../base/limits.ts";
import { formatPrefix, parseAddress, parsePrefix, type Prefix } from "../../../net/prefix.ts";
import { type Backend, isObject, parseObject, prefixAt, sizeOf, toNumber } from "./records.ts";

/** The end of its key below the prefix. */
export const NETWORK_KEY_END = "config";

/** What all nodes have in common. */
export interface Network {
  readonly network: Prefix;
  /** Length of each node's subnet. */
  readonly length_bits: number;
  /** First address of the first and of the last subnet that may be taken. */
  readonly first: number;
  readonly last: number;
  readonly backend: Backend;
  /** UDP port of every node. */
  readonly port: number;
  /** A key that all of them share besides; flannel calls it PSK. */
  readonly hasPresharedKey: boolean;
}

/** A network, or what is wrong with its configuration. */
export type ReadNetwork =
  | { readonly network: Network; readonly problem?: undefined }
  | { readonly network?: undefined; readonly problem: ErrorParts };

/** Longer prefixes have no room for four subnets with a gateway and a pod each. */
const NETWORK_LENGTH_MAX_BITS = 28;
const SUBNET_LENGTH_MAX_BITS = 30;

const wrong = (why: string, how = "tunnet etcd init --network CIDR"): ReadNetwork => ({
  problem: { what: "etcd: the network's configuration cannot be used", why, how },
});

/** The length of subnets that a network of this length has if nobody says: room for four at least. */
const usualLength = (length_bits: number): number => length_bits <= 22 ? 24 : length_bits + 2;

/** An address in the network at which a subnet may begin; undefined where it is none. */
function boundary(value: unknown, network: Prefix, length_bits: number): number | undefined {
  const address = typeof value === "string" ? parseAddress(value) : undefined;
  if (address?.version !== 4) return undefined;
  const first = toNumber(address.bytes);
  const start = toNumber(network.bytes);
  const inside = first >= start && first < start + sizeOf(network.length_bits);
  return inside && first % sizeOf(length_bits) === 0 ? first : undefined;
}

const isPort = (value: unknown): value is number =>
  typeof value === "number" && Number.isInteger(value) && value > 0 && value < 65_536;

/** How nodes are reached: the backend, its port. */
function readBackend(
  value: unknown,
): Pick<Network, "backend" | "port" | "hasPresharedKey"> | string {
  const backend = isObject(value) ? value : {};
  const type = backend.Type ?? "udp";
  if (type !== "udp" && type !== "wireguard") {
    return `its backend is ${JSON.stringify(type)}, and tunnet speaks udp and wireguard`;
  }
  const port = type === "udp"
    ? backend.Port ?? FLANNEL_UDP_PORT
    : backend.ListenPort ?? WIREGUARD_PORT;
  if (!isPort(port)) return "its backend has no such port";
  return { backend: type, port, hasPresharedKey: type === "wireguard" && !!backend.PSK };
}

/** Reads the value of the network's key, with flannel's defaults. */
export function readNetwork(text: string): ReadNetwork {
  const fields = text.length > ETCD_VALUE_MAX_BYTES ? undefined : parseObject(text);
  if (!fields) return wrong("no JSON object");
  const parsed = typeof fields.Network === "string" ? parsePrefix(fields.Network) : undefined;
  if (parsed?.prefix.version !== 4) return wrong("Network is no IPv4 prefix");
  const network = parsed.prefix;
  const { length_bits: outer_bits } = network;
  if (outer_bits > NETWORK_LENGTH_MAX_BITS) {
    return wrong(`${formatPrefix(network)} has no room for four subnets`);
  }
  const length_bits = fields.SubnetLen || usualLength(outer_bits);
  if (
    typeof length_bits !== "number" || !Number.isInteger(length_bits) ||
    length_bits < outer_bits + 2 || length_bits > SUBNET_LENGTH_MAX_BITS
  ) return wrong(`SubnetLen is not from ${outer_bits + 2} to ${SUBNET_LENGTH_MAX_BITS}`);
  const start = toNumber(network.bytes);
  const size = sizeOf(length_bits);
  // The first subnet has the network's own address.
  const first = fields.SubnetMin === undefined
    ? start + size
    : boundary(fields.SubnetMin, network, length_bits);
  const last = fields.SubnetMax === undefined
    ? start + sizeOf(outer_bits) - size
    : boundary(fields.SubnetMax, network, length_bits);
  if (first === undefined || last === undefined || first > last) {
    return wrong("no subnet begins at SubnetMin or SubnetMax");
  }
  const backend = readBackend(fields.Backend);
  if (typeof backend === "string") return wrong(backend);
  return { network: { network, length_bits, first, last, ...backend } };
}

/** What a new network is made of. */
export interface NewNetwork {
  readonly network: Prefix;
  readonly length_bits?: number | undefined;
  readonly backend: Backend;
  readonly port?: number | undefined;
}

/** The value of a new network's key. */
export function formatNetwork({ network, length_bits, backend, port }: NewNetwork): string {
  const portOf = backend === "udp"
    ? { Port: port ?? FLANNEL_UDP_PORT }
    : { ListenPort: port ?? WIREGUARD_PORT };
  return JSON.stringify({
    Network: formatPrefix(network),
    SubnetLen: length_bits ?? usualLength(network.length_bits),
    Backend: { Type: backend, ...portOf },
  });
}

/** Whether a subnet is one that a node of this network may take. */
export function isOfNetwork({ length_bits, first, last }: Network, subnet: Prefix): boolean {
  const at = toNumber(subnet.bytes);
  return subnet.version === 4 && subnet.length_bits === length_bits && at >= first && at <= last;
}

/** Free subnets that one is picked from: nodes that start together seldom pick the same. */
const PICKED_FROM = 100;

/**
 * A subnet that none of `taken` overlaps, picked by chance among the first free ones; undefined where
 * all are taken. `chance` is from 0 to below 1.
 */
export function pickSubnet(
  { length_bits, first, last }: Network,
  taken: (subnet: Prefix) => boolean,
  chance: () => number,
): Prefix | undefined {
  const free: Prefix[] = [];
  const size = sizeOf(length_bits);
  for (let at = first; at <= last && free.length < PICKED_FROM; at += size) {
    const subnet = prefixAt(at, length_bits);
    if (!taken(subnet)) free.push(subnet);
  }
  return free[Math.floor(chance() * free.length)];
}
