/** From facts to checks: every family of rules, in the order of a packet's needs. Pure. */

import type { Check } from "./check.ts";
import type { Facts } from "./facts.ts";
import { etcdChecks } from "./rules/etcd.ts";
import { firewallChecks } from "./rules/firewall.ts";
import { hostChecks } from "./rules/host.ts";
import { bridgeChecks } from "./rules/bridge.ts";
import { kernelChecks } from "./rules/kernel.ts";
import { keyChecks } from "./rules/keys.ts";
import { outsideChecks } from "./rules/outside.ts";
import { otherNodesChecks } from "./rules/peers.ts";
import { routeChecks } from "./rules/routes.ts";

/** All checks. */
export function judge(facts: Facts): readonly Check[] {
  return [
    ...hostChecks(facts),
    ...keyChecks(facts),
    ...etcdChecks(facts),
    ...bridgeChecks(facts),
    ...kernelChecks(facts),
    ...routeChecks(facts),
    ...firewallChecks(facts),
    ...outsideChecks(facts),
    ...otherNodesChecks(facts),
  ];
}
