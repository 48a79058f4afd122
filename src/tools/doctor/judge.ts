/** From facts to checks: every family of rules, in the order of a packet's needs. Pure. */

import type { Check } from "./check.ts";
import type { Facts, HostFacts } from "./facts.ts";
import { etcdChecks } from "./rules/etcd.ts";
import { firewallChecks } from "./rules/firewall.ts";
import { bareHostChecks, hostChecks } from "./rules/host.ts";
import { bridgeChecks } from "./rules/bridge.ts";
import { kernelChecks } from "./rules/kernel.ts";
import { keyChecks } from "./rules/keys.ts";
import { outsideChecks } from "./rules/outside.ts";
import { otherNodesChecks } from "./rules/peers.ts";
import { routeChecks } from "./rules/routes.ts";
import { serviceChecks } from "./rules/service.ts";

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
    ...serviceChecks(facts),
  ];
}

/** What can be told of a host without a config. */
export function judgeHost(facts: HostFacts): readonly Check[] {
  return [
    ...bareHostChecks(facts),
    {
      id: "config",
      title: "tunnet.yaml",
      status: "skip",
      why: "there is none yet: nothing else can be looked at",
      fix: "tunnet init > tunnet.yaml",
    },
  ];
}
