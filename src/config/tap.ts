/** What mode tap asks of a config, and what of it goes unused there. Pure. */

import { MACS_MAX } from "../base/limits.ts";
import { formatMac } from "../net/ethernet.ts";
import type { Draft } from "./draft.ts";
import type { Problems } from "./problems.ts";

/** Checks the fixed MAC addresses of all nodes, in either mode: each is one station, at one node. */
export function checkMacs(draft: Draft, problems: Problems): void {
  const seen = new Map<string, string>();
  const all = draft.nodes.flatMap(({ macs }) => macs);
  for (const { mac, path } of all) {
    const text = formatMac(mac);
    const first = seen.get(text);
    if (first === undefined) seen.set(text, path);
    else {
      problems.add(path, {
        what: `${text} is used twice`,
        why: `also in ${problems.where(first)}`,
        how: "each MAC address at one node only",
      });
    }
  }
  if (all.length > MACS_MAX) {
    problems.add("", { what: `${all.length} MAC addresses`, why: `at most ${MACS_MAX} in all` });
  }
}

/** Warns of what says something about Ethernet: IP packets have none of it. */
export function warnUnusedInTun(draft: Draft, problems: Problems): void {
  const why = "not used in mode tun, which carries IP packets";
  const mac = draft.nodes.flatMap(({ macs }) => macs)[0];
  if (mac) problems.warn(mac.path.replace(/\[\d+\]$/, ""), `MAC addresses are ${why}`);
  if (draft.bridge !== undefined) problems.warn("bridge", `a bridge is ${why}`);
}

/** Warns of what says something about IP addresses: a switch does not look at them. */
export function warnUnusedInTap(draft: Draft, problems: Problems): void {
  const why = "not used in mode tap, where frames go by MAC address";
  const subnet = draft.nodes.flatMap(({ subnets }) => subnets)[0];
  if (subnet) problems.warn(subnet.path.replace(/\[\d+\]$/, ""), `subnets are ${why}`);
  const accept = draft.nodes.flatMap((node) => node.accept)[0];
  if (accept) problems.warn(accept.path.replace(/\[\d+\]$/, ""), `accepted prefixes are ${why}`);
  if (draft.defaultNode !== undefined) problems.warn("default", `a default node is ${why}`);
}
