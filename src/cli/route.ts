/** `tunnet route`: which node gets a destination, and why. */

import { findSelfIfAny, nodeByName } from "../config/self.ts";
import { type LoadedConfig, NO_HOST, type NodeConfig } from "../config/types.ts";
import { EXIT } from "../base/errors.ts";
import {
  addressBits,
  formatAddress,
  formatEndpoint,
  formatPrefix,
  type Prefix,
  prefixCovers,
} from "../net/prefix.ts";
import type { Options } from "./commands.ts";
import { configName, loadHere, warnOf } from "./here.ts";
import type { Target } from "./parse/values.ts";
import { complain, jsonText, type Output, show } from "./output.ts";

interface Match {
  readonly node: NodeConfig;
  readonly prefix: Prefix;
}

function byLength(nodes: readonly NodeConfig[], fits: (prefix: Prefix) => boolean) {
  return nodes.flatMap((node) =>
    node.subnets.filter(fits).map((prefix): Match => ({ node, prefix }))
  )
    .sort((a, b) => b.prefix.length_bits - a.prefix.length_bits);
}

/** Mode tap: frames go to whoever has the MAC address, and that is learned while they flow. */
function switched(text: string, json: boolean): Output {
  const stdout = json
    ? jsonText({ address: text, node: null, endpoint: null, reason: "tap", subnet: null })
    : `${text} -> no node: in mode tap frames go by MAC address, and nodes learn whose that is\n`;
  return { stdout, exitCode: EXIT.failed };
}

const endpointText = ({ endpoint: { host, port } }: NodeConfig) =>
  host === NO_HOST ? "wherever it calls from" : formatEndpoint(host, port);

/** All that a node gets. Throws a UsageError if there is no such node. */
function routeToNode({ config }: LoadedConfig, name: string, json: boolean): Output {
  const node = nodeByName(config, name);
  const subnets = node.subnets.map(formatPrefix);
  const isDefault = name === config.defaultNode;
  if (json) {
    const stdout = jsonText({
      node: name,
      endpoint: endpointText(node),
      subnets,
      default: isDefault,
    });
    return { stdout, exitCode: 0 };
  }
  const gets = [...subnets, ...(isDefault ? ["what no subnet covers"] : [])];
  const stdout = [`${name} ${endpointText(node)} gets`, ...gets.map((text) => `  ${text}`)].join(
    "\n",
  );
  return { stdout: (gets.length > 0 ? stdout : `${stdout} nothing`) + "\n", exitCode: 0 };
}

/** Finds the node for an address, a subnet or a node's name. `self` is this node, when it is known. Exit status 1 for none. */
export function route(
  loaded: LoadedConfig,
  target: Target,
  self: NodeConfig | undefined,
  json: boolean,
): Output {
  const { config } = loaded;
  const text = typeof target === "string"
    ? target
    : "length_bits" in target
    ? formatPrefix(target)
    : formatAddress(target.bytes);
  if (config.mode === "tap") return switched(text, json);
  if (typeof target === "string") return routeToNode(loaded, target, json);
  const asked = { length_bits: addressBits(target.version), ...target };
  const [best, ...others] = byLength(config.nodes, (prefix) => prefixCovers(prefix, asked));
  const inside = byLength(
    config.nodes,
    (prefix) => prefix.length_bits > asked.length_bits && prefixCovers(asked, prefix),
  );
  const fallback = config.nodes.find(({ name }) => name === config.defaultNode);
  const node = best?.node ?? fallback;
  const reason = best ? "subnet" : fallback ? "default" : "none";
  const exitCode = node ? 0 : EXIT.failed;
  if (json) {
    const stdout = jsonText({
      address: text,
      node: node?.name ?? null,
      endpoint: node ? endpointText(node) : null,
      reason,
      subnet: best ? formatPrefix(best.prefix) : null,
      local: node !== undefined && node === self,
      also: others.map((other) => ({
        node: other.node.name,
        subnet: formatPrefix(other.prefix),
      })),
      ...(inside.length === 0 ? {} : {
        inside: inside.map(({ node, prefix }) => ({
          node: node.name,
          subnet: formatPrefix(prefix),
        })),
      }),
    });
    return { stdout, exitCode };
  }
  const within = inside.map(({ node, prefix }) =>
    `  ${formatPrefix(prefix)} inside it goes to ${node.name} ${endpointText(node)}`
  );
  if (node === undefined) {
    const why = "no subnet covers it, and there is no default node; it is answered with ICMP";
    return { stdout: [`${text} -> no node: ${why}`, ...within].join("\n") + "\n", exitCode };
  }
  const lines = [
    `${text} -> ${node.name} ${endpointText(node)}` +
    (node === self ? " (this node: it does not enter the tunnel)" : ""),
    best
      ? `  ${formatPrefix(best.prefix)} of ${best.node.name} is the longest prefix that covers it`
      : `  no subnet covers it, and ${node.name} is the default node`,
    ...others.map((other) =>
      `  ${formatPrefix(other.prefix)} of ${other.node.name} covers it too, but is shorter`
    ),
    ...within,
  ];
  if (!best && !config.networks.some((network) => prefixCovers(network, asked))) {
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
  const { target, node, json } = options;
  return show(route(here.loaded, target, findSelfIfAny(here.loaded, here.view, node), json));
}
