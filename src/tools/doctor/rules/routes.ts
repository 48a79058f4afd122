/** Who takes the packets to and from pods: bridges, routes, MTU. Pure. */

import type { Config } from "../../../config/types.ts";
import {
  MTU_IPV6_MIN_BYTES,
  OVERHEAD_ETHERNET_BYTES,
  OVERHEAD_IPV4_BYTES,
  OVERHEAD_IPV6_BYTES,
} from "../../../base/limits.ts";
import type { RouteInfo } from "../../../host/netlink/rtnetlink.ts";
import {
  formatAddress,
  formatPrefix,
  hasHostRoom,
  type Prefix,
  prefixContains,
  prefixCovers,
} from "../../../net/prefix.ts";
import { DATA_MESSAGE_MIN_BYTES } from "../../../wire/data_message.ts";
import { shellWord } from "../../setup/script.ts";
import { type Check, checksOf, type Finding } from "../check.ts";
import type { Facts, LinkFacts, PeerFacts } from "../facts.ts";
import {
  bridgeOf,
  deviceOf,
  isRunning,
  ownSubnets,
  remoteSubnets,
  versionsOf,
  wantedRoutes,
} from "../view.ts";

/** Made by the kernel for an interface's address (linux/rtnetlink.h). */
const RTPROT_KERNEL = 2;
/** More findings of one kind help nobody. */
const FINDINGS_MAX = 8;

function linkOf({ links }: Facts, index: number): LinkFacts | undefined {
  return links.find((link) => link.index === index);
}

function localSubnets(facts: Facts): Finding[] {
  const { self, source, links } = facts;
  return self.subnets.flatMap((subnet): Finding[] => {
    const bridge = bridgeOf(facts, subnet);
    if (bridge?.up) return [];
    if (bridge) {
      return [{
        why: `${bridge.name}, which has ${formatPrefix(subnet)}, is down`,
        fix: `ip link set dev ${bridge.name} up`,
      }];
    }
    const kind = links.some(({ name }) => name === "docker0") ? "docker" : "netns";
    const config = ["embedded", "command line"].includes(source) ? "" : ` -c ${shellWord(source)}`;
    return [{
      why: `no interface has an address in ${formatPrefix(subnet)}: its pods are not connected`,
      fix: `tunnet setup --${kind}${config} --node ${self.name} | sh`,
    }];
  });
}

/** Whether an interface is the bridge of containers that are none of this config's. */
function hasContainers({ links }: Facts, index: number): boolean {
  const link = links.find((one) => one.index === index);
  if (link?.kind !== "bridge") return false;
  return link.name === "docker0" || /^br-[0-9a-f]{12}$/.test(link.name) ||
    links.some(({ master }) => master === index);
}

/** The command that takes a route away; one of an address goes with that. */
function removal(facts: Facts, route: RouteInfo): string {
  const link = linkOf(facts, route.index);
  const text = formatPrefix(route.prefix);
  const six = route.prefix.version === 6 ? "-6 " : "";
  const owner = route.protocol === RTPROT_KERNEL &&
    link?.addresses.find(({ address, length_bits }) =>
      length_bits === route.prefix.length_bits && prefixContains(route.prefix, address)
    );
  if (owner && link) {
    return `ip address del ${
      formatAddress(owner.address.bytes)
    }/${owner.length_bits} dev ${link.name}`;
  }
  if (!link) return `ip ${six}route del ${route.kind} ${text}`;
  return `ip ${six}route del ${text} dev ${link.name}`;
}

/**
 * Whether a route takes packets for the subnet away from the route that leads
 * to the device: it is longer than that one, or the same with no worse a metric.
 */
function steals(route: RouteInfo, subnet: Prefix, wanted: readonly Prefix[]): boolean {
  const within = prefixCovers(subnet, route.prefix);
  if (!within && !prefixCovers(route.prefix, subnet)) return false;
  const ours = wanted.filter((prefix) => prefixCovers(prefix, subnet));
  const best = Math.max(-1, ...ours.map(({ length_bits }) => length_bits));
  return within || route.prefix.length_bits >= best;
}

