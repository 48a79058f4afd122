/**
 * What a lab consists of, worked out from a config before anything is made:
 * namespaces, addresses, and the `ip` commands that build them. Pure.
 *
 * Each node is a namespace with a bridge br0 and an eth0 on a common switch;
 * its pod is a namespace of its own behind br0. The switch is a namespace too,
 * so that nothing ever appears outside.
 */

import type { Config, NodeConfig } from "../../config/types.ts";
import type { Mode } from "../../wire/mode.ts";
import {
  OVERHEAD_ETHERNET_BYTES,
  OVERHEAD_IPV4_BYTES,
  OVERHEAD_IPV6_BYTES,
} from "../../base/limits.ts";
import {
  addressBits,
  formatPrefix,
  hasHostRoom,
  hostAddress,
  parseAddress,
  parsePrefix,
  type Prefix,
} from "../../net/prefix.ts";

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
  /** What the nodes carry; tun if left out. */
  readonly mode?: Mode | undefined;
}

/** The bridge of a node's pods, unless the config names one. */
const BRIDGE = "br0";

/** Where the pods of the standard lab live in mode tap. */
const TAP_NETWORKS = ["10.1.0.0/24", "fd00:10:1::/64"] as const;

/** Bits of host numbers that the pods of a lab in mode tap need: one for each of 16 nodes. */
const POD_BITS = 5;

/** MTU of the lab's underlay. */
const UNDERLAY_MTU_BYTES = 1500;

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
export function labYaml({ nodes, ipv6, underlay6, mode }: LabShape): string {
  const tap = mode === "tap";
  const networks = tap ? TAP_NETWORKS : ["172.0.0.0/8", "fd00:172::/32"];
  const lines = [`network: ${ipv6 ? `[${networks.join(", ")}]` : networks[0]}`];
  if (tap) lines.push("mode: tap", `bridge: ${BRIDGE}`);
  lines.push("nodes:");
  for (let i = 0; i < nodes; i++) {
    const subnets = [`172.${i + 1}.0.0/16`, ...(ipv6 ? [`"fd00:172:${i + 1}::/64"`] : [])];
    lines.push(
      `  - name: node-${String.fromCharCode("a".charCodeAt(0) + i)}`,
      `    address: "${nodeAddress(i, underlay6)}"`,
      ...(tap ? [] : [`    subnets: [${subnets.join(", ")}]`]),
    );
  }
  return lines.join("\n") + "\n";
}

/** The subnets that the pods of all nodes share in mode tap. */
function sharedNetworks({ networks }: Config): readonly Prefix[] {
  const found = networks.length > 0 ? networks : [parsePrefix(TAP_NETWORKS[0]!)!.prefix];
  return found.filter(({ version, length_bits }) => addressBits(version) - length_bits >= POD_BITS);
}

/** Mode tap: the pods are stations of one Ethernet, and the bridge needs no address. */
function tapCommands(config: Config, index: number, namespace: string, pod: string): string[][] {
  const { device, bridge, mtu_bytes, nodes } = config;
  const overhead_bytes = nodes[index]!.endpoint.host.includes(":")
    ? OVERHEAD_IPV6_BYTES
    : OVERHEAD_IPV4_BYTES;
  // A switch cannot tell a station that a frame is too large: pods have to know.
  const auto = UNDERLAY_MTU_BYTES - overhead_bytes - OVERHEAD_ETHERNET_BYTES;
  const mtu = mtu_bytes === "auto" ? auto : mtu_bytes;
  const within = (text: string) => ["-n", namespace, ...text.split(" ")];
  const inPod = (text: string) => ["-n", pod, ...text.split(" ")];
  return [
    inPod(`link set eth0 mtu ${mtu}`),
    ...sharedNetworks(config).map((network) =>
      inPod(`addr add ${hostAddress(network, index + 1)}/${network.length_bits} dev eth0 nodad`)
    ),
    // Without a bridge in the config, the device has to be in one beforehand.
    ...(bridge === undefined
      ? [
        within(`tuntap add dev ${device} mode tap`),
        within(`link set ${device} master ${BRIDGE}`),
      ]
      : []),
  ];
}

