/** Reads a config's bytes from this machine: from a file that can be trusted, or standard input. */

import { ConfigError } from "../base/errors.ts";
import { CONFIG_STDIN_TIMEOUT_MS, SYMLINKS_MAX } from "../base/limits.ts";
import { distrust, type PathEntry, type Trusted } from "./trust.ts";

/** Whether this process was started as root, which it may not be any more when it reads again. */
const STARTED_AS_ROOT = Deno.uid() === 0;

/** Names of standard input. Deno lets nobody open the last three by name. */
const STDIN_NAMES = ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"];

/** Whether a path means standard input. */
export const isStdin = (path: string): boolean => STDIN_NAMES.includes(path);

function refuse(path: string, why: string, how: string, what = "cannot be read"): never {
  throw new ConfigError([{ what: `${path}: ${what}`, why, how }]);
}

/** Why a file cannot be read, in our words. */
function readErrorText(error: unknown): string {
  if (error instanceof Deno.errors.PermissionDenied) return "permission denied";
  if (error instanceof Deno.errors.IsADirectory) return "a directory";
  if (error instanceof Deno.errors.NotADirectory) return "a part of the path is no directory";
  if (error instanceof Deno.errors.FilesystemLoop) return "too many symbolic links";
  // Below /proc, /sys and /dev, whatever is there.
  if (error instanceof Deno.errors.NotCapable) return "not a plain file";
  return error instanceof Error ? error.message : String(error);
}

const HOW = "-c FILE";

function entryOf(path: string, info: Deno.FileInfo): PathEntry {
  const kind = info.isSymlink ? "link" : info.isDirectory ? "directory" : "file";
  return { path, kind, uid: info.uid ?? 0, gid: info.gid ?? 0, mode: info.mode ?? 0 };
}

/**
 * All that decides which file a path leads to: each directory on the way and each symbolic link, with
 * the way to where that points; the file comes last. Throws what Deno.lstatSync does.
 */
export function pathEntries(path: string): PathEntry[] {
  const entries: PathEntry[] = [entryOf("/", Deno.lstatSync("/"))];
  const parts = (path.startsWith("/") ? path : `${Deno.cwd()}/${path}`).split("/").reverse();
  let at = "";
  for (let links = 0; parts.length > 0;) {
    const part = parts.pop()!;
    if (part === "" || part === ".") continue;
    if (part === "..") {
      at = at.slice(0, Math.max(0, at.lastIndexOf("/")));
      continue;
    }
    const next = `${at}/${part}`;
    const info = Deno.lstatSync(next);
    entries.push(entryOf(next, info));
    if (!info.isSymlink) {
      at = next;
      continue;
    }
    if (++links > SYMLINKS_MAX) throw new Deno.errors.FilesystemLoop();
    const target = Deno.readLinkSync(next);
    parts.push(...target.split("/").reverse());
    if (target.startsWith("/")) at = "";
  }
  return entries;
}

/** Whom root trusts with a config: itself, and who has become root by sudo, whose config it is. */
function trustedBySudo(): Trusted {
  const ids = (name: string) => {
    const text = Deno.env.get(name) ?? "";
    return /^[0-9]{1,10}$/.test(text) ? [Number(text)] : [];
  };
  return { uids: [0, ...ids("SUDO_UID")], gids: [0, ...ids("SUDO_GID")] };
}

/** Refuses what is no plain file: to open a pipe would be to wait for its writer. */
function refuseOddFile(path: string, info: Deno.FileInfo): void {
  const kind = info.isDirectory
    ? "a directory"
    : info.isFifo
    ? "a pipe"
    : info.isSocket
    ? "a socket"
    : info.isFile
    ? undefined
    : "a device";
  if (kind === undefined) return;
  refuse(path, `${kind}, not a file`, info.isFifo ? `-c - <${path}` : HOW);
}

/** Throws a ConfigError for a file that user `uid` could not read. */
export function refuseUnread(path: string, error: unknown, uid: number): never {
  const denied = error instanceof Deno.errors.PermissionDenied && uid !== 0;
  refuse(path, readErrorText(error), denied ? "sudo" : HOW);
}

/**
 * The first `max_bytes` of a plain file, undefined if there is none of that name. Where root reads
 * it, nobody else may have a say in what it holds. Throws a ConfigError.
 */
export function readConfigFile(path: string, max_bytes: number): Uint8Array | undefined {
  try {
    refuseOddFile(path, Deno.statSync(path));
    const found = STARTED_AS_ROOT ? distrust(pathEntries(path), trustedBySudo()) : undefined;
    if (found) refuse(path, found.why, found.how, "not used");
    using file = Deno.openSync(path, { read: true });
    return readSync(file, max_bytes);
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    if (error instanceof Deno.errors.NotFound) return undefined;
    return refuseUnread(path, error, Deno.uid() ?? 0);
  }
}

function readSync(file: Deno.FsFile, max_bytes: number): Uint8Array {
  // A file that grows meanwhile is cut off, not waited for. Some file systems tell no size.
  const bytes = new Uint8Array(Math.min(max_bytes, Math.max(file.statSync().size + 1, 65_536)));
  let length = 0;
  while (length < bytes.length) {
    const got_bytes = file.readSync(bytes.subarray(length));
    if (got_bytes === null) break;
    length += got_bytes;
  }
  return bytes.subarray(0, length);
}

/** What a config's source is called that came from standard input. */
export const STDIN_SOURCE = "standard input";

/** The first `max_bytes` of standard input. Throws a ConfigError if it does not end in time. */
export async function readConfigStdin(
  max_bytes: number,
  timeout_ms = CONFIG_STDIN_TIMEOUT_MS,
): Promise<Uint8Array> {
  if (Deno.stdin.isTerminal()) refuse(STDIN_SOURCE, "it is a terminal", "-c - <FILE");
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    const why = `it did not end within ${timeout_ms / 1000} s`;
    late.reject(new ConfigError([{ what: `${STDIN_SOURCE}: cannot be read`, why, how: HOW }]));
  }, timeout_ms);
  try {
    return await Promise.race([readToEnd(max_bytes), late.promise]);
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    return refuse(STDIN_SOURCE, readErrorText(error), HOW);
  } finally {
    clearTimeout(timer);
  }
}

async function readToEnd(max_bytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for (let length = 0; length < max_bytes;) {
    const chunk = new Uint8Array(Math.min(65_536, max_bytes - length));
    const got_bytes = await Deno.stdin.read(chunk);
    if (got_bytes === null) break;
    chunks.push(chunk.subarray(0, got_bytes));
    length += got_bytes;
  }
  return new Uint8Array(await new Blob(chunks as BlobPart[]).arrayBuffer());
}
