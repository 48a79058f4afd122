/** What the keys of a config have to be, and what becomes of them. Pure. */

import { PRIVATE_KEY_FILE } from "../base/limits.ts";
import { formatKey } from "../wire/keys.ts";
import type { Mode } from "../wire/mode.ts";
import type { Draft, DraftNode } from "./draft.ts";
import type { Problems } from "./problems.ts";
import type { Config, NodeConfig } from "./types.ts";

/** Nodes that an error names. */
const NAMED_MAX = 8;

/**
 * Checks the keys of all nodes: each has its own, and all have one as soon as one has, unless
 * `allow_plain` says that some may be spoken to in the clear.
 */
export function checkKeys(draft: Draft, mode: Mode, problems: Problems): void {
  const keyed = draft.nodes.filter(({ publicKey }) => publicKey);
  const without = draft.nodes.filter(({ publicKey }) => !publicKey);
  const seen = new Map<string, string>();
  for (const { publicKey } of keyed) {
    const text = formatKey(publicKey!.key);
    const first = seen.get(text);
    if (first === undefined) seen.set(text, publicKey!.path);
    else {
      problems.add(publicKey!.path, {
        what: "this key is used twice",
        why: `also ${problems.where(first)}`,
        how: "a key of its own for each node: tunnet key, on that node",
      });
    }
  }
  checkUnkeyed(without, problems);
  if (keyed.length === 0) return;
  if (without.length > 0 && draft.allowPlain !== true) {
    const names = without.slice(0, NAMED_MAX).map(({ name, path }) => name ?? path).join(", ");
    const more = without.length > NAMED_MAX ? ` and ${without.length - NAMED_MAX} more` : "";
    problems.add("nodes", {
      what: `no public_key for ${names}${more}`,
      why: "the other nodes have keys, and nothing is said in the clear then",
      how: "tunnet key, on each of these nodes, or allow_plain: true",
    });
  }
  if (mode === "tap" && without.length > 0 && draft.allowPlain === true) {
    problems.add("allow_plain", {
      what: "not in mode tap",
      why: "a frame in the clear may begin like a sealed one",
      how: "a public_key for every node",
    });
  }
  const foreign = keyed.find(({ wireguard }) => wireguard === true);
  if (mode === "tap" && foreign) {
    problems.add(`${foreign.path}.wireguard`, {
      what: "not in mode tap",
      why: "WireGuard carries IP packets, and no frames",
      how: "mode: tun, or a tunnet on that node",
    });
  }
}

/** What says how packets are sealed needs a key to seal by. */
function checkUnkeyed(nodes: readonly DraftNode[], problems: Problems): void {
  for (const { path, presharedKeyFile, wireguard, keepalive_ms } of nodes) {
    const key = presharedKeyFile !== undefined
      ? "preshared_key_file"
      : wireguard === true
      ? "wireguard"
      : keepalive_ms
      ? "keepalive"
      : undefined;
    if (key === undefined) continue;
    problems.add(`${path}.${key}`, {
      what: "needs a public_key",
      how: "public_key: KEY beside it",
    });
  }
}

/** The keys of a node, as a part of its config. */
export function nodeKeysOf(node: DraftNode): Pick<NodeConfig, "keys"> {
  const { publicKey, presharedKeyFile, wireguard = false, keepalive_ms = 0 } = node;
  if (!publicKey) return {};
  return {
    keys: Object.freeze({
      publicKey: publicKey.key,
      ...(presharedKeyFile === undefined ? {} : { presharedKeyFile }),
      wireguard,
      keepalive_ms,
    }),
  };
}

/** What the config says of keys besides those of the nodes. */
export function keysOf({ nodes, privateKeyFile, allowPlain }: Draft): Pick<Config, "keys"> {
  if (!nodes.some(({ publicKey }) => publicKey)) return {};
  return {
    keys: Object.freeze({
      privateKeyFile: privateKeyFile ?? PRIVATE_KEY_FILE,
      allowPlain: allowPlain ?? false,
    }),
  };
}
