/** Asks etcd what a start would ask, and changes nothing there. */

import { ConfigError, type ErrorParts, RunError } from "../../../base/errors.ts";
import { PRIVATE_KEY_FILE } from "../../../base/limits.ts";
import { systemTime } from "../../../base/time.ts";
import type { EtcdConfig } from "../../../config/etcd.ts";
import type { Config, LoadedConfig, NodeConfig } from "../../../config/types.ts";
import { type Address, formatAddress, formatPrefix, type Prefix } from "../../../net/prefix.ts";
import { etcdAccess } from "../../../node/etcd_access.ts";
import { ownAddressOf } from "../../../node/join.ts";
import { type EtcdAccess, EtcdClient } from "../../../peers/source/etcd/client.ts";
import { EtcdError } from "../../../peers/source/etcd/errors.ts";
import { Members } from "../../../peers/source/etcd/members.ts";
import { type Network, NETWORK_KEY_END, readNetwork } from "../../../peers/source/etcd/network.ts";
import { parseKeyEnd } from "../../../peers/source/etcd/records.ts";
import { entryOf, subnetsBase } from "../../../peers/source/etcd/source.ts";
import type { EtcdFacts } from "../facts.ts";
import { readKeyFiles } from "./keys.ts";

/** What this node would be, and what etcd says. */
export interface EtcdLook {
  readonly loaded: LoadedConfig;
  readonly self: NodeConfig;
  readonly facts: EtcdFacts;
}

async function lookAtMember(
  access: EtcdAccess,
  endpoint: string,
): Promise<EtcdFacts["members"][number]> {
  const client = new EtcdClient({ ...access, endpoints: [endpoint] }, systemTime);
  try {
    const { hasLeader, db_bytes, clock_ms } = await client.status(endpoint);
    const ahead_ms = clock_ms === undefined ? undefined : clock_ms - Date.now();
    return { endpoint, hasLeader, db_bytes, ahead_ms };
  } catch (error) {
    if (!(error instanceof EtcdError)) throw error;
    return { endpoint, problem: error.parts };
  }
}

/** The network, or why it cannot be used, and the records. */
async function lookAtKeys(client: EtcdClient, { prefix, endpoints }: EtcdConfig) {
  const base = subnetsBase(prefix);
  const { keys } = await client.list(`${prefix}/`);
  const text = keys.find(({ key }) => key === `${prefix}/${NETWORK_KEY_END}`)?.value;
  const entries = keys.filter(({ key }) => key.startsWith(base)).map((kv) => entryOf(base, kv));
  if (text !== undefined) return { ...readNetwork(text), entries };
  const how = `tunnet etcd init --etcd ${endpoints[0]} --network CIDR`;
  const problem = { what: "etcd has no network", why: `no key ${prefix}/${NETWORK_KEY_END}`, how };
  return { problem, network: undefined, entries };
}

/** The node that this one is there. */
function selfOf(
  address: Address,
  port: number,
  subnet: Prefix | undefined,
  publicKey: Uint8Array | undefined,
): NodeConfig {
  const host = formatAddress(address.bytes);
  return {
    name: host,
    endpoint: { host, port },
    subnets: subnet ? [subnet] : [],
    ...(publicKey ? { keys: { publicKey, wireguard: false, keepalive_ms: 0 } } : {}),
  };
}

/** What the config says of keys, where this network or its config wants them. */
function keysOf(
  { privateKeyFile, allowPlain }: EtcdConfig,
  network: Network | undefined,
  file: string | undefined,
): Config["keys"] {
  const named = file ?? privateKeyFile;
  if (named === undefined && network?.backend !== "wireguard") return undefined;
  return { privateKeyFile: named ?? PRIVATE_KEY_FILE, allowPlain };
}

/** Looks. Throws a ConfigError for files that the config names, or a RunError without an address. */
export async function lookAtEtcd(
  loaded: LoadedConfig,
  etcd: EtcdConfig,
  privateKeyFile: string | undefined,
): Promise<EtcdLook> {
  const address = await ownAddressOf({ etcd, listen: undefined });
  const access = etcdAccess(etcd);
  const client = new EtcdClient(access, systemTime);
  const members = await Promise.all(etcd.endpoints.map((one) => lookAtMember(access, one)));
  let problem: ErrorParts | undefined;
  let found: Awaited<ReturnType<typeof lookAtKeys>> | undefined;
  try {
    found = await lookAtKeys(client, etcd);
    problem = found.problem;
  } catch (error) {
    if (!(error instanceof RunError || error instanceof ConfigError)) throw error;
    problem = error instanceof RunError ? error.parts : error.problems[0];
  }
  const network = found?.network;
  const keys = loaded.config.keys ?? keysOf(etcd, network, privateKeyFile);
  const { etcd: _, ...config } = loaded.config;
  const port = network?.port ?? config.port;
  const withKeys = { ...config, ...(keys ? { keys } : {}), port };
  const bare = selfOf(address, port, undefined, undefined);
  const ownKey = readKeyFiles(withKeys, bare, privateKeyFile)[0]?.publicKey;
  const table = network &&
    new Members({
      ...{ network, ownKey, ownAddress: address, allowPlain: etcd.allowPlain },
      fixed: config.nodes,
    });
  table?.replace(found?.entries ?? []);
  const own = table?.own();
  const subnet = own && parseKeyEnd(own.end);
  table?.claim(subnet);
  table?.take();
  const self = selfOf(address, port, subnet, ownKey);
  const nodes = [self, ...table?.nodes() ?? config.nodes];
  const networks = network ? [network.network] : [];
  return {
    loaded: { ...loaded, config: { ...withKeys, etcd, networks, nodes } },
    self,
    facts: {
      members,
      problem,
      records: found?.entries.length ?? 0,
      own: subnet && formatPrefix(subnet),
    },
  };
}
