/** What several rules ask of the facts. Pure. */

import { kernelRoutes } from "../../peers/plan.ts";
import {
  addressBits,
  hostAddress,
  type IpVersion,
  parseAddress,
  type Prefix,
  prefixContains,
} from "../../net/prefix.ts";
import type { Address } from "../../net/prefix.ts";
import type { Facts, LinkFacts } from "./facts.ts";

/** The node's device, if it exists. */
export function deviceOf({ links, config }: Facts): LinkFacts | undefined {
  return links.find(({ name }) => name === config.device);
}

/** Whether this node's tunnet runs: one program holds both its port and its device. */
export function isRunning({ portHolders, deviceHolders }: Facts): boolean {
  return deviceHolders.some(({ pid }) => portHolders.some((holder) => holder.pid === pid));
}

/** The interface that has an address in the subnet, other than the device and lo. */
export function bridgeOf({ links, config }: Facts, subnet: Prefix): LinkFacts | undefined {
  return links.find(({ name, addresses }) =>
    name !== config.device && addresses.some(({ address }) => prefixContains(subnet, address))
  );
}

/** The subnets that this host routes to its own pods: none in mode tap, whose pods are one Ethernet. */
export function ownSubnets({ self, config }: Facts): readonly Prefix[] {
  return config.mode === "tap" ? [] : self.subnets;
}

/** The IP versions of the pods that this host routes for. */
export function versionsOf(facts: Facts): readonly IpVersion[] {
  const subnets = ownSubnets(facts);
  return ([4, 6] as const).filter((version) =>
    subnets.some((subnet) => subnet.version === version)
  );
}

/**
 * Whether this node does without the other nodes' IPv6 pods: it has none of its own, and IPv6 is
 * switched off for its device.
 */
export function isWithoutIpv6(facts: Facts): boolean {
  const setting = interfaceSetting(6, deviceOf(facts)?.name ?? "default", "disable_ipv6");
  return facts.sysctls.get(setting) === "1" && !versionsOf(facts).includes(6);
}

/** The prefixes that this node takes part in. */
function taken(facts: Facts, prefixes: readonly Prefix[]): readonly Prefix[] {
  if (facts.config.mode === "tap") return [];
  return isWithoutIpv6(facts) ? prefixes.filter(({ version }) => version === 4) : prefixes;
}

/** The subnets of the other nodes that are routed to the device. */
export function remoteSubnets(facts: Facts): readonly Prefix[] {
  return taken(facts, facts.peers.flatMap(({ node }) => node.subnets));
}

/** What is to be routed to the device. */
export function wantedRoutes(facts: Facts): readonly Prefix[] {
  return taken(facts, kernelRoutes(facts.config, facts.self));
}

/** An address of a subnet that a pod could have: its second one, if it has so many. */
export function podAddress(subnet: Prefix): Address {
  const room = addressBits(subnet.version) - subnet.length_bits;
  return parseAddress(hostAddress(subnet, room >= 2 ? 2 : 0))!;
}

/** A setting of one interface, written with slashes: an interface's name may hold a dot. */
export function interfaceSetting(version: IpVersion, name: string, setting: string): string {
  return `net/ipv${version}/conf/${name}/${setting}`;
}

/** A setting as people write it: with dots, unless it holds one. */
export function settingText(setting: string): string {
  return setting.includes(".") ? setting : setting.replaceAll("/", ".");
}

/** The setting that lets the host pass packets on. */
export function forwardingSetting(version: IpVersion): string {
  return version === 4 ? "net/ipv4/ip_forward" : "net/ipv6/conf/all/forwarding";
}

/** Whether bridged frames pass iptables (br_netfilter; Documentation/networking/ip-sysctl.rst). */
export const BRIDGE_CALLS_IPTABLES = "net/bridge/bridge-nf-call-iptables";

/** `IPv4` or `IPv6`. */
export function versionName(version: IpVersion): string {
  return `IPv${version}`;
}