function stolen(facts: Facts): Finding[] {
  const wanted = wantedRoutes(facts);
  const device = deviceOf(facts);
  const found: Finding[] = [];
  for (const subnet of remoteSubnets(facts)) {
    for (const route of facts.routes) {
      if (route.index === device?.index && route.index !== 0) continue;
      if (!steals(route, subnet, wanted) || found.length >= FINDINGS_MAX) continue;
      const name = linkOf(facts, route.index)?.name;
      // A shorter route, such as that of an own subnet around it, has its own use.
      const around = route.prefix.length_bits < subnet.length_bits;
      if (!around && name && hasContainers(facts, route.index)) {
        found.push({
          why:
            `${formatPrefix(route.prefix)} by ${name} takes packets for ${
              formatPrefix(subnet)
            } away from ${facts.config.device}, and containers are there: give the nodes other ` +
            "subnets, or Docker another one (bip or default-address-pools in daemon.json)",
        });
        continue;
      }
      found.push({
        why: `${formatPrefix(route.prefix)} ${name ? `by ${name}` : `(${route.kind})`} takes ` +
          `packets for ${formatPrefix(subnet)} away from ${facts.config.device}`,
        fix: around
          ? `ip route add ${formatPrefix(subnet)} dev ${facts.config.device}`
          : removal(facts, route),
      });
    }
  }
  return found;
}

/** What the routes of the main table do not explain: ip rules, other tables, a missing route. */
function elsewhere(facts: Facts): Finding[] {
  const device = deviceOf(facts);
  if (!isRunning(facts) || !device?.up) return [];
  const lost = remoteSubnets(facts).filter((subnet) =>
    facts.paths.get(formatPrefix(subnet))?.index !== device.index
  );
  return lost.slice(0, FINDINGS_MAX).map((subnet) => {
    const text = formatPrefix(subnet);
    const path = facts.paths.get(text);
    const name = path && linkOf(facts, path.index)?.name;
    const routed = facts.routes.some(({ index, prefix }) =>
      index === device.index && prefixCovers(prefix, subnet)
    );
    return routed
      ? {
        why: `${text} goes to ${name ?? "nowhere"} by a rule or another routing table`,
        fix: `ip rule add pref 1 to ${text} lookup main`,
      }
      : {
        why: `no route leads ${text} to ${device.name}`,
        fix: `ip route add ${text} dev ${device.name}`,
      };
  });
}

/**
 * Peers whose own address the route to the device covers: their datagrams would go in circles. The
 * node keeps the way that another route has for them, so before its start any other will do.
 */
function loops(facts: Facts): Finding[] {
  const device = deviceOf(facts);
  const wanted = wantedRoutes(facts);
  const running = isRunning(facts);
  return facts.peers.flatMap(({ node, address }): Finding[] => {
    if (!address) return [];
    const covering = wanted.filter((prefix) => prefixContains(prefix, address));
    const best = Math.max(-1, ...covering.map(({ length_bits }) => length_bits));
    const better = facts.routes.some(({ prefix, index }) =>
      index !== device?.index && prefixContains(prefix, address) &&
      (prefix.length_bits > best || !running)
    );
    if (best < 0 || better) return [];
    const text = formatAddress(address.bytes);
    const ip = address.version === 6 ? "ip -6" : "ip";
    return [{
      why: `${text} of ${node.name} lies in what is routed to ${facts.config.device}: its ` +
        "datagrams would enter the tunnel again",
      fix: `${ip} route add ${text} $(${ip} route show default | head -n 1 | cut -d ' ' -f 2-)`,
    }];
  }).slice(0, FINDINGS_MAX);
}

