/** Gathers the facts about this host. Reads and asks; changes nothing. */

import type { Config, LoadedConfig, NodeConfig } from "../../../config/types.ts";
import { RunError } from "../../../base/errors.ts";
import { DOCTOR_PEERS_MAX, MTU_MAX_BYTES } from "../../../base/limits.ts";
import type { Rtnetlink } from "../../../host/netlink/rtnetlink.ts";
import { openRtnetlink } from "../../../host/netlink/linux.ts";
import { netnsName } from "../../../host/netns.ts";
import { readSysctl } from "../../../host/sysctl.ts";
import { type Address, formatPrefix, type Prefix } from "../../../net/prefix.ts";
import { peersOf } from "../../../peers/plan.ts";
import { pickVersion } from "../../../peers/peer.ts";
import { resolveHost } from "../../../peers/resolve.ts";
import { askStatus, findSocket } from "../../../status/client.ts";
import type { EtcdFacts, Facts, LinkFacts, PeerFacts, Probe } from "../facts.ts";
import { probeAll, type ProbeTarget } from "../probing.ts";
import { frameOverhead, innerMtu } from "../rules/routes.ts";
import {
  BRIDGE_CALLS_IPTABLES,
  forwardingSetting,
  interfaceSetting,
  isRunning,
  podAddress,
} from "../view.ts";
import { readFirewall } from "./firewall.ts";
import { deviceHolders, portHolders } from "./holders.ts";
import { readKeyFiles } from "./keys.ts";
import { hasNetAdmin, tryTunDevice } from "./host.ts";
import { readService } from "./service.ts";
import { ProbeSockets } from "./sockets.ts";

/** Subnets whose way through the kernel is looked up; the table itself is read whole. */
const PATHS_MAX = 1_000;

function readLinks(rt: Rtnetlink): readonly LinkFacts[] {
  const addresses = rt.addresses();
  return rt.links().map((link) => ({
    ...link,
    addresses: addresses.filter(({ index }) => index === link.index),
  }));
}

function readSysctls(names: readonly string[]): ReadonlyMap<string, string> {
  const common = [forwardingSetting(4), forwardingSetting(6), BRIDGE_CALLS_IPTABLES];
  const settings = common.concat(
    names.flatMap((name) => [
      interfaceSetting(4, name, "forwarding"),
      interfaceSetting(4, name, "rp_filter"),
      interfaceSetting(6, name, "disable_ipv6"),
    ]),
  );
  const values = settings.map((setting) => [setting, readSysctl(setting)] as const);
  return new Map(values.filter((pair): pair is [string, string] => pair[1] !== undefined));
}

async function readPeers(
  rt: Rtnetlink,
  nodes: readonly NodeConfig[],
  version: 4 | 6 | undefined,
): Promise<readonly PeerFacts[]> {
  const why = `only the first ${DOCTOR_PEERS_MAX} nodes are asked`;
  return await Promise.all(nodes.map(async (node): Promise<PeerFacts> => {
    const addresses = await resolveHost(node.endpoint.host);
    const address = version === undefined ? addresses[0] : pickVersion(addresses, version);
    const path = address && rt.routeTo(address);
    return { node, address, path, probe: { kind: "not_asked", why } };
  }));
}

/** Asks the peers by hello, from the node's own port: peers answer nobody else. */
function probePeers(facts: Facts, own: Address): ReadonlyMap<PeerFacts, Probe> {
  const results = new Map<PeerFacts, Probe>();
  const targets: { peer: PeerFacts; target: ProbeTarget }[] = [];
  const { self, config } = facts;
  // What is measured is datagrams; what is told is packets.
  const frame_bytes = frameOverhead(config);
  using sockets = new ProbeSockets();
  for (const peer of facts.peers.slice(0, DOCTOR_PEERS_MAX)) {
    const { address, path, node } = peer;
    if (node.keys) {
      const why = "it answers inside a session only: start tunnet here, and ask again";
      results.set(peer, { kind: "not_asked", why });
      continue;
    }
    if (!address || !path || address.version !== own.version) continue;
    const socket = sockets.open(own, self.endpoint.port, address, node.endpoint.port);
    if (typeof socket === "string") {
      results.set(peer, { kind: "unreachable", why: socket });
      continue;
    }
    const fits_bytes = innerMtu(facts, peer) ?? 0;
    const wanted_bytes = config.mtu_bytes === "auto"
      ? fits_bytes
      : Math.min(config.mtu_bytes, fits_bytes);
    targets.push({ peer, target: { socket, wanted_bytes: wanted_bytes + frame_bytes } });
  }
  const wanted = targets.map(({ target }) => target.wanted_bytes - frame_bytes);
  const mtu_bytes = Math.min(MTU_MAX_BYTES, ...wanted);
  const token = crypto.getRandomValues(new BigUint64Array(1))[0]!;
  const asker = { name: self.name, mode: config.mode, mtu_bytes, token };
  const probes = probeAll(targets.map(({ target }) => target), asker, sockets);
  targets.forEach(({ peer }, i) => {
    const probe = probes[i]!;
    results.set(
      peer,
      probe.kind === "answered"
        ? {
          ...probe,
          wanted_bytes: probe.wanted_bytes - frame_bytes,
          largest_bytes: probe.largest_bytes - frame_bytes,
        }
        : probe,
    );
  });
  return results;
}

