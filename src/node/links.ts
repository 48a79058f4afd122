/** The devices on the way of pods' packets, as the kernel counts them. */

import type { LinkInfo, Rtnetlink } from "../host/netlink/rtnetlink.ts";
import type { Registry } from "../peers/registry.ts";
import type { LinkStatus, Status } from "../status/model/types.ts";

/** What is asked of the kernel. */
type Asked = Pick<Rtnetlink, "getLink" | "counts" | "routesTo">;

/** Subnets of this node that are looked up until one has pods. */
const SUBNETS_MAX = 4;

function linkStatus(rt: Asked, link: LinkInfo | undefined): LinkStatus | null {
  const counts = link && rt.counts(link.index);
  if (!counts) return null;
  return {
    name: link.name,
    sent: { packets: counts.sentPackets, dropped: counts.sentDropped },
    received: { packets: counts.receivedPackets, dropped: counts.receivedDropped },
  };
}

/** The device behind which this node's pods are: the bridge of a tap, or where a subnet's route leads. */
function podsLink(rt: Asked, { config: { mode }, self }: Registry, device: LinkInfo) {
  if (mode === "tap") return rt.getLink(device.master);
  for (const subnet of self.subnets.slice(0, SUBNETS_MAX)) {
    const route = rt.routesTo(subnet).find(({ index }) => index > 0 && index !== device.index);
    if (route) return rt.getLink(route.index);
  }
  return undefined;
}

/** Their counters of now; null for what there is not, or the kernel does not tell. */
export function linksOf(rt: Asked, registry: Registry, device: number): Status["links"] {
  try {
    const link = rt.getLink(device);
    const pods = link && podsLink(rt, registry, link);
    return { pods: linkStatus(rt, pods), device: linkStatus(rt, link) };
  } catch {
    // The device has just gone, or the kernel is short of memory.
    return { pods: null, device: null };
  }
}
