/** Joins the network that is in etcd: who this node is then, its subnet, and the others. */

import { ConfigError, RunError, UsageError } from "../base/errors.ts";
import { PRIVATE_KEY_FILE } from "../base/limits.ts";
import type { Log } from "../base/log.ts";
import type { Time } from "../base/time.ts";
import type { EtcdConfig } from "../config/etcd.ts";
import type { Config, LoadedConfig, NodeConfig } from "../config/types.ts";
import { readHostPort } from "../config/values.ts";
import { openRtnetlink } from "../host/netlink/linux.ts";
import { netnsName } from "../host/netns.ts";
import { replaceFile } from "../host/replace_file.ts";
import { type Address, formatPrefix, parseAddress, type Prefix } from "../net/prefix.ts";
import { EtcdClient } from "../peers/source/etcd/client.ts";
import { EtcdError } from "../peers/source/etcd/errors.ts";
import { formatKept, parseKept } from "../peers/source/etcd/kept.ts";
import { Members } from "../peers/source/etcd/members.ts";
import { type Network, NETWORK_KEY_END, readNetwork } from "../peers/source/etcd/network.ts";
import { EtcdSource, type EtcdSourceParts, type Kept } from "../peers/source/etcd/source.ts";
import { resolveHost } from "../peers/resolve.ts";
import { etcdAccess } from "./etcd_access.ts";

/** What joining takes besides the config. */
export interface JoinOptions {
  readonly loaded: LoadedConfig;
  readonly etcd: EtcdConfig;
  /** HOST[:PORT]: the address that the others are told. */
  readonly listen: string | undefined;
  /** No other subnet will do. */
  readonly subnet: Prefix | undefined;
  readonly stateDir: string;
  /** The public key of a private key's file; asked for where nodes have keys. */
  readonly publicKeyOf: (file: string) => Uint8Array;
  /** The file in place of the one that the config names. */
  readonly privateKeyFile: string | undefined;
  readonly log: Log;
  readonly time: Time;
}

/** A node that has joined. */
export interface Joined {
  readonly loaded: LoadedConfig;
  readonly self: NodeConfig;
  readonly source: EtcdSource;
  readonly network: Prefix;
}

/** An address that no host has: where the default route leads. */
const ELSEWHERE = parseAddress("192.0.2.1")!;

const isLoopback = ({ bytes }: Address): boolean => bytes[0] === 127;

/** The address by which the other nodes reach this one. Throws a UsageError or a RunError. */
export async function ownAddressOf(
  { listen, etcd }: Pick<JoinOptions, "listen" | "etcd">,
): Promise<Address> {
  if (listen !== undefined) {
    const result = readHostPort(listen);
    const [address] = result.problem ? [] : await resolveHost(result.value.host);
    if (address?.version === 4 && !isLoopback(address)) return address;
    const why = "with etcd, it is what the other nodes are told";
    throw new UsageError({ what: `--listen ${listen}`, why, how: "an IPv4 address of this node" });
  }
  const hosts = etcd.endpoints.map((url) => new URL(url).hostname.replace(/^\[|\]$/g, ""));
  const servers = (await Promise.all(hosts.map(resolveHost))).flat();
  using rt = openRtnetlink();
  for (const to of [...servers, ELSEWHERE]) {
    const source = to.version === 4 ? rt.routeTo(to)?.source : undefined;
    if (source && !isLoopback(source)) return source;
  }
  throw new RunError({
    what: "cannot tell by which address the other nodes reach this one",
    why: "no route leads to etcd or elsewhere",
    how: "--listen ADDRESS",
  });
}

/** Where the last members are kept. */
function keptPath(stateDir: string, device: string): string {
  const netns = netnsName();
  return `${stateDir}/etcd-${device}${netns === undefined ? "" : `:${netns}`}.json`;
}

function readFile(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    // The first start, or nothing that can be read.
    return undefined;
  }
}

/** The network's configuration in etcd. Throws an EtcdError or a ConfigError. */
async function askNetwork(client: EtcdClient, prefix: string): Promise<string> {
  const key = `${prefix}/${NETWORK_KEY_END}`;
  const { keys } = await client.list(key);
  const found = keys.find((one) => one.key === key);
  if (found) return found.value;
  throw new EtcdError("refused", {
    what: `etcd at ${client.endpoint} has no network`,
    why: `there is no key ${key}`,
    how: "tunnet etcd init --network CIDR",
  });
}