/** Why the peers cannot be asked from here; undefined if they can. */
function whyNotAsked({ portHolders, selfAddresses }: Facts): string | undefined {
  if (portHolders.length > 0) return "another program has the port";
  return selfAddresses.length > 0 ? undefined : "this node's own address is not known";
}

/** What the running node says of its peers, by name; or why it does not. */
async function askNode(
  { device, ...config }: Config,
): Promise<ReadonlyMap<string, Probe> | string> {
  try {
    const netns = netnsName();
    const path = findSocket({ socket: undefined, device, netns, uid: Deno.uid() ?? 0 });
    const { peers } = await askStatus(path);
    return new Map(
      peers.map(({ name, state, why, problems, session_age_seconds, path_mtu_bytes }) => [
        name,
        {
          ...{ kind: "told", state, why: why ?? "", problems },
          session: session_age_seconds !== null,
          // What is found out is frames; what is told is packets.
          ...(path_mtu_bytes === null
            ? {}
            : { largest_bytes: path_mtu_bytes - frameOverhead({ device, ...config }) }),
        },
      ]),
    );
  } catch (error) {
    if (!(error instanceof RunError)) throw error;
    return `tunnet runs and has the port, but does not tell: ${error.message}`;
  }
}

async function askPeers(facts: Facts): Promise<readonly PeerFacts[]> {
  const all = (why: string) =>
    facts.peers.map((peer) => ({ ...peer, probe: { kind: "not_asked" as const, why } }));
  if (isRunning(facts)) {
    const told = await askNode(facts.config);
    if (typeof told === "string") return all(told);
    const why = "the running node does not know it: it has another config";
    return facts.peers.map((peer) => ({
      ...peer,
      probe: told.get(peer.node.name) ?? { kind: "not_asked", why },
    }));
  }
  const why = whyNotAsked(facts);
  if (why !== undefined) return all(why);
  const results = probePeers(facts, facts.selfAddresses[0]!);
  return facts.peers.map((peer) => ({ ...peer, probe: results.get(peer) ?? peer.probe }));
}

function pathsOf(rt: Rtnetlink, subnets: readonly Prefix[]): Facts["paths"] {
  return new Map(
    subnets.slice(0, PATHS_MAX).map((subnet) => [
      formatPrefix(subnet),
      rt.routeTo(podAddress(subnet)),
    ]),
  );
}

/** Everything about this host as the node `self`. */
export async function gatherFacts(
  { config, source }: LoadedConfig,
  self: NodeConfig,
  privateKeyFile?: string,
  etcd?: EtcdFacts,
): Promise<Facts> {
  using rt = openRtnetlink();
  const selfAddresses = await resolveHost(self.endpoint.host);
  const nodes = peersOf(config, self);
  const peers = await readPeers(rt, nodes, selfAddresses[0]?.version);
  const links = readLinks(rt);
  const facts: Facts = {
    config,
    source,
    self,
    selfAddresses,
    peers,
    netAdmin: hasNetAdmin(),
    tunDevice: tryTunDevice(),
    sysctls: readSysctls(["all", "default", ...links.map(({ name }) => name)]),
    links,
    routes: rt.routes(),
    paths: pathsOf(rt, nodes.flatMap(({ subnets }) => subnets)),
    portHolders: await portHolders(self.endpoint.port, selfAddresses),
    deviceHolders: links.some(({ name }) => name === config.device)
      ? await deviceHolders(config.device)
      : [],
    firewall: await readFirewall(),
    service: readService(),
    keyFiles: readKeyFiles(config, self, privateKeyFile),
    etcd,
    clock_ms: Date.now(),
  };
  return { ...facts, peers: await askPeers(facts) };
}
