/** Reads a file that holds a key, as `wg genkey` writes it. */

import { ConfigError } from "../base/errors.ts";
import { parseKey } from "../wire/keys.ts";

/** A key's line, and what an editor may have added. */
const KEY_FILE_MAX_BYTES = 256;
const OTHERS = 0o007;

/**
 * The 32 bytes. Throws a ConfigError of one line: the file is missing, cannot be read, may be read
 * by everybody, or holds no key.
 */
export function readKeyFile(path: string): Uint8Array<ArrayBuffer> {
  const refuse = (what: string, how: string): never => {
    throw new ConfigError([{ what: `${path}: ${what}`, how }]);
  };
  let info: Deno.FileInfo;
  try {
    info = Deno.statSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      return refuse("there is no such key file", "sudo tunnet key, on this node");
    }
    return refuse(`cannot be read (${error instanceof Error ? error.message : error})`, "sudo");
  }
  if (!info.isFile) return refuse("not a file", "sudo tunnet key, on this node");
  if (((info.mode ?? 0) & OTHERS) !== 0) {
    return refuse("everybody on this host may use this key", `chmod 600 ${path}`);
  }
  if (info.size > KEY_FILE_MAX_BYTES) return refuse("holds more than a key", "sudo tunnet key");
  let text: string;
  try {
    text = Deno.readTextFileSync(path);
  } catch {
    return refuse("cannot be read by this user", "sudo");
  }
  return parseKey(text.trim()) ?? refuse("holds no key", "44 characters of base64, as wg genkey");
}
