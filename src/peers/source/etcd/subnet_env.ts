/** `subnet.env`, by which flannel's CNI plugin and Docker's options know a node's subnet. Pure. */

import { formatPrefix, hostAddress, parsePrefix, type Prefix } from "../../../net/prefix.ts";

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

/** What such a file says, flanneld's too; undefined where it says nothing that could be used. */
export function parseSubnetEnv(text: string): SubnetEnv | undefined {
  const value = (name: string) => new RegExp(`^${name}=(.*)$`, "m").exec(text)?.[1]?.trim() ?? "";
  const network = parsePrefix(value("FLANNEL_NETWORK"))?.prefix;
  // It names the gateway: the first address of the subnet.
  const subnet = parsePrefix(value("FLANNEL_SUBNET"))?.prefix;
  const mtu_bytes = Number(value("FLANNEL_MTU"));
  if (!network || !subnet || !Number.isSafeInteger(mtu_bytes)) return undefined;
  return { network, subnet, mtu_bytes };
}
