/** What a bed's underlay and pods carry at once: set, and looked at. */

import type { Bed } from "./harness.ts";
import { ip } from "./ip.ts";

const words = (text: string) => text.split(" ");

/** Gives the underlay an MTU, from end to end. */
export async function setUnderlay(bed: Bed, mtu_bytes: number): Promise<void> {
  for (const [i, { namespace }] of bed.plan.nodes.entries()) {
    await ip(["-n", bed.plan.switchNamespace, ...words(`link set port${i} mtu ${mtu_bytes}`)]);
    await ip(["-n", namespace, ...words(`link set eth0 mtu ${mtu_bytes}`)]);
  }
}

/** Gives pods and their bridges an MTU. */
export async function setPods(bed: Bed, mtu_bytes: number): Promise<void> {
  for (const { namespace, podNamespace } of bed.plan.nodes) {
    await ip(["-n", podNamespace, ...words(`link set eth0 mtu ${mtu_bytes}`)]);
    await ip(["-n", namespace, ...words(`link set pod mtu ${mtu_bytes}`)]);
    await ip(["-n", namespace, ...words(`link set br0 mtu ${mtu_bytes}`)]);
  }
}

/** The MTU of tunnet's device on a node. */
export async function deviceMtu(bed: Bed, i: number): Promise<number> {
  const shown = await ip(["-n", bed.node(i).namespace, "-j", "link", "show", "tunnet0"]);
  return JSON.parse(shown)[0].mtu;
}

/** Whether a ping of exactly so many bytes of IP packet gets through whole. */
export async function carries(bed: Bed, size: number, version: 4 | 6 = 4): Promise<boolean> {
  const payload = size - (version === 4 ? 28 : 48);
  const address = bed.podAddress(1, version);
  const ping = ["ping", "-n", "-c", "1", "-W", "1", "-M", "do", "-s", `${payload}`, address];
  return (await bed.inPod(0, ...ping)).code === 0;
}
