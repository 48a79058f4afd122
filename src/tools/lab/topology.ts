/**
 * What a lab consists of, worked out from a config before anything is made:
 * namespaces, addresses, and the steps that build them. Pure.
 *
 * Each node is a namespace with a bridge br0 and an eth0 on a common switch;
 * its pod is a namespace of its own behind br0. The switch is a namespace too,
 * so that nothing ever appears outside.
 */

import type { Config, NodeConfig } from "../../config/types.ts";
import type { Mode } from "../../wire/mode.ts";
import {
  addressBits,
  formatPrefix,
  hasHostRoom,
  hostAddress,
  parseAddress,
  parsePrefix,
  type Prefix,
} from "../../net/prefix.ts";

/** A device in a namespace. */
interface Device {
  readonly namespace: string;
  readonly device: string;
}

/** One step of building a lab; each needs what the steps before it have made. */
export type Step =
  | { readonly kind: "namespace"; readonly namespace: string }
  | { readonly kind: "bridge" } & Device
  | { readonly kind: "veth"; readonly peer: Device } & Device
  /** A persistent tap device, without a program. */
  | { readonly kind: "tap" } & Device
  | {
    readonly kind: "link";
    readonly mtu_bytes?: number;
    /** Name of the bridge to become a port of. */
    readonly bridge?: string;
    readonly up?: true;
  } & Device
  | { readonly kind: "address"; readonly address: string; readonly length_bits: number } & Device
  | {
    readonly kind: "route";
    readonly prefix: string;
    readonly source?: string;
    readonly gateway?: string;
  } & Device;

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
}

/** A whole lab. */
export interface LabPlan {
  /** Namespace of the switch that joins the nodes. */
  readonly switchNamespace: string;
  readonly nodes: readonly LabNode[];
  /** What builds all of it, in order. */
  readonly steps: readonly Step[];
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
  /** The nodes' public keys in base64; none if left out. */
  readonly publicKeys?: readonly string[] | undefined;
}

/** The bridge of a node's pods, unless the config names one. */
export const BRIDGE = "br0";

/** The bridge that joins the nodes. */
const SWITCH = "switch";

/** Where the pods of the standard lab live in mode tap. */
const TAP_NETWORKS = ["10.1.0.0/24", "fd00:10:1::/64"] as const;

/** Bits of host numbers that the pods of a lab in mode tap need: one for each of 16 nodes. */
const POD_BITS = 5;

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
export function labYaml({ nodes, ipv6, underlay6, mode, publicKeys }: LabShape): string {
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
      ...(publicKeys ? [`    public_key: "${publicKeys[i]}"`] : []),
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
function tapSteps(config: Config, index: number, namespace: string, pod: string): Step[] {
  const { device, bridge, mtu_bytes } = config;
  const inPod = { namespace: pod, device: "eth0" };
  return [
    ...(mtu_bytes === "auto" ? [] : [{ kind: "link", ...inPod, mtu_bytes } as const]),
    ...sharedNetworks(config).map((network): Step => ({
      kind: "address",
      ...inPod,
      address: hostAddress(network, index + 1),
      length_bits: network.length_bits,
    })),
    // Without a bridge in the config, the device has to be in one beforehand.
    ...(bridge === undefined
      ? [
        { kind: "tap", namespace, device } as const,
        { kind: "link", namespace, device, bridge: BRIDGE } as const,
      ]
      : []),
  ];
}

/** The addresses of one host alone. */
function hostPrefix(address: string): string {
  return `${address}/${address.includes(":") ? 128 : 32}`;
}

/** A node on the switch, without bridge and pod. */
function nodeSteps(
  node: NodeConfig,
  namespace: string,
  port: Device,
  others: readonly string[],
): Step[] {
  const { host } = node.endpoint;
  const wire = { namespace, device: "eth0" };
  return [
    { kind: "namespace", namespace },
    { kind: "veth", ...wire, peer: port },
    { kind: "link", ...port, bridge: SWITCH, up: true },
    { kind: "address", ...wire, address: host, length_bits: host.includes(":") ? 128 : 32 },
    { kind: "link", ...wire, up: true },
    // The nodes' addresses need not share a network: each is a neighbour by a route of its own.
    ...others.map((other): Step => ({
      kind: "route",
      ...wire,
      prefix: hostPrefix(other),
      source: host,
    })),
  ];
}

/** The bridge of a node, and the pod behind it. */
function podSteps(config: Config, node: NodeConfig, namespace: string, pod: string): Step[] {
  const bridge = { namespace, device: config.bridge ?? BRIDGE };
  const inPod = { namespace: pod, device: "eth0" };
  const port = { namespace, device: "pod" };
  const steps: Step[] = [
    { kind: "namespace", namespace: pod },
    { kind: "bridge", ...bridge },
    { kind: "link", ...bridge, up: true },
    { kind: "veth", ...port, peer: inPod },
    { kind: "link", ...port, bridge: bridge.device, up: true },
    { kind: "link", ...inPod, up: true },
  ];
  if (config.mode === "tap") {
    return [...steps, ...tapSteps(config, config.nodes.indexOf(node), namespace, pod)];
  }
  const routed = new Set<number>();
  for (const subnet of node.subnets.filter(hasHostRoom)) {
    const { version, length_bits } = subnet;
    const gateway = hostAddress(subnet, 1);
    steps.push(
      { kind: "address", ...bridge, address: gateway, length_bits },
      { kind: "address", ...inPod, address: hostAddress(subnet, 2), length_bits },
    );
    if (!routed.has(version)) {
      const prefix = version === 4 ? "0.0.0.0/0" : "::/0";
      steps.push({ kind: "route", ...inPod, prefix, gateway });
    }
    routed.add(version);
  }
  return steps;
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
    const podAddresses = node.subnets.filter(hasHostRoom).map((subnet) => hostAddress(subnet, 2));
    return {
      name: node.name,
      namespace: `${prefix}${node.name}`,
      podNamespace: `${prefix}pod-${node.name.replace(/^node-/, "")}`,
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
    };
  });
  const steps = config.nodes.flatMap((node, i) => {
    const { namespace, podNamespace } = nodes[i]!;
    const port = { namespace: switchNamespace, device: `port${i}` };
    const others = nodes.filter((other) => other !== nodes[i]).map(({ address }) => address);
    return [
      ...nodeSteps(node, namespace, port, others),
      ...(bare ? [] : podSteps(config, node, namespace, podNamespace)),
    ];
  });
  const bridge = { namespace: switchNamespace, device: SWITCH };
  return {
    switchNamespace,
    nodes,
    steps: [
      { kind: "namespace", namespace: switchNamespace },
      { kind: "bridge", ...bridge },
      { kind: "link", ...bridge, up: true },
      ...steps,
    ],
  };
}

/** The names of the namespaces that a plan makes. */
export function namespacesOf({ steps }: LabPlan): readonly string[] {
  return steps.filter(({ kind }) => kind === "namespace").map(({ namespace }) => namespace);
}

/** The first node whose address is a host name: a lab cannot give it one. */
export function unresolvedNode(config: Config): NodeConfig | undefined {
  return config.nodes.find(({ endpoint }) => parseAddress(endpoint.host) === undefined);
}
