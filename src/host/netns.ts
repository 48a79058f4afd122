/**
 * The network namespace of this process, by the name that `ip netns` gave it.
 * Through libc: Deno guards /proc behind all permissions, and the executable is
 * built with few.
 */

import { cString, libc } from "../../ffi/libc.ts";

/** Where `ip netns` mounts the namespaces that it has named (ip-netns(8)). */
const NAMED = "/run/netns";

/** Inode of this process's network namespace; undefined where /proc does not tell. */
function ownInode(): number | undefined {
  const bytes = new Uint8Array(64);
  const size = libc().call.readlink(cString("/proc/self/ns/net"), bytes, bytes.length);
  // `net:[4026531840]`, as namespaces(7) has it.
  const match = /^net:\[(\d+)\]$/.exec(new TextDecoder().decode(bytes.subarray(0, size)));
  return match ? Number(match[1]) : undefined;
}

/** The name of this process's network namespace; undefined for one without, as the host's is. */
export function netnsName(): string | undefined {
  const own = ownInode();
  if (own === undefined) return undefined;
  try {
    for (const { name } of Deno.readDirSync(NAMED)) {
      if (isInode(`${NAMED}/${name}`, own)) return name;
    }
  } catch (error) {
    // There are no named ones.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return undefined;
}

function isInode(path: string, inode: number): boolean {
  try {
    return Deno.statSync(path).ino === inode;
  } catch {
    // It was removed just now.
    return false;
  }
}
