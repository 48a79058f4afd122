/** Whether pods reach what is outside their network: the Internet, by the host's own way. Pure. */

import { formatPrefix, type IpVersion, parseAddress, prefixContains } from "../../../net/prefix.ts";
import { type Masquerade, masquerades } from "../../setup/masquerade.ts";
import { type Check, checksOf, type Finding } from "../check.ts";
import type { Facts, LinkFacts } from "../facts.ts";
import { type Packet, verdicts } from "../firewall/model.ts";
import { bridgeOf, deviceOf, podAddress, versionName, versionsOf } from "../view.ts";
import { acceptFirst, between, CLIENT_PORT, placeFor, sayDrop, SERVICE_PORT } from "./firewall.ts";

/** Addresses of nobody (RFC 5737, RFC 3849), for the first that is not in the pods' network. */
const OUTSIDE = { 4: ["192.0.2.1", "198.51.100.1"], 6: ["2001:db8::1", "3fff::1"] } as const;

/** The interface of the host's own way out; undefined without one, or where that is the tunnel. */
function uplink(facts: Facts, version: IpVersion): LinkFacts | undefined {
  const ways = facts.routes.filter(({ prefix, kind }) =>
    prefix.version === version && prefix.length_bits === 0 && kind === "unicast"
  ).sort((a, b) => a.metric - b.metric);
  const link = facts.links.find(({ index }) => index === ways[0]?.index);
  return link === deviceOf(facts) ? undefined : link;
}

/** The command that adds what is missing; by iptables, as the script of setup does, if it is there. */
function fixFor({ firewall }: Facts, version: IpVersion, { subnet, within }: Masquerade): string {
  const [source, except] = [formatPrefix(subnet), formatPrefix(within)];
  if (firewall.tools.includes("iptables")) {
    const tool = version === 4 ? "iptables" : "ip6tables";
    return `${tool} -t nat -A POSTROUTING -s ${source} ! -d ${except} -j MASQUERADE`;
  }
  const ip = version === 4 ? "ip" : "ip6";
  const chain = `${ip} tunnet out`;
  return `nft add table ${ip} tunnet && ` +
    `nft 'add chain ${chain} { type nat hook postrouting priority 100; }' && ` +
    `nft add rule ${chain} ${ip} saddr ${source} ${ip} daddr != ${except} masquerade`;
}

function outside(facts: Facts, version: IpVersion, way: LinkFacts): Finding[] {
  return masquerades(facts.config, facts.self, version).flatMap((masquerade): Finding[] => {
    const { subnet, within } = masquerade;
    const bridge = bridgeOf(facts, subnet);
    const destination = OUTSIDE[version].map((text) => parseAddress(text)!)
      .find((address) => !prefixContains(within, address));
    if (!bridge || !destination) return [];
    const packet: Packet = {
      version,
      protocol: "tcp",
      source: podAddress(subnet),
      destination,
      sourcePort: CLIENT_PORT,
      destinationPort: SERVICE_PORT,
      input: bridge.name,
      output: way.name,
    };
    const dropped = verdicts(facts.firewall, "forward", "filter", packet)
      .filter(({ kind }) => kind === "drop")
      .map((verdict): Finding => ({
        status: "warn",
        why: sayDrop("packets from pods to the Internet", verdict),
        ...acceptFirst(
          facts.firewall,
          verdict.chain,
          between(bridge.name, way.name, version),
          placeFor(facts, verdict.chain),
        ),
      }));
    const translated = verdicts(facts.firewall, "postrouting", "nat", packet)
      .some(({ kind, certain }) => kind === "nat" || !certain);
    if (translated) return dropped;
    return [...dropped, {
      status: "warn",
      why: `packets from ${formatPrefix(subnet)} leave by ${way.name} with the pods' addresses, ` +
        "to which nobody outside knows a way: pods have no Internet",
      fix: fixFor(facts, version, masquerade),
    }];
  });
}

/** The checks of this family. */
export function outsideChecks(facts: Facts): readonly Check[] {
  const { firewall, config, self } = facts;
  if (firewall.unread.length > 0) return [];
  // The default node has the way out of all the others.
  if (config.defaultNode !== undefined && config.defaultNode !== self.name) return [];
  return versionsOf(facts).flatMap((version) => {
    const way = uplink(facts, version);
    if (!way || masquerades(config, self, version).length === 0) return [];
    return checksOf(
      version === 4 ? "outside" : "outside6",
      `${versionName(version)} from pods to the Internet`,
      `it leaves by ${way.name} with this host's address`,
      outside(facts, version, way),
    );
  });
}