/** A node on the switch, without bridge and pod. */
function nodeCommands(
  node: NodeConfig,
  namespace: string,
  switchNamespace: string,
  port: string,
  others: readonly string[],
): string[][] {
  const within = (text: string) => ["-n", namespace, ...text.split(" ")];
  const version6 = node.endpoint.host.includes(":");
  const own = `${node.endpoint.host}/${version6 ? 128 : 32}`;
  return [
    ["netns", "add", namespace],
    within("link set lo up"),
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
  ];
}

/** The bridge of a node, and the pod behind it. */
function podCommands(
  config: Config,
  node: NodeConfig,
  namespace: string,
  pod: string,
): string[][] {
  const within = (text: string) => ["-n", namespace, ...text.split(" ")];
  const inPod = (text: string) => ["-n", pod, ...text.split(" ")];
  const bridge = config.bridge ?? BRIDGE;
  const commands = [
    ["netns", "add", pod],
    inPod("link set lo up"),
    within(`link add ${bridge} type bridge`),
    within(`link set ${bridge} up`),
    [..."link add pod netns".split(" "), namespace, ..."type veth peer name eth0 netns".split(" ")]
      .concat(pod),
    within(`link set pod master ${bridge} up`),
    inPod("link set eth0 up"),
  ];
  if (config.mode === "tap") {
    return [...commands, ...tapCommands(config, config.nodes.indexOf(node), namespace, pod)];
  }
  const gateways = new Set<number>();
  for (const subnet of node.subnets.filter(hasHostRoom)) {
    const { version, length_bits } = subnet;
    commands.push(
      within(`addr add ${hostAddress(subnet, 1)}/${length_bits} dev ${bridge} nodad`),
      inPod(`addr add ${hostAddress(subnet, 2)}/${length_bits} dev eth0 nodad`),
    );
    if (!gateways.has(version)) {
      commands.push(inPod(`-${version} route add default via ${hostAddress(subnet, 1)}`));
    }
    gateways.add(version);
  }
  return commands;
}

/** The first address of each IP version. */
function firsts(addresses: readonly string[]): readonly string[] {
  return [false, true].map((six) => addresses.find((one) => one.includes(":") === six))
    .filter((one) => one !== undefined);
}

/**
 * Plans the lab of a config. Nodes must have literal addresses; see unresolvedNode.
 * `bare` leaves bridges and pods to whoever makes them otherwise: one pod in
 * the first subnet of each IP version.
 */
export function planLab(config: Config, id: string, bare = false): LabPlan {
  const prefix = namespacePrefix(id);
  const switchNamespace = `${prefix}switch`;
  const nodes = config.nodes.map((node, i): LabNode => {
    const namespace = `${prefix}${node.name}`;
    const podNamespace = `${prefix}pod-${node.name.replace(/^node-/, "")}`;
    const others = config.nodes.filter((other) => other !== node).map(({ endpoint }) =>
      endpoint.host
    );
    const podAddresses = node.subnets.filter(hasHostRoom).map((subnet) => hostAddress(subnet, 2));
    return {
      name: node.name,
      namespace,
      podNamespace,
      address: node.endpoint.host,
      ...(config.mode === "tap"
        ? {
          subnets: sharedNetworks(config).map(formatPrefix),
          podAddresses: sharedNetworks(config).map((network) => hostAddress(network, i + 1)),
        }
        : {
          subnets: node.subnets.map(formatPrefix),
          podAddresses: bare ? firsts(podAddresses) : podAddresses,
        }),
      commands: [
        ...nodeCommands(node, namespace, switchNamespace, `port${i}`, others),
        ...(bare ? [] : podCommands(config, node, namespace, podNamespace)),
      ],
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
