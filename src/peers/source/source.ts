/** Where members come from: one interface for a file, the command line, and what is to come. Pure. */

import type { Config, NodeConfig } from "../../config/types.ts";
import { formatKey } from "../../wire/keys.ts";
import { formatMac } from "../../net/ethernet.ts";
import { formatEndpoint, formatPrefix, type Prefix } from "../../net/prefix.ts";

/** Who takes part: a config, and which node of it this is. */
export interface Members {
  readonly config: Config;
  readonly self: NodeConfig;
}

/** What leads from one set of members to the next: where to, and the nodes that differ. */
export interface MembersDiff extends Members {
  readonly added: readonly NodeConfig[];
  /** Nodes of which the config says something else than before. */
  readonly changed: readonly NodeConfig[];
  /** Names of nodes that are gone. */
  readonly removed: readonly string[];
}

/** Goes over to a diff. Throws a RunError, and nothing has changed then. */
export type OnChange = (diff: MembersDiff) => Promise<void>;

/** What became of asking a source again. */
export interface ReloadOutcome {
  /** False: nothing was changed. */
  readonly ok: boolean;
  /** Exit status that says the same: 0, 1 if it failed while running, 2 if the config is bad. */
  readonly exitCode: number;
  /** What is wrong, one line each; or what has changed, and what could not. */
  readonly lines: readonly string[];
}

/** A source of members. */
export interface MemberSource {
  /** From now on `onChange` gets every change, one after the other. */
  watch(onChange: OnChange): void;
  /** Looks now whether something has changed; not before an earlier look has come to its end. */
  reload(): Promise<ReloadOutcome>;
  /** Ends what it does by itself. */
  close(): void;
}

/** Prefixes as one text, whatever their order. */
export const prefixesText = (list: readonly Prefix[]): string =>
  list.map(formatPrefix).sort().join(" ");

/** All that a config says of a node but its name, as one text. */
function nodeText(
  { endpoint: { host, port }, subnets, macs, accept, keys }: NodeConfig,
): string {
  const stations = (macs ?? []).map(formatMac).sort().join(" ");
  const accepted = prefixesText(accept ?? []);
  const sealed = keys
    ? [formatKey(keys.publicKey), keys.presharedKeyFile, keys.wireguard, keys.keepalive_ms].join()
    : "";
  return [formatEndpoint(host, port), prefixesText(subnets), stations, accepted, sealed].join(";");
}

/** What leads from some members to others. */
export function membersDiff(before: Members, { config, self }: Members): MembersDiff {
  const known = new Map(before.config.nodes.map((node) => [node.name, nodeText(node)]));
  const names = new Set(config.nodes.map(({ name }) => name));
  return {
    config,
    self,
    added: config.nodes.filter(({ name }) => !known.has(name)),
    changed: config.nodes.filter((node) =>
      known.has(node.name) && known.get(node.name) !== nodeText(node)
    ),
    removed: [...known.keys()].filter((name) => !names.has(name)),
  };
}
