/** Checks that concern more than one value, and the frozen Config that passes them. Pure. */

import {
  DEFAULT_DEVICE,
  DEFAULT_PORT,
  ETCD_LEASE_MS,
  ETCD_PREFIX,
  MTU_IPV6_MIN_BYTES,
  UDP_PAYLOAD_MAX_BYTES,
} from "../base/limits.ts";
import {
  type Address,
  addressBits,
  formatAddress,
  formatEndpoint,
  formatPrefix,
  type IpVersion,
  maskBytes,
  parsePrefix,
  type Prefix,
  prefixContains,
  prefixCovers,
} from "../net/prefix.ts";
import type { Draft, DraftNode, DraftPrefix } from "./draft.ts";
import { nearest } from "../base/text.ts";
import type { Problems } from "./problems.ts";
import { checkKeys, keysOf, nodeKeysOf } from "./keys.ts";
import { checkMacs, warnUnusedInTap, warnUnusedInTun } from "./tap.ts";
import { type Config, NO_HOST, type NodeConfig } from "./types.ts";
import type { Mode } from "../wire/mode.ts";
import { quote } from "./values.ts";

/** Values of the command line that take the place of the config's. */
export interface Overrides {
  /** For nodes whose address names no port. */
  readonly port?: number;
  readonly device?: string;
  readonly mtu_bytes?: number | "auto";
  readonly mode?: Mode;
  /** Members of etcd, by their URLs. */
  readonly etcd?: readonly string[];
}

function checkNames(draft: Draft, problems: Problems): void {
  const seen = new Map<string, number>();
  for (const [i, node] of draft.nodes.entries()) {
    if (node.name === undefined) continue;
    const first = seen.get(node.name);
    if (first === undefined) seen.set(node.name, i);
    else {
      problems.add(`${node.path}.name`, {
        what: `${quote(node.name)} is used twice`,
        why: `node number ${first + 1} has it too`,
        how: "a name of its own for each node",
      });
    }
  }
  if (draft.defaultNode === undefined || seen.has(draft.defaultNode)) return;
  const near = nearest(draft.defaultNode, [...seen.keys()]);
  problems.add("default", {
    what: `${quote(draft.defaultNode)} is no node`,
    why: near ? `did you mean ${quote(near)}?` : undefined,
    how: "the name of a node",
  });
}

function checkEndpoints(draft: Draft, port: number, problems: Problems): void {
  const seen = new Map<string, DraftNode>();
  let literal: { version: IpVersion; path: string } | undefined;
  for (const node of draft.nodes) {
    if (node.hostPort === undefined) continue;
    const { host, address } = node.hostPort;
    const endpoint = formatEndpoint(host, node.hostPort.port ?? port);
    const first = seen.get(endpoint);
    if (first === undefined) seen.set(endpoint, node);
    else {
      problems.add(node.addressPath, {
        what: `${endpoint} is used twice`,
        why: `also ${problems.where(first.addressPath)}`,
        how: "an address or a port of its own for each node",
      });
    }
    if (address === undefined) continue;
    literal ??= { version: address.version, path: node.addressPath };
    if (address.version !== literal.version) {
      problems.add(node.addressPath, {
        what: `${host} is an IPv${address.version} address`,
        why: `${
          problems.where(literal.path)
        } is IPv${literal.version}, and one overlay runs over one of them`,
        how: "addresses of one IP version for all nodes",
      });
    }
  }
}

/**
 * Addresses that nobody needs to reach elsewhere: RFC 1918, RFC 6598, RFC 4193, benchmarks (RFC
 * 2544) and documentation (RFC 5737, RFC 3849, RFC 9637).
 */
const NOT_PUBLIC = [
  "10.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "100.64.0.0/10",
  "fc00::/7",
  "198.18.0.0/15",
  "192.0.2.0/24",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "2001:db8::/32",
  "3fff::/20",
].map((text) => parsePrefix(text)!.prefix);

function warnOfPublic({ networks }: Draft, problems: Problems): void {
  for (const { prefix, path } of networks) {
    if (NOT_PUBLIC.some((range) => prefixCovers(range, prefix))) continue;
    const example = prefix.version === 4 ? "10.244.0.0/16" : "fd00:244::/48";
    problems.warn(
      path,
      `${formatPrefix(prefix)} holds public addresses, and this host reaches none of them while ` +
        `tunnet runs; a private network such as ${example} takes nothing away`,
    );
  }
}

