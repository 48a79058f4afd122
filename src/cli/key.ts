/** `tunnet key`: this node's private key, and the line of the config that goes with it. */

import { RunError } from "../base/errors.ts";
import { PRIVATE_KEY_FILE } from "../base/limits.ts";
import { readKeyFile } from "../host/key_file.ts";
import { clamp, erase, formatKey, KEY_BYTES } from "../wire/keys.ts";
import { PrivateKey } from "../wireguard/x25519.ts";
import type { Options } from "./commands.ts";
import { complain, say } from "./output.ts";

/** Makes a key in a new file that its owner alone may read; false where there is one already. */
function makeKeyFile(path: string): boolean {
  const key = clamp(crypto.getRandomValues(new Uint8Array(KEY_BYTES)));
  try {
    const directory = path.slice(0, path.lastIndexOf("/"));
    if (directory !== "") Deno.mkdirSync(directory, { recursive: true, mode: 0o755 });
    using file = Deno.openSync(path, { write: true, createNew: true, mode: 0o600 });
    const line = new TextEncoder().encode(`${formatKey(key)}\n`);
    if (file.writeSync(line) !== line.length) throw new Deno.errors.WriteZero("the disk is full");
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    const why = error instanceof Error ? error.message : String(error);
    const how = error instanceof Deno.errors.PermissionDenied ? "sudo tunnet key" : undefined;
    throw new RunError({ what: `cannot make ${path}`, why, ...(how ? { how } : {}) });
  } finally {
    erase(key);
  }
}

/** Runs it; the exit status. Throws a RunError or a ConfigError. */
export function runKey({ privateKeyFile, show }: Options["key"]): number {
  const path = privateKeyFile ?? PRIVATE_KEY_FILE;
  const made = !show && makeKeyFile(path);
  const key = readKeyFile(path);
  const { publicKey } = new PrivateKey(key);
  erase(key);
  if (made) complain(`tunnet: ${path} holds a new private key: it never leaves this node\n`);
  say(`public_key: "${formatKey(publicKey)}"\n`);
  return 0;
}
