/** Where a node's status socket is, and how it is put there safely. */

import { RunError } from "../base/errors.ts";
import { UNIX_PATH_MAX_BYTES } from "../base/limits.ts";
import { withUmask } from "../host/umask.ts";

/** Where root's nodes have their sockets. */
export const RUN_DIR = "/run/tunnet";

/** What the path depends on. */
export interface SocketPlace {
  readonly device: string;
  /** Name of the network namespace; undefined for the host's own. */
  readonly netns: string | undefined;
  readonly uid: number;
}

/**
 * Directories for status sockets, the first one that can be used is. The second
 * is for a node that an ordinary user runs (systemd-logind's pam module makes
 * /run/user/UID).
 */
export function socketDirectories(uid: number): readonly string[] {
  return uid === 0 ? [RUN_DIR] : [RUN_DIR, `/run/user/${uid}/tunnet`];
}

/**
 * Name of the socket of a node. A device's name is its namespace's own, and all
 * namespaces of a host may share /run: so the namespace's name is part of it.
 */
export function socketName(device: string, netns: string | undefined): string {
  return `${device}${namespacePart(netns)}.sock`;
}

function namespacePart(netns: string | undefined): string {
  // No device's name holds a slash or a colon, so ":" cannot be mistaken.
  return netns === undefined ? "" : `:${netns}`;
}

/** Whether a socket's name is of a node in this namespace. */
export function isOfNamespace(name: string, netns: string | undefined): boolean {
  const match = /^[^:]+(:.+)?\.sock$/.exec(name);
  return match !== null && (match[1] ?? "") === namespacePart(netns);
}

function fail(path: string, why: string, how = "--status-socket PATH"): never {
  throw new RunError({ what: `cannot open the status socket ${path}`, why, how });
}

function reason(error: unknown): string {
  if (error instanceof Deno.errors.PermissionDenied) return "permission denied";
  if (error instanceof Deno.errors.NotCapable) return "the executable may not write there";
  if (error instanceof Deno.errors.NotFound) return "no such directory";
  return error instanceof Error ? error.message : String(error);
}

/**
 * Makes a directory for sockets, or checks the one that exists: it must be ours
 * or root's, and nobody else's to write in. Throws a RunError.
 */
export function ensureSocketDirectory(directory: string, uid: number): void {
  try {
    Deno.mkdirSync(directory, { mode: 0o755 });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) fail(directory, reason(error));
  }
  const info = Deno.lstatSync(directory);
  if (!info.isDirectory) fail(directory, "it is no directory");
  const owner = info.uid ?? 0;
  if (owner !== uid && (uid !== 0 || owner !== 0)) fail(directory, `it belongs to user ${owner}`);
  if (((info.mode ?? 0) & 0o022) !== 0) {
    fail(directory, "others may write in it", `chmod go-w ${directory}`);
  }
}

/**
 * Clears the way for a socket: one that nobody listens on any more is removed,
 * as a node that was killed leaves one behind. Throws a RunError if somebody
 * does listen there, or if it is no socket at all.
 */
export async function clearSocketPath(path: string): Promise<void> {
  const length_bytes = new TextEncoder().encode(path).length;
  if (length_bytes > UNIX_PATH_MAX_BYTES) {
    fail(path, `${length_bytes} bytes, at most ${UNIX_PATH_MAX_BYTES}`);
  }
  let info: Deno.FileInfo;
  try {
    info = Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    return fail(path, reason(error));
  }
  if (!info.isSocket) fail(path, "the file there is no socket");
  try {
    (await Deno.connect({ transport: "unix", path })).close();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    if (!(error instanceof Deno.errors.ConnectionRefused)) fail(path, reason(error));
    Deno.removeSync(path);
    return;
  }
  fail(path, "another node serves it", `tunnet status --socket ${path} to see which`);
}

/** Listens on a unix socket that only its owner can use. Throws a RunError. */
export function listenOnSocket(path: string): Deno.UnixListener {
  try {
    // The socket must at no time be open to others.
    return withUmask(0o177, () => Deno.listen({ transport: "unix", path }));
  } catch (error) {
    return fail(path, reason(error));
  }
}

/** Which file is at a path, if it is a socket. */
export function socketIdentity(path: string): string | undefined {
  try {
    const { isSocket, dev, ino } = Deno.lstatSync(path);
    return isSocket ? `${dev}:${ino}` : undefined;
  } catch {
    return undefined;
  }
}

/** Removes the socket of a server that ends, unless another one is there by now. */
export function removeSocket(path: string, identity: string | undefined): void {
  if (identity === undefined || socketIdentity(path) !== identity) return;
  try {
    Deno.removeSync(path);
  } catch {
    // Its directory is not ours to write in any more; the next node clears the path.
  }
}
