/** What the packet filters do with pods' packets and with the tunnel's datagrams. Pure. */

import {
  formatPrefix,
  hostAddress,
  type IpVersion,
  parseAddress,
  parsePrefix,
  type Prefix,
} from "../../../net/prefix.ts";
import { PREPARE } from "../../setup/script.ts";
import { type Check, checksOf, type Finding } from "../check.ts";
import type { Facts } from "../facts.ts";
import {
  type Chain,
  chainPlace,
  type Firewall,
  type Hook,
  type Packet,
  type Verdict,
  verdicts,
} from "../firewall/model.ts";
import {
  BRIDGE_CALLS_IPTABLES,
  bridgeOf,
  podAddress,
  remoteSubnets,
  settingText,
  versionName,
  versionsOf,
} from "../view.ts";

/** Any port of a service: whoever lets nothing but one port through knows it. */
export const SERVICE_PORT = 80;
/** A client's port (the middle of Linux's range). */
export const CLIENT_PORT = 40_000;
/** A bridge that is not there yet. */
const NO_BRIDGE = "tunnet-br";

/** Pods of mode tap whose network the config does not tell. */
const ANY_NETWORK = parsePrefix("10.0.0.0/8")!.prefix;

/** Conditions of a rule, in the words of both tools. */
export interface Condition {
  readonly iptables: string;
  readonly nft: string;
  /** In the words of those who keep a host's rules, after `ufw` and in a rule of firewalld's. */
  readonly ufw?: string;
  readonly firewalld?: string;
}

/** What passes from one interface to another. */
export function between(input: string, output: string, version: IpVersion): Condition {
  const family = version === 4 ? "ipv4" : "ipv6";
  return {
    iptables: `-i ${input} -o ${output}`,
    nft: `iifname ${input} oifname ${output}`,
    ufw: `route allow in on ${input} out on ${output}`,
    firewalld: `--direct --add-rule ${family} filter FORWARD 0 -i ${input} -o ${output} -j ACCEPT`,
  };
}

/** Where rules of iptables last: the service runs it at each start. */
function inPrepare(tool: string, table: string, rule: (action: string) => string): string {
  const words = (action: string) => `${tool}${table} ${rule(action)}`;
  return `mkdir -p /etc/tunnet && echo '${words("-C")} 2>/dev/null || ${words("-I")}' >>${PREPARE}`;
}

/**
 * The commands that put a rule before all others of a chain: ACCEPT; and what keeps it. Where
 * somebody keeps the rules, it is told; the kernel refuses to change a table that has an owner.
 */
export function acceptFirst(
  { manager }: Firewall,
  chain: Chain,
  { iptables, nft, ufw, firewalld }: Condition,
  name = chain.name,
): Pick<Finding, "fix" | "lasting"> {
  const { tool, family, table } = chain;
  const told = manager === "ufw" && ufw !== undefined
    ? `ufw ${ufw}`
    : manager === "firewalld" && firewalld !== undefined
    ? `firewall-cmd --permanent ${firewalld} && firewall-cmd --reload`
    : undefined;
  if (tool === "nft") {
    if (chain.owned) return { fix: told };
    const rule = `insert rule ${family} ${table} ${name} ${nft} accept`;
    return { fix: `nft ${rule}`, lasting: told ?? `echo '${rule}' >>/etc/nftables.conf` };
  }
  const where = table === "filter" ? "" : ` -t ${table}`;
  const rule = (action: string) => `${action} ${name} ${iptables} -j ACCEPT`;
  return { fix: `${tool}${where} ${rule("-I")}`, lasting: told ?? inPrepare(tool, where, rule) };
}

/** Docker calls its DOCKER-USER first, and leaves it alone. */
export function placeFor({ firewall }: Facts, chain: Chain): string {
  const user = "DOCKER-USER";
  const called = chain.rules.some(({ action }) => action.kind === "jump" && action.chain === user);
  const exists = firewall.chains.some(({ name, tool, table, family }) =>
    name === user && tool === chain.tool && table === chain.table && family === chain.family
  );
  return called && exists ? user : chain.name;
}

/** What is dropped, where, and by what. */
export function sayDrop(what: string, { chain, text, certain }: Verdict): string {
  return `${what} ${certain ? "are" : "may be"} dropped in ${chainPlace(chain)} by ${text}` +
    (chain.owned ? ", and only the program that made this table may change it" : "");
}

/** One direction of pods' packets. */
interface Direction {
  readonly what: string;
  readonly packet: Packet;
  readonly condition: Condition;
}

