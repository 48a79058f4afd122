/** `tunnet etcd`: the network's configuration and its members, as they are in etcd. */

import { EXIT, RunError, UsageError } from "../base/errors.ts";
import { systemTime } from "../base/time.ts";
import { formatAddress, formatPrefix, parseAddress } from "../net/prefix.ts";
import { etcdAccess } from "../node/etcd_access.ts";
import { EtcdClient } from "../peers/source/etcd/client.ts";
import { type Entry, Members } from "../peers/source/etcd/members.ts";
import { formatNetwork, NETWORK_KEY_END, readNetwork } from "../peers/source/etcd/network.ts";
import { parseKeyEnd, readRecord, type Refusal } from "../peers/source/etcd/records.ts";
import { entryOf, subnetsBase } from "../peers/source/etcd/source.ts";
import { KEY_BYTES } from "../wire/keys.ts";
import type { EtcdConfig } from "../config/etcd.ts";
import type { Options } from "./commands.ts";
import { loadHere } from "./here.ts";
import { complain, jsonText, say, table } from "./output.ts";

/** Leases that are asked for at a time. */
const ASKED_AT_A_TIME = 16;

/** One record, for people and programs. */
interface Listed {
  readonly subnet: string;
  readonly address: string | null;
  readonly backend: string | null;
  /** How long its lease has; null: it has none. */
  readonly lease_seconds: number | null;
  readonly left_out: Refusal | null;
}

/** Writes the network's configuration, unless there is another. */
async function init(
  client: EtcdClient,
  { prefix }: EtcdConfig,
  { network, length_bits, backend, port }: Options["etcd"],
): Promise<number> {
  if (!network) {
    throw new UsageError({ what: "etcd init needs a network", how: "--network 10.244.0.0/16" });
  }
  const value = formatNetwork({ network, length_bits, backend: backend ?? "udp", port });
  const { problem } = readNetwork(value);
  if (problem) {
    throw new UsageError({ what: `--network: ${formatPrefix(network)}`, why: problem.why! });
  }
  const key = `${prefix}/${NETWORK_KEY_END}`;
  if (await client.write({ key, value, lease: "0", modified_revision: 0 }) > 0) {
    say(`${key} ${value}\n`);
    return 0;
  }
  const found = (await client.list(key)).keys.find((one) => one.key === key)?.value;
  if (found === value) {
    say(`${key} ${value}\n`);
    complain("tunnet: it was there already\n");
    return 0;
  }
  throw new RunError({
    what: `etcd at ${client.endpoint} has another network already`,
    why: `${key} is ${found?.slice(0, 200)}`,
    how: `etcdctl del ${key}, once no node uses it`,
  });
}

async function leaseSeconds(client: EtcdClient, { lease }: Entry): Promise<number | null> {
  return lease === "0" ? null : Math.max(0, await client.timeLeft(lease));
}

/** Lists the records with their leases. */
async function list(client: EtcdClient, { prefix }: EtcdConfig, json: boolean): Promise<number> {
  const base = subnetsBase(prefix);
  const { revision, keys } = await client.list(`${prefix}/`);
  const text = keys.find(({ key }) => key === `${prefix}/${NETWORK_KEY_END}`)?.value ?? "";
  const { network } = readNetwork(text);
  const entries = keys.filter(({ key }) => key.startsWith(base)).map((kv) => entryOf(base, kv));
  const members = network && new Members({
    network,
    ownAddress: parseAddress("0.0.0.0")!,
    ownKey: network.backend === "wireguard" ? new Uint8Array(KEY_BYTES) : undefined,
    allowPlain: false,
    fixed: [],
  });
  members?.replace(entries);
  const rows: Listed[] = [];
  for (let at = 0; at < entries.length; at += ASKED_AT_A_TIME) {
    const some = entries.slice(at, at + ASKED_AT_A_TIME);
    rows.push(
      ...await Promise.all(some.map(async (entry): Promise<Listed> => {
        const subnet = parseKeyEnd(entry.end);
        const { record } = readRecord(entry.end, entry.value);
        return {
          subnet: subnet ? formatPrefix(subnet) : JSON.stringify(entry.end.slice(0, 60)),
          address: record ? formatAddress(record.address.bytes) : null,
          backend: record?.backend ?? null,
          lease_seconds: await leaseSeconds(client, entry),
          left_out: members?.refusalOf(entry) ?? null,
        };
      })),
    );
  }
  if (json) {
    const config = network && {
      network: formatPrefix(network.network),
      subnet_length: network.length_bits,
      backend: network.backend,
      port: network.port,
    };
    say(jsonText({ endpoint: client.endpoint, revision, config: config ?? null, members: rows }));
    return network ? 0 : EXIT.failed;
  }
  const head = network
    ? `network ${formatPrefix(network.network)}, subnets of /${network.length_bits}, backend ` +
      `${network.backend}, port ${network.port}`
    : "no network that can be used: tunnet etcd init --network CIDR";
  say(
    `${client.endpoint}: revision ${revision}\n${head}\n\n` +
      table([
        ["SUBNET", "ADDRESS", "BACKEND", "LEASE", ""],
        ...rows.map(({ subnet, address, backend, lease_seconds, left_out }) => [
          ...[subnet, address ?? "-", backend ?? "-"],
          lease_seconds === null ? "none" : `${lease_seconds} s`,
          left_out ? `left out: ${left_out}` : "",
        ]),
      ]),
  );
  return network ? 0 : EXIT.failed;
}

/** Runs it; the exit status. Throws the errors of errors.ts. */
export async function runEtcd(options: Options["etcd"]): Promise<number> {
  const { action, endpoints, config: file } = options;
  const { loaded: { config: { etcd } } } = await loadHere({ config: file, etcd: endpoints });
  if (!etcd) {
    const why = "the config names none";
    throw new UsageError({ what: "no etcd to ask", why, how: "--etcd URL" });
  }
  const client = new EtcdClient(etcdAccess(etcd), systemTime);
  return action === "init"
    ? await init(client, etcd, options)
    : await list(client, etcd, options.json);
}
