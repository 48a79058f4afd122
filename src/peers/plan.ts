/** What a node is going to do, worked out from config and self before anything is touched. Pure. */

import type { Config, NodeConfig } from "../config/types.ts";
import {
  type Address,
  addressBits,
  formatAddress,
  hasHostRoom,
  type Prefix,
  prefixCovers,
} from "../net/prefix.ts";
import { LOCAL, NO_ROUTE, type Route } from "../forwarding/prefixes.ts";
import { type MacEntry, SELF } from "../forwarding/macs.ts";

/** The other nodes in config order. */
export function peersOf(config: Config, self: NodeConfig): readonly NodeConfig[] {
  return config.nodes.filter((node) => node !== self);
}

/** A peer, and its index; `address` is undefined while that is not known. */
export interface RoutedPeer {
  readonly index: number;
  readonly node: NodeConfig;
  readonly address: Address | undefined;
}

/**
 * Routes of the forwarding table. What belongs to a peer without an address is
 * nobody else's: the default node neither gets it nor sends from there.
 */
export function tableRoutes(self: NodeConfig, peers: readonly RoutedPeer[]): readonly Route[] {
  const own = self.subnets.map((prefix) => ({ prefix, hop: LOCAL }));
  const remote = peers.flatMap(({ index, node, address }) => {
    // What comes from one with a key is its own before it is known where it calls from.
    const hop = address || node.keys ? index : NO_ROUTE;
    return node.subnets.map((prefix) => ({ prefix, hop }));
  });
  return [...own, ...remote];
}

/**
 * What the default node would own, but must not: the addresses by which the other nodes are
 * reached are nobody's inside the tunnel. They are in no subnet: such a config is refused.
 */
export function underlayRoutes(
  { defaultNode }: Pick<Config, "defaultNode">,
  nodes: readonly Pick<RoutedPeer, "node" | "address">[],
): readonly Route[] {
  if (defaultNode === undefined) return [];
  const addresses = new Map<string, Address>();
  for (const { address } of nodes) {
    if (address) addresses.set(formatAddress(address.bytes), address);
  }
  // Several nodes may share an address.
  const own = nodes.find(({ node }) => node.name === defaultNode)?.address;
  if (own) addresses.delete(formatAddress(own.bytes));
  return [...addresses.values()].map((address) => ({
    prefix: { ...address, length_bits: addressBits(address.version) },
    hop: NO_ROUTE,
  }));
}

const EVERYTHING: readonly Prefix[] = ([4, 6] as const).map((version) => ({
  version,
  bytes: new Uint8Array(addressBits(version) / 8),
  length_bits: 0,
}));

/** What a node takes in besides its subnets: anything if it is the default node. */
export function acceptedBy(config: Config, self: NodeConfig): readonly Prefix[] {
  return self.name === config.defaultNode ? EVERYTHING : self.accept ?? [];
}

/**
 * What the kernel routes to the device: the network, and each remote subnet that
 * it does not cover, or that lies within a subnet of this node: its bridge's
 * route would be the longer prefix.
 */
export function kernelRoutes(config: Config, self: NodeConfig): readonly Prefix[] {
  const remote = peersOf(config, self).flatMap((peer) => peer.subnets);
  const ofTheirOwn = remote.filter((subnet) =>
    !config.networks.some((network) => prefixCovers(network, subnet)) ||
    self.subnets.some((own) => prefixCovers(own, subnet))
  );
  return [...config.networks, ...ofTheirOwn];
}

/**
 * The node's own address on the device: the first address of its first subnet
 * of each IP version that has room for it, as a host address. It gives packets of
 * the node itself a source that its peers accept, and does not collide with a
 * bridge's .1, nor with the only pod of a subnet of one or two addresses.
 */
export function deviceAddresses(
  self: NodeConfig,
): readonly { readonly address: Address; readonly length_bits: number }[] {
  const firsts = ([4, 6] as const)
    .map((version) =>
      self.subnets.find((subnet) => subnet.version === version && hasHostRoom(subnet))
    )
    .filter((subnet) => subnet !== undefined);
  return firsts.map((subnet) => ({
    address: { version: subnet.version, bytes: subnet.bytes },
    length_bits: addressBits(subnet.version),
  }));
}

/** The switch's fixed addresses: this node's own stations, and those of the peers. */
export function fixedMacs(
  self: NodeConfig,
  peers: readonly { readonly index: number; readonly node: NodeConfig }[],
): readonly Pick<MacEntry, "mac" | "owner">[] {
  const of = (node: NodeConfig, owner: number) => (node.macs ?? []).map((mac) => ({ mac, owner }));
  return [...of(self, SELF), ...peers.flatMap(({ node, index }) => of(node, index))];
}
