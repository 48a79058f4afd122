/** What a file has changed, in words, and what of it has to wait for a restart. Pure. */

import type { Endpoint } from "../../config/types.ts";
import type { ServiceConfig } from "../../config/service.ts";
import { formatEndpoint } from "../../net/prefix.ts";
import { type Members, type MembersDiff, prefixesText } from "./source.ts";

/** Members as a file has them, and where this node is to listen. */
export interface FileMembers extends Members {
  readonly endpoint: Endpoint;
}

/** Keys of the file beside the nodes that take effect. */
export function changedSettings(before: Members, after: Members): readonly string[] {
  const settings = ({ config, self }: Members) => ({
    network: prefixesText(config.networks),
    mtu: config.mtu_bytes,
    default: config.defaultNode,
    "this node's name": self.name,
  });
  const [one, other] = [settings(before), settings(after)];
  return (Object.keys(one) as (keyof typeof one)[]).filter((name) => one[name] !== other[name]);
}

/** What stays as it is until a restart, one sentence each. */
export function leftAsIs(running: FileMembers, wanted: FileMembers): readonly string[] {
  const text = ({ endpoint: { host, port } }: FileMembers) => formatEndpoint(host, port);
  const fixed: readonly (readonly [what: string, is: string, wanted: string])[] = [
    ["the device", running.config.device, wanted.config.device],
    ["the bridge", running.config.bridge ?? "none", wanted.config.bridge ?? "none"],
    ["this node's address and port", text(running), text(wanted)],
    ...serviceKeys.map((key) =>
      [key, keyText(running.config.service, key), keyText(wanted.config.service, key)] as const
    ),
  ];
  return fixed.filter(([, is, file]) => is !== file)
    .map(([what, is, file]) => `${what} cannot change while it runs: ${is} stays, not ${file}`);
}

const serviceKeys = ["http", "httpHosts", "httpTrace", "engine", "log"] as const;

/** A key of how a node runs, as words. */
function keyText(service: ServiceConfig | undefined, key: typeof serviceKeys[number]): string {
  const json = (_: string, value: unknown) => value instanceof Set ? [...value] : value;
  const value = service?.[key];
  const said = value !== false && !(Array.isArray(value) && value.length === 0);
  return said && JSON.stringify(value, json) || "none";
}

/** The changes by name, as a log line has them. */
export interface ChangedNames {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly string[];
  readonly settings: readonly string[];
}

/** The names of a diff. */
export function changedNames(
  { added, removed, changed }: MembersDiff,
  settings: readonly string[],
): ChangedNames {
  const names = (nodes: MembersDiff["added"]) => nodes.map(({ name }) => name);
  return { added: names(added), removed, changed: names(changed), settings };
}

/** The same as a phrase. */
export function changesText({ added, removed, changed, settings }: ChangedNames): string {
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
