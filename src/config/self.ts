/** Which node of the config this machine is. Pure: addresses are handed in. */

import { UsageError } from "../base/errors.ts";
import { type Address, formatAddress, parseAddress } from "../net/prefix.ts";
import { nearest } from "../base/text.ts";
import { INLINE_NODE, INLINE_SOURCE } from "./inline.ts";
import {
  type Config,
  type Endpoint,
  type LoadedConfig,
  NO_HOST,
  type NodeConfig,
} from "./types.ts";
import { equalBytes } from "../wire/keys.ts";
import { quote, readHostPort } from "./values.ts";

/** Nodes that an error lists. */
const LISTED_MAX = 16;

/** What the machine knows about itself and about the nodes' names. */
export interface LocalView {
  /** Addresses of the local interfaces, as text; a zone id (`%eth0`) is ignored. */
  readonly addresses: readonly string[];
  /** Host names of nodes (see `hostNames`) to their addresses; names that resolve to none may lack. */
  readonly hosts: ReadonlyMap<string, readonly string[]>;
  /** The public key of this machine's private key, where it has one that may be read. */
  readonly publicKey?: Uint8Array | undefined;
}

/** Hosts of the config that are names: to be resolved before `findSelf`. */
export function hostNames(config: Config): readonly string[] {
  const names = config.nodes.map((node) => node.endpoint.host)
    .filter((host) => host !== NO_HOST && parseAddress(host) === undefined);
  return [...new Set(names)];
}

function list(nodes: readonly NodeConfig[]): string {
  const shown = nodes.slice(0, LISTED_MAX).map(({ name, endpoint: { host } }) =>
    host === NO_HOST ? name : `${name} ${host}`
  );
  const rest = nodes.length - shown.length;
  return shown.join(", ") + (rest > 0 ? ` and ${rest} more` : "");
}

/** The node of this name. Throws a UsageError, which `flag` begins, where there is none. */
export function nodeByName(config: Config, name: string, flag = ""): NodeConfig {
  const node = config.nodes.find((one) => one.name === name);
  if (node) return node;
  const near = nearest(name, config.nodes.map((one) => one.name));
  throw new UsageError({
    what: `${flag}${quote(name)} is no node`,
    why: near ? `did you mean ${quote(near)}?` : `nodes: ${list(config.nodes)}`,
    how: "the name of a node",
  });
}

/** All of 127.0.0.0/8 is this machine, although interfaces show one address of it only. */
function isLoopback({ version, bytes }: Address): boolean {
  return version === 4 && bytes[0] === 127;
}

/** The node whose key this machine has; or else the nodes whose address is on it. */
export function localNodes(config: Config, view: LocalView): readonly NodeConfig[] {
  const { publicKey } = view;
  const keyed = publicKey &&
    config.nodes.find(({ keys }) => keys && equalBytes(keys.publicKey, publicKey));
  if (keyed) return [keyed];
  const canonical = (text: string): Address | undefined => parseAddress(text.replace(/%.*$/s, ""));
  const local = new Set(
    view.addresses.map(canonical).filter((one) => one !== undefined)
      .map(({ bytes }) => formatAddress(bytes)),
  );
  return config.nodes.filter(({ endpoint }) => {
    if (endpoint.host === NO_HOST) return false;
    const addresses = view.hosts.get(endpoint.host) ?? [endpoint.host];
    return addresses.map(canonical).some((address) =>
      address !== undefined && (isLoopback(address) || local.has(formatAddress(address.bytes)))
    );
  });
}

/**
 * The node that this machine is: the one that --node names, the own node of
 * inline peers, else the only one whose address is on a local interface. It is
 * one of `config.nodes` itself. Throws UsageError when none or several match.
 */
export function findSelf(loaded: LoadedConfig, view: LocalView, node?: string): NodeConfig {
  const { config } = loaded;
  if (node !== undefined) return nodeByName(config, node, "--node ");
  if (loaded.source === INLINE_SOURCE) return nodeByName(config, INLINE_NODE);
  const found = localNodes(config, view);
  if (found.length === 1) return found[0]!;
  throw new UsageError({
    what: "cannot tell which node this is",
    why: found.length === 0
      ? `no node's address is on a local interface; nodes: ${list(config.nodes)}`
      : `several nodes have local addresses: ${list(found)}`,
    how: `--node ${(found[0] ?? config.nodes[0])?.name ?? "NAME"}`,
  });
}

/**
 * Where the own socket is bound: at --listen, else at the node's own endpoint, or at all addresses
 * of the IP version that the other nodes have. Throws UsageError.
 */
export function listenEndpoint(config: Config, self: NodeConfig, listen?: string): Endpoint {
  if (listen === undefined) {
    const { host, port } = self.endpoint;
    if (host !== NO_HOST) return self.endpoint;
    const ipv6 = config.nodes.some(({ endpoint }) => endpoint.host.includes(":"));
    return { host: ipv6 ? "::" : "0.0.0.0", port };
  }
  const result = readHostPort(listen, "bind");
  if (result.problem) {
    throw new UsageError({ ...result.problem, what: `--listen: ${result.problem.what}` });
  }
  return { host: result.value.host, port: result.value.port ?? self.endpoint.port };
}

/** Like `findSelf`, but undefined when none or several match: for commands that only look. */
export function findSelfIfAny(
  loaded: LoadedConfig,
  view: LocalView,
  node?: string,
): NodeConfig | undefined {
  if (node !== undefined || loaded.source === INLINE_SOURCE) return findSelf(loaded, view, node);
  const found = localNodes(loaded.config, view);
  return found.length === 1 ? found[0] : undefined;
}