/** What a network's configuration means. Throws a ConfigError. */
function networkOf(text: string): Network {
  const { network, problem } = readNetwork(text);
  if (!network) throw new ConfigError([problem]);
  if (!network.hasPresharedKey) return network;
  const why = "tunnet takes none from etcd";
  throw new ConfigError([{ what: "etcd: the network has a preshared key (PSK)", why }]);
}

/** This node's public key; undefined where nothing is sealed. Throws a ConfigError. */
function ownKeyOf(
  { loaded, etcd, privateKeyFile, publicKeyOf }: JoinOptions,
  { backend }: Network,
): { readonly file: string; readonly publicKey: Uint8Array } | undefined {
  const named = privateKeyFile ?? etcd.privateKeyFile ?? loaded.config.keys?.privateKeyFile;
  // Whoever names a key, or nodes with keys, wants nothing in the clear, whatever is in etcd.
  if (named === undefined && backend !== "wireguard") return undefined;
  const file = named ?? PRIVATE_KEY_FILE;
  return { file, publicKey: publicKeyOf(file) };
}

/** Joins; by what was kept, where etcd is away. Throws a RunError, a ConfigError or a UsageError. */
export async function joinEtcd(options: JoinOptions): Promise<Joined> {
  const { loaded, etcd, subnet, stateDir, log, time } = options;
  const { config } = loaded;
  const { prefix } = etcd;
  const address = await ownAddressOf(options);
  const client = new EtcdClient(etcdAccess(etcd), time);
  const path = keptPath(stateDir, config.device);
  const text = readFile(path);
  const kept = text === undefined ? undefined : parseKept({ prefix, address }, text);
  const answer = await askNetwork(client, prefix).catch(orKept(kept));
  const value = typeof answer === "string" ? answer : kept!.network;
  const network = networkOf(value);
  const key = ownKeyOf(options, network);
  const members = new Members({
    network,
    ownAddress: address,
    ownKey: key?.publicKey,
    allowPlain: etcd.allowPlain,
    fixed: config.nodes.map((node) => Object.freeze(node)),
  });
  const keys = key && { privateKeyFile: key.file, allowPlain: etcd.allowPlain };
  const common: Config = {
    ...config,
    networks: [network.network],
    port: network.port,
    ...(keys ? { keys } : {}),
  };
  let trouble = "";
  const parts: EtcdSourceParts = {
    ...{ etcd: client, prefix, members, network: value, config: common, log, time },
    ttl_ms: etcd.lease_ms,
    wanted: subnet,
    remembered: kept?.subnet,
    chance: Math.random,
    save: (now) => {
      try {
        replaceFile(path, formatKept({ prefix, address }, now), 0o600, 0o700);
        trouble = "";
      } catch (error) {
        if (!(error instanceof RunError)) throw error;
        // A full disk stays full: told once.
        if (error.message !== trouble) log.warn("etcd_state", error.message);
        trouble = error.message;
      }
    },
  };
  const joined = answer instanceof EtcdError
    ? answer
    : await EtcdSource.join(parts).catch(orKept(kept));
  const source = joined instanceof EtcdError
    ? EtcdSource.restore(parts, kept!, joined.message)
    : joined;
  if (joined instanceof EtcdError) {
    const subnetText = formatPrefix(source.overlay.self.subnets[0]!);
    log.warn(
      "etcd_away",
      `${joined.message}: starting with ${subnetText} and the members of ${path}`,
    );
  }
  const { config: overlay, self } = source.overlay;
  const { endpoints } = etcd;
  return {
    loaded: { ...loaded, config: overlay, source: `${loaded.source}, ${endpoints.join(",")}` },
    self,
    source,
    network: network.network,
  };
}

/** Where there is something to go by, a failure is no end. What etcd refuses is one. */
function orKept(kept: Kept | undefined) {
  return (error: unknown): EtcdError => {
    const isAway = error instanceof EtcdError && error.failure !== "refused";
    if (isAway && kept) return error;
    throw error;
  };
}