/** What a frame carries beside its IP packet, in bytes. */
export function frameOverhead({ mode }: Config): number {
  return mode === "tap" ? OVERHEAD_ETHERNET_BYTES : 0;
}

/** The largest inner packet that a peer's path carries whole, as far as this host knows. */
export function innerMtu(facts: Facts, { node, address, path }: PeerFacts): number | undefined {
  if (!address || !path) return undefined;
  const outer_bytes = path.mtu_bytes ?? linkOf(facts, path.index)?.mtu_bytes;
  if (outer_bytes === undefined) return undefined;
  return outer_bytes - (address.version === 4 ? OVERHEAD_IPV4_BYTES : OVERHEAD_IPV6_BYTES) -
    (node.keys ? DATA_MESSAGE_MIN_BYTES : 0) - frameOverhead(facts.config);
}

/** The commands that set the inner MTU from the next start on; undefined where there is no file. */
function configMtu({ source }: Facts, mtu_bytes: number): string | undefined {
  if (source === "embedded") return undefined;
  if (source === "command line") return `tunnet --peer --mtu ${mtu_bytes}`;
  const file = shellWord(source);
  return `sed -i '/^mtu:/d' ${file} && echo 'mtu: ${mtu_bytes}' >>${file}`;
}

/** The commands that set the inner MTU, now if tunnet runs, and from the next start on. */
export function mtuFix(facts: Facts, mtu_bytes: number): Pick<Finding, "fix" | "lasting"> {
  const lasting = configMtu(facts, mtu_bytes);
  if (!isRunning(facts)) return { fix: lasting };
  return { fix: `ip link set dev ${facts.config.device} mtu ${mtu_bytes}`, lasting };
}

function mtu(facts: Facts): Finding[] {
  const device = deviceOf(facts);
  const running = isRunning(facts);
  const inner = facts.peers.map((peer) => innerMtu(facts, peer)).filter((one) => one !== undefined);
  const least = Math.min(Infinity, ...inner);
  const set = running ? device?.mtu_bytes : facts.config.mtu_bytes;
  const found: Finding[] = [];
  if (typeof set === "number" && set > least) {
    found.push({
      why: `the MTU is ${set}, but only ${least} fits the way to the narrowest peer`,
      ...mtuFix(facts, least),
    });
  }
  const effective = typeof set === "number" ? set : least;
  if (versionsOf(facts).includes(6) && effective < MTU_IPV6_MIN_BYTES) {
    found.push({
      why: `the MTU is ${effective}: IPv6 needs ${MTU_IPV6_MIN_BYTES} (RFC 8200)`,
      ...mtuFix(facts, MTU_IPV6_MIN_BYTES),
    });
  }
  return found;
}

/** The checks of this family. */
export function routeChecks(facts: Facts): readonly Check[] {
  const { self, config } = facts;
  const stolenOnes = stolen(facts);
  // What the table explains need not be told twice.
  const strayed = stolenOnes.length > 0 ? [] : elsewhere(facts);
  // A smaller one is its pods' own: they are reached by a route.
  const subnets = ownSubnets(facts).filter(hasHostRoom);
  return [
    ...checksOf(
      "local_subnet",
      `the subnets of ${self.name}`,
      subnets.length > 0
        ? "an interface that is up has each of them"
        : "it has none with room for an interface's address",
      localSubnets({ ...facts, self: { ...self, subnets } }),
    ),
    ...checksOf(
      "routes",
      "routes to the other nodes' pods",
      isRunning(facts) ? `all lead to ${config.device}` : "none is in the way",
      [...stolenOnes, ...strayed],
    ),
    ...checksOf(
      "underlay",
      "the other nodes' own addresses",
      "none lies in what the device gets",
      loops(facts),
    ),
    // A tap device takes what stations send, and tells them what fits.
    ...(config.mode === "tap"
      ? []
      : checksOf("mtu", "MTU", "what enters the tunnel fits the underlay", mtu(facts))),
  ];
}
