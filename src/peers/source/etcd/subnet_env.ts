/** `subnet.env`, by which flannel's CNI plugin and Docker's options know a node's subnet. Pure. */

import { formatPrefix, hostAddress, type Prefix } from "../../../net/prefix.ts";

/** What it says. */
export interface SubnetEnv {
  readonly network: Prefix;
  readonly subnet: Prefix;
  readonly mtu_bytes: number;
}

/** Its text. tunnet masquerades nothing, so that pods keep their addresses towards each other. */
export function formatSubnetEnv({ network, subnet, mtu_bytes }: SubnetEnv): string {
  return [
    `FLANNEL_NETWORK=${formatPrefix(network)}`,
    `FLANNEL_SUBNET=${hostAddress(subnet, 1)}/${subnet.length_bits}`,
    `FLANNEL_MTU=${mtu_bytes}`,
    "FLANNEL_IPMASQ=false",
  ].map((line) => `${line}\n`).join("");
}