function directions(facts: Facts, version: IpVersion): readonly Direction[] {
  const own = facts.self.subnets.find((subnet) => subnet.version === version);
  const remote = remoteSubnets(facts).find((subnet) => subnet.version === version);
  if (!own || !remote) return [];
  const { device } = facts.config;
  const bridge = bridgeOf(facts, own)?.name ?? NO_BRIDGE;
  const packet = (input: string, output: string, source: Prefix, destination: Prefix): Packet => ({
    version,
    protocol: "tcp",
    source: podAddress(source),
    destination: podAddress(destination),
    sourcePort: CLIENT_PORT,
    destinationPort: SERVICE_PORT,
    input,
    output,
  });
  const condition = (input: string, output: string) => between(input, output, version);
  return [
    {
      what: "packets from the tunnel to pods",
      packet: packet(device, bridge, remote, own),
      condition: condition(device, bridge),
    },
    {
      what: "packets from pods to the tunnel",
      packet: packet(bridge, device, own, remote),
      condition: condition(bridge, device),
    },
  ];
}

function drops(
  facts: Facts,
  hooks: readonly Hook[],
  what: string,
  packet: Packet,
  condition: (hook: Hook) => Condition,
): Finding[] {
  return hooks.flatMap((hook) =>
    verdicts(facts.firewall, hook, "filter", packet)
      .filter(({ kind }) => kind === "drop")
      .map((verdict): Finding => ({
        status: verdict.certain ? "fail" : "warn",
        why: sayDrop(what, verdict),
        ...acceptFirst(
          facts.firewall,
          verdict.chain,
          condition(hook),
          placeFor(facts, verdict.chain),
        ),
      }))
  );
}

/** In prerouting the output device is not known yet, in postrouting iptables has forgotten the input device. */
function forward(facts: Facts, version: IpVersion): Finding[] {
  return directions(facts, version).flatMap(({ what, packet, condition }) => {
    const only = (side: "input" | "output"): Condition => ({
      iptables: `${side === "input" ? "-i" : "-o"} ${packet[side]}`,
      nft: `${side === "input" ? "iifname" : "oifname"} ${packet[side]}`,
    });
    return [
      ...drops(facts, ["prerouting"], what, { ...packet, output: "" }, () => only("input")),
      ...drops(facts, ["forward"], what, packet, () => condition),
      ...drops(facts, ["postrouting"], what, packet, () => only("output")),
    ];
  });
}

/** Both directions must keep the sender's address: the other pod answers to it. */
function nat(facts: Facts, version: IpVersion): Finding[] {
  const remotes = facts.config.networks.length > 0 ? facts.config.networks : remoteSubnets(facts);
  const remote = remotes.find((prefix) => prefix.version === version);
  return directions(facts, version).flatMap(({ what, packet }) => {
    const { device } = facts.config;
    const out = packet.output === device;
    const source = remote ? formatPrefix(remote) : "";
    const ip = version === 4 ? "ip" : "ip6";
    const condition: Condition = out ? { iptables: `-o ${device}`, nft: `oifname ${device}` } : {
      iptables: `-s ${source} -o ${packet.output}`,
      nft: `${ip} saddr ${source} oifname ${packet.output}`,
    };
    const found = verdicts(facts.firewall, "postrouting", "nat", packet)
      .filter(({ kind }) => kind === "nat");
    return found.map(({ chain, text, certain }): Finding => ({
      status: certain ? "fail" : "warn",
      why: `${what} ${certain ? "get" : "may get"} this host's address for a source, in ` +
        `${chainPlace(chain)} by ${text}: ` +
        (out
          ? "the other node drops them, or its pods see a wrong source"
          : "pods see a wrong source"),
      ...acceptFirst(facts.firewall, chain, condition),
    }));
  });
}

/**
 * Mode tap: frames between two ports of one bridge are no business of a
 * firewall, but with br_netfilter, which Docker loads, they pass FORWARD as well.
 */
function bridged({ config, sysctls, firewall }: Facts): Finding[] {
  const { bridge, networks } = config;
  if (bridge === undefined || sysctls.get(BRIDGE_CALLS_IPTABLES) !== "1") return [];
  const network = networks.find(({ version }) => version === 4) ?? ANY_NETWORK;
  const packet: Packet = {
    version: 4,
    protocol: "tcp",
    source: parseAddress(hostAddress(network, 1))!,
    destination: parseAddress(hostAddress(network, 2))!,
    sourcePort: CLIENT_PORT,
    destinationPort: SERVICE_PORT,
    input: bridge,
    output: bridge,
  };
  return verdicts(firewall, "forward", "filter", packet)
    .filter(({ kind }) => kind === "drop")
    .map((verdict): Finding => ({
      status: verdict.certain ? "fail" : "warn",
      why: sayDrop(`frames within ${bridge}`, verdict),
      fix: `sysctl -w ${settingText(BRIDGE_CALLS_IPTABLES)}=0`,
      lasting: `echo '${settingText(BRIDGE_CALLS_IPTABLES)} = 0' >>/etc/sysctl.d/61-tunnet.conf`,
    }));
}

