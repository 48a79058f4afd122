/** Reads a file that holds a key, as `wg genkey` writes it. */

import { credentialName, CREDENTIALS_VARIABLE } from "../base/credentials.ts";
import { ConfigError } from "../base/errors.ts";
import { parseKey } from "../wire/keys.ts";

/** A key's line, and what an editor may have added. */
const KEY_FILE_MAX_BYTES = 256;
const OTHERS = 0o007;

/** Where the file of this path is read: what a service manager has handed over goes first. */
export function placeOf(
  path: string,
  credentials: string | undefined = Deno.env.get(CREDENTIALS_VARIABLE),
): string {
  if (!credentials) return path;
  const handed = `${credentials}/${credentialName(path)}`;
  try {
    Deno.statSync(handed);
    return handed;
  } catch {
    return path;
  }
}

/**
 * The 32 bytes. Throws a ConfigError of one line: the file is missing, cannot be read, may be read
 * by everybody, or holds no key. With `credentials`, a copy in that folder is read instead.
 */
export function readKeyFile(
  path: string,
  credentials = Deno.env.get(CREDENTIALS_VARIABLE),
): Uint8Array<ArrayBuffer> {
  const place = placeOf(path, credentials);
  const refuse = (what: string, how: string): never => {
    throw new ConfigError([{ what: `${path}: ${what}`, how }]);
  };
  let info: Deno.FileInfo;
  try {
    info = Deno.statSync(place);
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
    text = Deno.readTextFileSync(place);
  } catch {
    return refuse("cannot be read by this user", "sudo");
  }
  return parseKey(text.trim()) ?? refuse("holds no key", "44 characters of base64, as wg genkey");
}