function checkNetworks(draft: Draft, problems: Problems): void {
  const byVersion = new Map<IpVersion, DraftPrefix>();
  for (const network of draft.networks) {
    const { version } = network.prefix;
    const first = byVersion.get(version);
    if (first === undefined) byVersion.set(version, network);
    else {
      problems.add(network.path, {
        what: `${formatPrefix(network.prefix)} is a second IPv${version} network`,
        why: `the first is ${formatPrefix(first.prefix)}`,
        how: "one prefix that covers both, or no network at all",
      });
    }
  }
  for (const node of draft.nodes) {
    for (const { prefix, path } of node.subnets) {
      const network = byVersion.get(prefix.version);
      if (network === undefined || prefixCovers(network.prefix, prefix)) continue;
      problems.add(path, {
        what: `${formatPrefix(prefix)} is outside the network`,
        why: `which is ${formatPrefix(network.prefix)}`,
        how: "a wider network, or none",
      });
    }
    const address = node.hostPort?.address;
    const around = draft.networks.find(({ prefix }) => address && prefixContains(prefix, address));
    if (address && around) {
      problems.warn(
        node.addressPath,
        `${formatAddress(address.bytes)} lies in the network ${formatPrefix(around.prefix)}: ` +
          "no pod can have it, and the other nodes keep the way to it outside by a host route",
      );
    }
  }
}

/** A subnet and the node that it belongs to. */
interface PlacedSubnet extends DraftPrefix {
  readonly node: DraftNode;
}

/**
 * The narrowest of the subnets, keyed by their text, that holds the address. It is looked up once
 * for each prefix length in use, the longest first: thousands of subnets have few lengths.
 */
function narrowestAround(
  address: Address,
  subnets: ReadonlyMap<string, PlacedSubnet>,
  lengths_bits: readonly number[],
): PlacedSubnet | undefined {
  const { version, bytes } = address;
  for (const length_bits of lengths_bits) {
    if (length_bits > addressBits(version)) continue;
    const around = { version, bytes: maskBytes(bytes, length_bits), length_bits };
    const subnet = subnets.get(formatPrefix(around));
    if (subnet) return subnet;
  }
  return undefined;
}

function checkSubnets(draft: Draft, problems: Problems): void {
  const subnets = new Map<string, PlacedSubnet>();
  for (const node of draft.nodes) {
    for (const { prefix, path } of node.subnets) {
      const text = formatPrefix(prefix);
      const first = subnets.get(text);
      if (first === undefined) subnets.set(text, { prefix, path, node });
      else {
        problems.add(path, {
          what: `${text} is used twice`,
          why: `also in ${problems.where(first.path)}`,
          how: "each subnet at one node only",
        });
      }
    }
  }
  const lengths_bits = [...new Set([...subnets.values()].map(({ prefix }) => prefix.length_bits))]
    .sort((a, b) => b - a);
  for (const node of draft.nodes) {
    const address = node.hostPort?.address;
    const inside = address && narrowestAround(address, subnets, lengths_bits);
    if (!address || !inside) continue;
    problems.add(node.addressPath, {
      what: `${formatAddress(address.bytes)} lies in the pod subnet ${formatPrefix(inside.prefix)}`,
      why: `of ${problems.where(inside.node.path)}; packets between nodes would go into the tunnel`,
      how: "node addresses outside all pod subnets",
    });
  }
}

function checkMtu(
  draft: Draft,
  mtu_bytes: number | "auto",
  path: string,
  problems: Problems,
): void {
  if (mtu_bytes === "auto") return;
  const ipv6 = draft.nodes.flatMap((node) => node.subnets)
    .find(({ prefix }) => prefix.version === 6);
  if (mtu_bytes < MTU_IPV6_MIN_BYTES && ipv6 !== undefined) {
    problems.add(path, {
      what: `${mtu_bytes} is too small for IPv6 pods`,
      why: `such as ${formatPrefix(ipv6.prefix)}: IPv6 needs ${MTU_IPV6_MIN_BYTES}`,
      how: `${MTU_IPV6_MIN_BYTES} or more, or auto`,
    });
  }
  if (mtu_bytes > UDP_PAYLOAD_MAX_BYTES) {
    problems.warn(
      path,
      `packets over ${UDP_PAYLOAD_MAX_BYTES} bytes do not fit in a UDP datagram and are dropped`,
    );
  }
}

