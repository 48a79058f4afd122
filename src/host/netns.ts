/**
 * Network namespaces and the names that `ip netns` shows (ip-netns(8)). Through
 * libc: Deno guards /proc behind all permissions, and the executable is built
 * with few.
 */

import { ERRNO } from "../../ffi/errno.ts";
import { MNT_DETACH, MS_BIND, MS_REC, MS_SHARED, O_CLOEXEC } from "../../ffi/file.ts";
import { cString, libc, SyscallError } from "../../ffi/libc.ts";
import { CLONE_NEWNET } from "../../ffi/process.ts";

/** Where namespaces that have a name are mounted. */
const NAMED = "/run/netns";
/** The namespace of the calling thread; that of the process is its first thread's. */
const OF_THREAD = "/proc/thread-self/ns/net";

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

/** Where the namespace of this name is mounted. */
export function netnsPath(name: string): string {
  return `${NAMED}/${name}`;
}

/** The names that `ip netns list` shows. */
export function netnsNames(): readonly string[] {
  try {
    return [...Deno.readDirSync(NAMED)].map(({ name }) => name).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** A descriptor of the namespace behind a path; of the calling thread's own without one. */
export function openNetns(path = OF_THREAD): number {
  const { call, check } = libc();
  return check(`open ${path}`, call.open(cString(path), O_CLOEXEC));
}

/**
 * Moves the calling thread into a namespace, and what it opens or starts from then on. Only for a
 * Worker: the main thread hands its namespace on to threads that others rely on.
 */
export function enterNetns(fd: number): void {
  const { call, check } = libc();
  check("setns", call.setns(fd, CLONE_NEWNET));
}

/** Makes the directory of names, as a mount that other mount namespaces see the changes of. */
function shareNames(): void {
  const { call, check } = libc();
  Deno.mkdirSync(NAMED, { recursive: true, mode: 0o755 });
  const [none, path] = [cString("none"), cString(NAMED)];
  const share = () => call.mount(cString(""), path, none, MS_SHARED | MS_REC, null);
  if (share() === 0) return;
  // It is no mount point yet.
  check(`mount ${NAMED}`, call.mount(path, path, none, MS_BIND | MS_REC, null));
  check(`mount ${NAMED}`, share());
}

/**
 * Makes a namespace, leaves the calling thread in it, and gives it a name once `prepare` is done:
 * nobody sees it unprepared. Throws a SyscallError: EEXIST if the name is taken. Only for a Worker.
 */
export function makeNetns(name: string, prepare: () => void): void {
  const { call, check } = libc();
  shareNames();
  try {
    Deno.writeFileSync(netnsPath(name), new Uint8Array(0), { createNew: true, mode: 0o444 });
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) throw new SyscallError("open", ERRNO.EEXIST);
    throw error;
  }
  try {
    check("unshare", call.unshare(CLONE_NEWNET));
    prepare();
    const [source, target] = [cString(OF_THREAD), cString(netnsPath(name))];
    check("mount", call.mount(source, target, cString("none"), MS_BIND, null));
  } catch (error) {
    Deno.removeSync(netnsPath(name));
    throw error;
  }
}

/** Takes a namespace's name away; the namespace goes with its last process and descriptor. */
export function removeNetns(name: string): void {
  const path = netnsPath(name);
  // EINVAL: nothing is mounted there, the making of it was cut short.
  libc().call.umount2(cString(path), MNT_DETACH);
  Deno.removeSync(path);
}
