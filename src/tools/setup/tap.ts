/** What the scripts of `tunnet setup` share in mode tap, where all pods are one Ethernet. Pure. */

import type { Config, NodeConfig } from "../../config/types.ts";
import { UsageError } from "../../base/errors.ts";
import {
  formatPrefix,
  hasHostRoom,
  type IpVersion,
  type Prefix,
  subPrefix,
} from "../../net/prefix.ts";

/** The bridge that the device becomes a port of. Throws a UsageError where the config names none. */
export function tapBridge({ bridge }: Config): string {
  if (bridge !== undefined) return bridge;
  throw new UsageError({
    what: "the config's mode is tap, and it names no bridge",
    why: "the script makes the bridge that the device becomes a port of",
    how: "bridge: br0 in the config",
  });
}

/** The pods' network of one IP version, if the config tells it. */
export function tapNetwork({ networks }: Config, version: IpVersion): Prefix | undefined {
  return networks.find((network) => network.version === version);
}

/**
 * A node's part of the pods' network: nobody else gives its addresses to pods. The parts are
 * powers of two, so that a few more nodes change none of them.
 */
export function partOf({ nodes }: Config, self: NodeConfig, network: Prefix): Prefix {
  const bits = Math.max(1, Math.ceil(Math.log2(nodes.length)));
  const index = nodes.findIndex(({ name }) => name === self.name);
  const part = subPrefix(network, bits, index);
  if (part && hasHostRoom(part)) return part;
  throw new UsageError({
    what: `${formatPrefix(network)} has no room for ${nodes.length} nodes and their pods`,
    how: "a shorter prefix as network",
  });
}