/** What has to be said of etcd, and what must not be said beside it. */
function checkEtcd(
  draft: Draft,
  { etcd: endpoints }: Overrides,
  mode: Mode,
  problems: Problems,
): void {
  const { etcd } = draft;
  if (!etcd && !endpoints) return;
  if (!endpoints && !etcd?.endpoints?.length) {
    problems.add("etcd", { what: "no endpoints", how: "endpoints: [http://10.0.0.5:2379]" });
  }
  if (mode === "tap") {
    const why = "etcd has a subnet for each node, and frames are switched";
    problems.add("etcd", { what: "not in mode tap", why, how: "mode: tun" });
  }
  if (draft.networks.length > 0) {
    const why = "with etcd, the network is the one that is in there";
    problems.add("network", { what: "not beside etcd", why, how: "no network in the config" });
  }
  for (const [one, other] of [["certFile", "keyFile"], ["keyFile", "certFile"]] as const) {
    if (!etcd?.[one] || etcd[other]) continue;
    const name = { certFile: "cert_file", keyFile: "key_file" };
    problems.add("etcd", { what: `${name[one]} without ${name[other]}`, how: "both, or none" });
  }
  if ((etcd?.username === undefined) !== (etcd?.passwordFile === undefined)) {
    problems.add("etcd", {
      what: "username and password_file go together",
      how: "both, or none",
    });
  }
}

/** What is known of etcd. */
function etcdOf(
  { etcd, privateKeyFile, allowPlain }: Draft,
  overrides: Overrides,
): Pick<Config, "etcd"> {
  if (!etcd && !overrides.etcd) return {};
  return {
    etcd: Object.freeze({
      ...etcd,
      endpoints: overrides.etcd ?? etcd!.endpoints!,
      prefix: etcd?.prefix ?? ETCD_PREFIX,
      lease_ms: etcd?.lease_ms ?? ETCD_LEASE_MS,
      privateKeyFile,
      allowPlain: allowPlain ?? false,
    }),
  };
}

const freezePrefix = (prefix: Prefix): Prefix => Object.freeze({ ...prefix });

/**
 * Checks the draft as a whole and makes the Config. Throws ConfigError with all
 * problems, those noted before included. Bytes of prefixes cannot be frozen in
 * JavaScript: they are readonly by type and by custom.
 */
export function assemble(draft: Draft, overrides: Overrides, problems: Problems): Config {
  const port = overrides.port ?? draft.port ?? DEFAULT_PORT;
  const mtu_bytes = overrides.mtu_bytes ?? draft.mtu_bytes ?? "auto";
  const mode = overrides.mode ?? draft.mode ?? "tun";
  checkNames(draft, problems);
  checkEndpoints(draft, port, problems);
  checkMacs(draft, problems);
  checkKeys(draft, mode, problems);
  checkEtcd(draft, overrides, mode, problems);
  if (mode === "tun") warnUnusedInTun(draft, problems);
  // Frames are switched, wherever their packets go: networks and subnets do not matter.
  checkNetworks(mode === "tap" ? { ...draft, nodes: [] } : draft, problems);
  if (mode === "tun") {
    warnOfPublic(draft, problems);
    checkSubnets(draft, problems);
  } else warnUnusedInTap(draft, problems);
  checkMtu(draft, mtu_bytes, overrides.mtu_bytes === undefined ? "mtu" : "--mtu", problems);
  problems.throwIfAny();
  const nodes = draft.nodes.map((node): NodeConfig => {
    const { name, hostPort, subnets, macs, accept } = node;
    return Object.freeze({
      name: name!,
      endpoint: Object.freeze({ host: hostPort?.host ?? NO_HOST, port: hostPort?.port ?? port }),
      subnets: Object.freeze(
        mode === "tap" ? [] : subnets.map(({ prefix }) => freezePrefix(prefix)),
      ),
      ...(accept.length === 0 || mode === "tap"
        ? {}
        : { accept: Object.freeze(accept.map(({ prefix }) => freezePrefix(prefix))) }),
      ...(macs.length === 0 ? {} : { macs: Object.freeze(macs.map(({ mac }) => mac)) }),
      ...nodeKeysOf(node),
    });
  });
  return Object.freeze({
    networks: Object.freeze(draft.networks.map(({ prefix }) => freezePrefix(prefix))),
    port,
    device: overrides.device ?? draft.device ?? DEFAULT_DEVICE,
    mode,
    ...(draft.bridge === undefined || mode === "tun" ? {} : { bridge: draft.bridge }),
    mtu_bytes,
    nodes: Object.freeze(nodes),
    ...(draft.defaultNode === undefined || mode === "tap"
      ? {}
      : { defaultNode: draft.defaultNode }),
    ...(draft.service === undefined ? {} : { service: Object.freeze(draft.service) }),
    ...keysOf(draft),
    ...etcdOf(draft, overrides),
  });
}
