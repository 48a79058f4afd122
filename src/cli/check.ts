/** `tunnet check`: prints the nodes of a config that has passed every check. Pure. */

import type { LoadedConfig, NodeConfig } from "../config/types.ts";
import { formatEndpoint, formatPrefix } from "../net/prefix.ts";
import { jsonText, type Output, table } from "./output.ts";

/** Subnets of one node that the table shows; JSON has them all. */
const SHOWN_MAX = 4;

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

function subnetCell({ subnets }: NodeConfig): string {
  if (subnets.length === 0) return "-";
  const shown = subnets.slice(0, SHOWN_MAX).map(formatPrefix).join(", ");
  return subnets.length > SHOWN_MAX ? `${shown} and ${subnets.length - SHOWN_MAX} more` : shown;
}

/** The table or JSON of a config. `self` is marked as this node, when it is known. */
export function check(
  { config, source, warnings }: LoadedConfig,
  self: NodeConfig | undefined,
  json: boolean,
): Output {
  if (json) {
    const stdout = jsonText({
      source,
      network: config.networks.map(formatPrefix),
      port: config.port,
      device: config.device,
      mode: config.mode,
      mtu: config.mtu_bytes,
      default: config.defaultNode ?? null,
      self: self?.name ?? null,
      nodes: config.nodes.map((node) => ({
        name: node.name,
        address: node.endpoint.host,
        port: node.endpoint.port,
        subnets: node.subnets.map(formatPrefix),
        ...(node.roaming ? { roaming: true } : {}),
      })),
      warnings,
    });
    return { stdout, exitCode: 0 };
  }
  const subnets = config.nodes.reduce((sum, node) => sum + node.subnets.length, 0);
  const settings = [
    `network ${config.networks.map(formatPrefix).join(", ") || "not set"}`,
    `port ${config.port}`,
    `device ${config.device}`,
    `mode ${config.mode}`,
    `mtu ${config.mtu_bytes}`,
  ].join(", ");
  const role = (node: NodeConfig) =>
    (node === self ? "  (this node)" : "") +
    (node.name === config.defaultNode ? "  (default)" : "") +
    (node.roaming ? "  (roaming)" : "");
  const rows = config.nodes.map((node) => [
    node.name,
    formatEndpoint(node.endpoint.host, node.endpoint.port),
    subnetCell(node) + role(node),
  ]);
  const head = `${source}: good: ${plural(config.nodes.length, "node")}, ` +
    `${plural(subnets, "subnet")}\n${settings}\n\n`;
  return { stdout: head + table([["NODE", "ADDRESS", "SUBNETS"], ...rows]), exitCode: 0 };
}
