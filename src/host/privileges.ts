/**
 * Gives up what a node no longer needs (capabilities(7), prctl(2)).
 *
 * Both calls are about the thread that makes them. Deno has threads of its own
 * (for its event loop's blocking calls, for V8), which keep what they have;
 * those that run JavaScript, and so read what comes from the network, are the
 * main thread and the lanes' Workers, and each of them calls this.
 */

import { libc } from "../../ffi/libc.ts";
import {
  CAP_DATA,
  CAP_HEADER,
  CAP_LAST,
  CAP_VERSION_3,
  CAPABILITIES,
  PR_CAP_AMBIENT,
  PR_CAP_AMBIENT_CLEAR_ALL,
  PR_CAPBSET_DROP,
  PR_SET_NO_NEW_PRIVS,
} from "../../ffi/process.ts";

/** A capability that a node may keep. */
export type Capability = keyof typeof CAPABILITIES;

/** The header of capget and capset, for the calling thread. */
function header(): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(CAP_HEADER.size);
  new DataView(bytes.buffer).setUint32(CAP_HEADER.version, CAP_VERSION_3, true);
  return bytes;
}

/** A capability set: 64 bits in two halves, as the kernel has them. */
function bitsOf(keep: readonly Capability[]): bigint {
  return keep.reduce((bits, name) => bits | 1n << BigInt(CAPABILITIES[name]), 0n);
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
  for (let capability = 0; capability <= CAP_LAST; capability++) {
    // Fails without CAP_SETPCAP, and beyond the kernel's last one: no_new_privs has to do then.
    if ((kept >> BigInt(capability) & 1n) === 0n) {
      call.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
    }
  }
  call.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  const locked = call.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) >= 0;
  return setCapabilities(kept, kept) && locked;
}