/** A peer's datagram to this node, or one of ours to it. */
function datagrams(facts: Facts): readonly { readonly packet: Packet; readonly out: boolean }[] {
  const { port } = facts.self.endpoint;
  return facts.peers.flatMap(({ node, address, path }) => {
    const own = facts.selfAddresses.find((one) => one.version === address?.version);
    const name = facts.links.find(({ index }) => index === path?.index)?.name;
    if (!address || !own || name === undefined) return [];
    const common = { version: address.version, protocol: "udp" as const };
    return [
      {
        out: false,
        packet: {
          ...common,
          source: address,
          destination: own,
          sourcePort: node.endpoint.port,
          destinationPort: port,
          input: name,
          output: "",
        },
      },
      {
        out: true,
        packet: {
          ...common,
          source: own,
          destination: address,
          sourcePort: port,
          destinationPort: node.endpoint.port,
          input: "",
          output: name,
        },
      },
    ];
  });
}

/** Findings that say the same of several peers are one. */
function unique(findings: readonly Finding[]): Finding[] {
  return [...new Map(findings.map((one) => [`${one.why} ${one.fix}`, one])).values()];
}

function underlay(facts: Facts): Finding[] {
  const found = datagrams(facts).flatMap(({ packet, out }) => {
    const port = packet.destinationPort;
    const condition = {
      iptables: `-p udp --dport ${port}`,
      nft: `udp dport ${port}`,
      // Neither of them filters what this host sends, unless told to.
      ...(out ? {} : { ufw: `allow ${port}/udp`, firewalld: `--add-port=${port}/udp` }),
    };
    const hooks: readonly Hook[] = out ? ["output", "postrouting"] : ["prerouting", "input"];
    const what = `${out ? "datagrams to" : "datagrams on"} UDP port ${port}`;
    return drops(facts, hooks, what, packet, () => condition);
  });
  return unique(found);
}

/** Docker publishes a port by such a rule: a container may have taken this one. */
function diverted(facts: Facts): Finding[] {
  const found = datagrams(facts).filter(({ out }) => !out).flatMap(({ packet }) =>
    verdicts(facts.firewall, "prerouting", "nat", packet)
      .filter(({ kind }) => kind === "nat")
      .map(({ chain, text, certain }): Finding => ({
        status: certain ? "fail" : "warn",
        why: `datagrams on UDP port ${packet.destinationPort} are sent elsewhere in ` +
          `${chainPlace(chain)} by ${text}`,
        ...acceptFirst(facts.firewall, chain, {
          iptables: `-p udp --dport ${packet.destinationPort}`,
          nft: `udp dport ${packet.destinationPort}`,
        }),
      }))
  );
  return unique(found);
}

/** The checks of this family. */
export function firewallChecks(facts: Facts): readonly Check[] {
  const { unread } = facts.firewall;
  if (unread.length > 0) {
    return unread.map((why) => ({
      id: "firewall",
      title: "firewall rules",
      status: "skip",
      why,
      fix: facts.netAdmin ? undefined : "sudo tunnet doctor",
    }));
  }
  const versions = versionsOf(facts);
  const port = facts.self.endpoint.port;
  return [
    ...versions.flatMap((version) => [
      ...checksOf(
        version === 4 ? "forward" : "forward6",
        `firewall, ${versionName(version)} between pods and tunnel`,
        "nothing is dropped",
        forward(facts, version),
      ),
      ...checksOf(
        version === 4 ? "nat" : "nat6",
        `NAT of ${versionName(version)} between pods and tunnel`,
        "pods keep their addresses",
        nat(facts, version),
      ),
    ]),
    ...(facts.config.mode === "tap"
      ? checksOf(
        "bridge_firewall",
        "firewall, frames within the bridge",
        "they pass",
        bridged(facts),
      )
      : []),
    ...checksOf(
      "firewall_udp",
      "firewall, datagrams between the nodes",
      "they are accepted in both directions",
      underlay(facts),
    ),
    ...checksOf("port_nat", `NAT of UDP port ${port}`, "it stays on this host", diverted(facts)),
  ];
}
