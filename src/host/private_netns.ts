/** A network namespace without a name, which lasts as long as something of this process is in it. */

import { O_CLOEXEC } from "../../ffi/file.ts";
import { cString, libc } from "../../ffi/libc.ts";
import { CLONE_NEWNET } from "../../ffi/process.ts";

/** The namespace of the calling thread; that of the process is its first thread's. */
const OF_THREAD = "/proc/thread-self/ns/net";

/** The thread is in a namespace where it does not belong: the process cannot go on. */
export class LostNamespace extends Error {
  constructor(cause: unknown) {
    super("the main thread could not come back to its network namespace", { cause });
    this.name = "LostNamespace";
  }
}

/** Descriptor of the calling thread's network namespace. Throws a SyscallError. */
export function ownNetns(): number {
  const { call, check } = libc();
  return check(`open ${OF_THREAD}`, call.open(cString(OF_THREAD), O_CLOEXEC));
}

/**
 * Makes a namespace, runs `inside` in it and comes back to `own`, all on the
 * calling thread: what `inside` opens stays there. It must not wait for anything,
 * nor start threads. Takes CAP_SYS_ADMIN. Throws a SyscallError, or what `inside`
 * throws.
 */
export function inNewNetns<T>(own: number, inside: () => T): T {
  const { call, check } = libc();
  check("unshare", call.unshare(CLONE_NEWNET));
  try {
    return inside();
  } finally {
    try {
      check("setns", call.setns(own, CLONE_NEWNET));
    } catch (error) {
      // deno-lint-ignore no-unsafe-finally -- worse than whatever `inside` threw
      throw new LostNamespace(error);
    }
  }
}
