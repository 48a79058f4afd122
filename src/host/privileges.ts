/**
 * Gives up what a node no longer needs (capabilities(7), prctl(2)).
 *
 * A capability is a thread's own, and Deno has threads of its own (for blocking calls, for V8) that
 * run no code of ours. libc changes the user of all threads at once, and with root they lose all
 * capabilities; whoever was no root keeps there what it was started with (seccomp.ts takes the sting
 * out). The threads that run JavaScript, and so read what comes from the network, are the main thread
 * and the lanes' Workers: each of them calls `dropPrivileges`.
 */

import { libc } from "../../ffi/libc.ts";
import { readKernelFile } from "./sysctl.ts";
import {
  CAP_DATA,
  CAP_HEADER,
  CAP_LAST,
  CAP_VERSION_3,
  CAPABILITIES,
  NOBODY,
  PR_CAP_AMBIENT,
  PR_CAP_AMBIENT_CLEAR_ALL,
  PR_CAPBSET_DROP,
  PR_SET_KEEPCAPS,
  PR_SET_NO_NEW_PRIVS,
} from "../../ffi/process.ts";

/** A capability that a node may keep. */
export type Capability = "dacReadSearch" | "netAdmin" | "bpf";

/** What a node gives up when it is up: nothing, capabilities, or being root as well. */
export type Leave = "nothing" | "capabilities" | "root";

/** A map has 340 lines at most. */
const ID_MAP_MAX_BYTES = 16 * 1024;

/** The header of capget and capset, for the calling thread. */
function header(): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(CAP_HEADER.size);
  new DataView(bytes.buffer).setUint32(CAP_HEADER.version, CAP_VERSION_3, true);
  return bytes;
}

/** A capability set: 64 bits in two halves, as the kernel has them. */
function bitsOf(names: readonly (keyof typeof CAPABILITIES)[]): bigint {
  return names.reduce((bits, name) => bits | 1n << BigInt(CAPABILITIES[name]), 0n);
}

/** The thread's permitted capabilities; undefined where the kernel does not tell. */
function permitted(): bigint | undefined {
  const data = new Uint8Array(2 * CAP_DATA.size);
  if (libc().call.capget(header(), data) < 0) return undefined;
  const view = new DataView(data.buffer);
  const low = view.getUint32(CAP_DATA.permitted, true);
  const high = view.getUint32(CAP_DATA.size + CAP_DATA.permitted, true);
  return BigInt(high) << 32n | BigInt(low);
}

/** Whether the thread has all of these capabilities. */
export function holdsAll(names: readonly (keyof typeof CAPABILITIES)[]): boolean {
  const bits = bitsOf(names);
  return ((permitted() ?? 0n) & bits) === bits;
}

/** Sets the thread's capabilities; nothing is inheritable. Tells whether the kernel took them. */
function setCapabilities(effective: bigint, permitted: bigint): boolean {
  const data = new Uint8Array(2 * CAP_DATA.size);
  const view = new DataView(data.buffer);
  for (const [half, shift] of [[0, 0n], [1, 32n]] as const) {
    const at = half * CAP_DATA.size;
    const word = (bits: bigint) => Number(bits >> shift & 0xffff_ffffn);
    view.setUint32(at + CAP_DATA.effective, word(effective), true);
    view.setUint32(at + CAP_DATA.permitted, word(permitted), true);
  }
  return libc().call.capset(header(), data) >= 0;
}

/**
 * Whether something works with these capabilities alone. For the time of `run`
 * the thread has no others in effect, and then again what it had.
 */
export function worksWith(keep: readonly Capability[], run: () => void): boolean {
  const all = permitted();
  if (all === undefined || !setCapabilities(bitsOf(keep) & all, all)) return true;
  try {
    run();
    return true;
  } catch {
    return false;
  } finally {
    setCapabilities(all, all);
  }
}

/** Takes all other capabilities out of the thread's bounding set. */
function bound(kept: bigint): void {
  for (let capability = 0; capability <= CAP_LAST; capability++) {
    // Fails without CAP_SETPCAP, and beyond the kernel's last one: no_new_privs has to do then.
    if ((kept >> BigInt(capability) & 1n) === 0n) {
      libc().call.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
    }
  }
}

/** Whether a map of users or groups has `nobody` (user_namespaces(7)). */
function hasNobody(map: string): boolean {
  return (readKernelFile(map, ID_MAP_MAX_BYTES) ?? "").split("\n").some((line) => {
    const [first = NaN, , count = NaN] = line.trim().split(/ +/).map(Number);
    return first <= NOBODY && NOBODY < first + count;
  });
}

/** Whether `leaveRoot` will work: this is root, with the rights to be another user, and there is one. */
export function canLeaveRoot(): boolean {
  return libc().call.geteuid() === 0 && holdsAll(["setgid", "setuid"]) &&
    hasNobody("/proc/self/uid_map") && hasNobody("/proc/self/gid_map");
}

/**
 * Makes the process, with all its threads, one of the user and group `nobody`. This thread keeps
 * these capabilities, the others none: each must be root until then, or libc ends the process.
 * Throws a SyscallError.
 */
export function leaveRoot(keep: readonly Capability[]): void {
  const { call, check } = libc();
  const kept = bitsOf(keep) & (permitted() ?? 0n);
  bound(kept);
  // User namespaces without the right to it have no groups to leave either.
  call.setgroups(0, null);
  check("setresgid", call.setresgid(NOBODY, NOBODY, NOBODY));
  // Without it, this thread would lose all of them with its user.
  call.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
  check("setresuid", call.setresuid(NOBODY, NOBODY, NOBODY));
  setCapabilities(kept, kept);
}

/**
 * Leaves this thread, and those that it starts from now on, with these
 * capabilities at most, and with no way to others (no set-user-ID program, no
 * file capability). Tells whether it worked: it does not where the kernel or a
 * sandbox forbids even that.
 */
export function dropPrivileges(keep: readonly Capability[]): boolean {
  const { call } = libc();
  const all = permitted();
  if (all === undefined) return false;
  const kept = bitsOf(keep) & all;
  bound(kept);
  call.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  const locked = call.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) >= 0;
  return setCapabilities(kept, kept) && locked;
}
