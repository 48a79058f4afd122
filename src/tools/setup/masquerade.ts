/** What of a node's subnets leaves the network by the host's own address. Pure. */

import type { Config, NodeConfig } from "../../config/types.ts";
import {
  hasHostRoom,
  type IpVersion,
  parsePrefix,
  type Prefix,
  prefixCovers,
} from "../../net/prefix.ts";

/** Addresses that nobody else routes (RFC 4193); pods of other IPv6 prefixes are reached as they are. */
const UNIQUE_LOCAL = parsePrefix("fc00::/7")!.prefix;

/** Packets from `subnet` to anywhere but `within` get the host's address. */
export interface Masquerade {
  readonly subnet: Prefix;
  readonly within: Prefix;
}

/** What a node with these pods has to masquerade, of one IP version. */
export function masquerades(
  { networks, mode }: Config,
  { subnets }: NodeConfig,
  version: IpVersion,
): readonly Masquerade[] {
  if (mode === "tap") return [];
  return subnets.filter((subnet) =>
    subnet.version === version && hasHostRoom(subnet) &&
    (version === 4 || prefixCovers(UNIQUE_LOCAL, subnet))
  ).map((subnet) => ({
    subnet,
    within: networks.find((network) => prefixCovers(network, subnet)) ?? subnet,
  }));
}
