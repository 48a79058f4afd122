/** `tunnet check`: prints the nodes of a config that has passed every check. */

import { escapeControls } from "../base/text.ts";
import { findSelfIfAny } from "../config/self.ts";
import { type LoadedConfig, NO_HOST, type NodeConfig } from "../config/types.ts";
import { formatMac } from "../net/ethernet.ts";
import { formatEndpoint, formatPrefix } from "../net/prefix.ts";
import type { Options } from "./commands.ts";
import { loadHere, warnOf } from "./here.ts";
import { jsonText, type Output, show, table } from "./output.ts";

/** Subnets of one node that the table shows; JSON has them all. */
const SHOWN_MAX = 4;

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : noun.endsWith("s") ? "es" : "s"}`;
}

function macsOf({ macs }: NodeConfig): readonly string[] {
  return (macs ?? []).map(formatMac);
}

function cell(texts: readonly string[]): string {
  if (texts.length === 0) return "-";
  const shown = texts.slice(0, SHOWN_MAX).join(", ");
  return texts.length > SHOWN_MAX ? `${shown} and ${texts.length - SHOWN_MAX} more` : shown;
}

/** The table or JSON of a config. `self` is marked as this node, when it is known. */
export function check(
  { config, source, warnings }: LoadedConfig,
  self: NodeConfig | undefined,
  json: boolean,
): Output {
  const tap = config.mode === "tap";
  if (json) {
    const stdout = jsonText({
      source,
      network: config.networks.map(formatPrefix),
      port: config.port,
      device: config.device,
      mode: config.mode,
      ...(tap ? { bridge: config.bridge ?? null } : {}),
      mtu: config.mtu_bytes,
      default: config.defaultNode ?? null,
      self: self?.name ?? null,
      nodes: config.nodes.map((node) => ({
        name: node.name,
        address: node.endpoint.host,
        port: node.endpoint.port,
        subnets: node.subnets.map(formatPrefix),
        ...(tap ? { macs: macsOf(node) } : {}),
        ...(node.accept ? { accept: node.accept.map(formatPrefix) } : {}),
      })),
      warnings,
    });
    return { stdout, exitCode: 0 };
  }
  const subnets = config.nodes.reduce((sum, node) => sum + node.subnets.length, 0);
  const macs = config.nodes.reduce((sum, node) => sum + macsOf(node).length, 0);
  const settings = [
    `network ${config.networks.map(formatPrefix).join(", ") || "not set"}`,
    `port ${config.port}`,
    `device ${config.device}`,
    `mode ${config.mode}`,
    ...(config.bridge === undefined ? [] : [`bridge ${config.bridge}`]),
    `mtu ${config.mtu_bytes}`,
  ].join(", ");
  const role = (node: NodeConfig) =>
    (node === self ? "  (this node)" : "") +
    (node.name === config.defaultNode ? "  (default)" : "") +
    (node.accept ? `  (accepts ${cell(node.accept.map(formatPrefix))})` : "");
  const rows = config.nodes.map((node) => [
    node.name,
    node.endpoint.host === NO_HOST
      ? "no address: it calls"
      : formatEndpoint(node.endpoint.host, node.endpoint.port),
    cell(tap ? macsOf(node) : node.subnets.map(formatPrefix)) + role(node),
  ]);
  const head = `${escapeControls(source)}: good: ${plural(config.nodes.length, "node")}, ` +
    `${tap ? plural(macs, "MAC address") : plural(subnets, "subnet")}\n${settings}\n\n`;
  return {
    stdout: head + table([["NODE", "ADDRESS", tap ? "MACS" : "SUBNETS"], ...rows]),
    exitCode: 0,
  };
}

/** Checks the config; returns the exit status. Throws a ConfigError. */
export async function runCheck(options: Options["check"]): Promise<number> {
  const here = await loadHere(options);
  warnOf(here);
  return show(
    check(here.loaded, findSelfIfAny(here.loaded, here.view, options.node), options.json),
  );
}
