/**
 * What a lab consists of, worked out from a config before anything is made:
 * namespaces, addresses, and the `ip` commands that build them. Pure.
 *
 * Each node is a namespace with a bridge br0 and an eth0 on a common switch;
 * its pod is a namespace of its own behind br0. The switch is a namespace too,
 * so that nothing ever appears outside.
 */

import type { Config, NodeConfig } from "../config/types.ts";
import { formatPrefix, hasHostRoom, hostAddress, parseAddress } from "../net/prefix.ts";

/** One node of a lab and its pod. */
export interface LabNode {
  readonly name: string;
  readonly namespace: string;
  readonly podNamespace: string;
  /** Underlay address, as text. */
  readonly address: string;
  readonly subnets: readonly string[];
  /** The pod's addresses, one for each subnet that has room for one, as text. */
  readonly podAddresses: readonly string[];
  /** Arguments of the `ip` commands that build the node; run in order. */
  readonly commands: readonly (readonly string[])[];
}

/** A whole lab. */
export interface LabPlan {
  /** Namespace of the switch that joins the nodes. */
  readonly switchNamespace: string;
  readonly switchCommands: readonly (readonly string[])[];
  readonly nodes: readonly LabNode[];
}

/** What the standard lab looks like. */
export interface LabShape {
  readonly nodes: number;
  /** IPv6 pods beside IPv4 ones. */
  readonly ipv6: boolean;
  /** IPv6 between the nodes. */
  readonly underlay6: boolean;
}

/** Prefix of all namespaces of a lab; `id` is the lab's process, or a fixed word for a kept lab. */
export function namespacePrefix(id: string): string {
  return `tunnet-${id}-`;
}

/** The tutorial's two nodes are .8 and .7; more follow from .9 on. */
function nodeAddress(index: number, underlay6: boolean): string {
  const host = index === 0 ? 8 : index === 1 ? 7 : 7 + index;
  return underlay6 ? `fd00:192:168::${host}` : `192.168.0.${host}`;
}

/** tunnet.yaml of the standard lab. */
export function labYaml({ nodes, ipv6, underlay6 }: LabShape): string {
  const lines = ipv6 ? ["network: [172.0.0.0/8, fd00:172::/32]"] : ["network: 172.0.0.0/8"];
  lines.push("nodes:");
  for (let i = 0; i < nodes; i++) {
    const subnets = [`172.${i + 1}.0.0/16`, ...(ipv6 ? [`"fd00:172:${i + 1}::/64"`] : [])];
    lines.push(
      `  - name: node-${String.fromCharCode("a".charCodeAt(0) + i)}`,
      `    address: "${nodeAddress(i, underlay6)}"`,
      `    subnets: [${subnets.join(", ")}]`,
    );
  }
  return lines.join("\n") + "\n";
}

function nodeCommands(
  node: NodeConfig,
  namespace: string,
  pod: string,
  switchNamespace: string,
  port: string,
  others: readonly string[],
): string[][] {
  const within = (text: string) => ["-n", namespace, ...text.split(" ")];
  const inPod = (text: string) => ["-n", pod, ...text.split(" ")];
  const version6 = node.endpoint.host.includes(":");
  const own = `${node.endpoint.host}/${version6 ? 128 : 32}`;
  const commands = [
    ["netns", "add", namespace],
    ["netns", "add", pod],
    within("link set lo up"),
    inPod("link set lo up"),
    [..."link add eth0 netns".split(" "), namespace, ..."type veth peer name".split(" ")].concat(
      port,
      "netns",
      switchNamespace,
    ),
    ["-n", switchNamespace, ..."link set".split(" "), port, "master", "switch", "up"],
    within(`addr add ${own} dev eth0 nodad`),
    within("link set eth0 up"),
    // The nodes' addresses need not share a network: each is a neighbour by a route of its own.
    ...others.map((other) => within(`route add ${other} dev eth0 src ${node.endpoint.host}`)),
    within("link add br0 type bridge"),
    within("link set br0 up"),
    [..."link add pod netns".split(" "), namespace, ..."type veth peer name eth0 netns".split(" ")]
      .concat(pod),
    within("link set pod master br0 up"),
    inPod("link set eth0 up"),
  ];
  const gateways = new Set<number>();
  for (const subnet of node.subnets.filter(hasHostRoom)) {
    const { version, length_bits } = subnet;
    commands.push(
      within(`addr add ${hostAddress(subnet, 1)}/${length_bits} dev br0 nodad`),
      inPod(`addr add ${hostAddress(subnet, 2)}/${length_bits} dev eth0 nodad`),
    );
    if (!gateways.has(version)) {
      commands.push(inPod(`-${version} route add default via ${hostAddress(subnet, 1)}`));
    }
    gateways.add(version);
  }
  return commands;
}

/** Plans the lab of a config. Nodes must have literal addresses; undefined names the first that has not. */
export function planLab(config: Config, id: string): LabPlan {
  const prefix = namespacePrefix(id);
  const switchNamespace = `${prefix}switch`;
  const nodes = config.nodes.map((node, i): LabNode => {
    const namespace = `${prefix}${node.name}`;
    const podNamespace = `${prefix}pod-${node.name.replace(/^node-/, "")}`;
    const others = config.nodes.filter((other) => other !== node).map(({ endpoint }) =>
      endpoint.host
    );
    return {
      name: node.name,
      namespace,
      podNamespace,
      address: node.endpoint.host,
      subnets: node.subnets.map(formatPrefix),
      podAddresses: node.subnets.filter(hasHostRoom).map((subnet) => hostAddress(subnet, 2)),
      commands: nodeCommands(node, namespace, podNamespace, switchNamespace, `port${i}`, others),
    };
  });
  return {
    switchNamespace,
    switchCommands: [
      ["netns", "add", switchNamespace],
      ["-n", switchNamespace, "link", "add", "switch", "type", "bridge"],
      ["-n", switchNamespace, "link", "set", "switch", "up"],
    ],
    nodes,
  };
}

/** The first node whose address is a host name: a lab cannot give it one. */
export function unresolvedNode(config: Config): NodeConfig | undefined {
  return config.nodes.find(({ endpoint }) => parseAddress(endpoint.host) === undefined);
}
