/** `tunnet route`: which node gets a destination, and why. */

import { findSelfIfAny } from "../config/self.ts";
import type { LoadedConfig, NodeConfig } from "../config/types.ts";
import { EXIT } from "../base/errors.ts";
import {
  type Address,
  formatAddress,
  formatEndpoint,
  formatPrefix,
  type Prefix,
  prefixContains,
} from "../net/prefix.ts";
import type { Options } from "./commands.ts";
import { configName, loadHere, warnOf } from "./here.ts";
import { complain, jsonText, type Output, show } from "./output.ts";

interface Match {
  readonly node: NodeConfig;
  readonly prefix: Prefix;
}

function matches(nodes: readonly NodeConfig[], address: Address): readonly Match[] {
  return nodes.flatMap((node) =>
    node.subnets.filter((prefix) => prefixContains(prefix, address))
      .map((prefix) => ({ node, prefix }))
  ).sort((a, b) => b.prefix.length_bits - a.prefix.length_bits);
}

/** Mode tap: frames go to whoever has the MAC address, and that is learned while they flow. */
function switched(address: Address, json: boolean): Output {
  const text = formatAddress(address.bytes);
  const stdout = json
    ? jsonText({ address: text, node: null, endpoint: null, reason: "tap", subnet: null })
    : `${text} -> no node: in mode tap frames go by MAC address, and nodes learn whose that is\n`;
  return { stdout, exitCode: EXIT.failed };
}

/** Finds the node for the address. `self` is this node, when it is known. Exit status 1 for none. */
export function route(
  { config }: LoadedConfig,
  address: Address,
  self: NodeConfig | undefined,
  json: boolean,
): Output {
  if (config.mode === "tap") return switched(address, json);
  const [best, ...others] = matches(config.nodes, address);
  const fallback = config.nodes.find(({ name }) => name === config.defaultNode);
  const node = best?.node ?? fallback;
  const reason = best ? "subnet" : fallback ? "default" : "none";
  const text = formatAddress(address.bytes);
  const exitCode = node ? 0 : EXIT.failed;
  if (json) {
    const stdout = jsonText({
      address: text,
      node: node?.name ?? null,
      endpoint: node ? formatEndpoint(node.endpoint.host, node.endpoint.port) : null,
      reason,
      subnet: best ? formatPrefix(best.prefix) : null,
      local: node !== undefined && node === self,
      also: others.map((other) => ({
        node: other.node.name,
        subnet: formatPrefix(other.prefix),
      })),
    });
    return { stdout, exitCode };
  }
  if (node === undefined) {
    const why = "no subnet covers it, and there is no default node";
    return { stdout: `${text} -> no node: ${why}; it is answered with ICMP\n`, exitCode };
  }
  const lines = [
    `${text} -> ${node.name} ${formatEndpoint(node.endpoint.host, node.endpoint.port)}` +
    (node === self ? " (this node: it does not enter the tunnel)" : ""),
    best
      ? `  ${formatPrefix(best.prefix)} of ${best.node.name} is the longest prefix that covers it`
      : `  no subnet covers it, and ${node.name} is the default node`,
    ...others.map((other) =>
      `  ${formatPrefix(other.prefix)} of ${other.node.name} covers it too, but is shorter`
    ),
  ];
  if (!best && !config.networks.some((network) => prefixContains(network, address))) {
    lines.push("  it lies in no network: it reaches the device only by a route of your own");
  }
  return { stdout: lines.join("\n") + "\n", exitCode };
}

/** Prints the node for an address; returns the exit status. Throws a ConfigError. */
export async function runRoute(options: Options["route"]): Promise<number> {
  const here = await loadHere(options);
  // One that was found, not named.
  if (options.config === undefined) complain(`tunnet: config: ${configName(here.loaded)}\n`);
  warnOf(here);
  const { address, node, json } = options;
  return show(route(here.loaded, address, findSelfIfAny(here.loaded, here.view, node), json));
}
