/** What a new config changes, in words, and what of it has to wait for a restart. Pure. */

import type { Endpoint } from "../../config/types.ts";
import { formatEndpoint } from "../../net/prefix.ts";
import { type Members, nodeText, prefixesText } from "./source.ts";

/** Members as a file has them, and where this node is to listen. */
export interface FileMembers extends Members {
  readonly endpoint: Endpoint;
}

/** The differences between two files, by name. */
export interface Difference {
  /** Names of nodes that are new, gone, or have another address, port or subnets. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly string[];
  /** Other keys of the file that take effect. */
  readonly settings: readonly string[];
  /** What stays as it is until a restart, one sentence each. */
  readonly left: readonly string[];
}

/** Compares what runs with what a file says now. */
export function compareMembers(running: FileMembers, wanted: FileMembers): Difference {
  const before = new Map(running.config.nodes.map((node) => [node.name, node]));
  const after = new Map(wanted.config.nodes.map((node) => [node.name, node]));
  const names = [...after.keys()];
  const settings: string[] = [];
  const compare = (name: string, one: unknown, other: unknown) => {
    if (one !== other) settings.push(name);
  };
  compare("network", prefixesText(running.config.networks), prefixesText(wanted.config.networks));
  compare("mtu", running.config.mtu_bytes, wanted.config.mtu_bytes);
  compare("default", running.config.defaultNode, wanted.config.defaultNode);
  compare("this node's name", running.self.name, wanted.self.name);
  return {
    added: names.filter((name) => !before.has(name)),
    removed: [...before.keys()].filter((name) => !after.has(name)),
    changed: names.filter((name) =>
      before.has(name) && nodeText(before.get(name)!) !== nodeText(after.get(name)!)
    ),
    settings,
    left: leftAsIs(running, wanted),
  };
}

function leftAsIs(running: FileMembers, wanted: FileMembers): readonly string[] {
  const text = ({ endpoint: { host, port } }: FileMembers) => formatEndpoint(host, port);
  const fixed: readonly (readonly [what: string, is: string, wanted: string])[] = [
    ["the device", running.config.device, wanted.config.device],
    ["the bridge", running.config.bridge ?? "none", wanted.config.bridge ?? "none"],
    ["this node's address and port", text(running), text(wanted)],
  ];
  return fixed.filter(([, is, file]) => is !== file)
    .map(([what, is, file]) => `${what} cannot change while it runs: ${is} stays, not ${file}`);
}

/** The difference as a phrase for a log line. */
export function differenceText({ added, removed, changed, settings }: Difference): string {
  const list = (verb: string, names: readonly string[]) => {
    if (names.length === 0) return [];
    const more = names.length - LISTED_MAX;
    const shown = names.slice(0, LISTED_MAX).join(", ");
    return [`${verb} ${shown}${more > 0 ? ` and ${more} more` : ""}`];
  };
  const parts = [
    ...list("added", added),
    ...list("removed", removed),
    ...list("changed", [...changed, ...settings]),
  ];
  return parts.length > 0 ? parts.join("; ") : "nothing has changed";
}

/** Names that a log line lists. */
const LISTED_MAX = 16;
