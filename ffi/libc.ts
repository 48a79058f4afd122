/** Opens libc and is the one gate through which its errors pass. */

import { errnoName } from "./errno.ts";
import { LIBC } from "./symbols.ts";

/** A libc call that failed: which, and with what errno. */
export class SyscallError extends Error {
  readonly errnoName: string;

  constructor(readonly call: string, readonly errno: number) {
    super(`${call}: ${errnoName(errno)}`);
    this.name = "SyscallError";
    this.errnoName = errnoName(errno);
  }
}

/** libc's functions and errno, for the thread that opened it. */
export interface Libc {
  readonly call: Deno.DynamicLibrary<typeof LIBC>["symbols"];
  /** errno of the call just made; read it before anything else is called. */
  errno(): number;
  /** Passes a result through, or throws a SyscallError when it is negative. */
  check(call: string, result: number): number;
}

let opened: Libc | undefined;

/** libc for this thread. errno is a thread's own, so each Worker opens its own. */
export function libc(): Libc {
  if (opened) return opened;
  const { symbols: call } = Deno.dlopen("libc.so.6", LIBC);
  const location = call.__errno_location();
  if (!location) throw new Error("libc has no errno");
  const view = new Deno.UnsafePointerView(location);
  const errno = () => view.getInt32();
  opened = {
    call,
    errno,
    check(name, result) {
      if (result < 0) throw new SyscallError(name, errno());
      return result;
    },
  };
  return opened;
}

/** A C string: UTF-8 with a closing NUL. */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text + "\0");
}

/** The address of a byte range as a pointer. The caller keeps `bytes` alive while it is used. */
export function pointerTo(bytes: Uint8Array<ArrayBuffer>): Deno.PointerObject {
  const pointer = Deno.UnsafePointer.of(bytes);
  if (!pointer) throw new RangeError("an empty range has no address");
  return pointer;
}

/**
 * The address of a byte range as a number: user addresses are below 2^47 on
 * x86_64 and 2^52 on aarch64, so it is exact. The caller keeps `bytes` alive.
 */
export function addressOf(bytes: Uint8Array<ArrayBuffer>): number {
  return Number(Deno.UnsafePointer.value(pointerTo(bytes)));
}

/**
 * Writes an address into a C structure seen as 32-bit words. The stores keep the
 * low 32 bits of what they are given, so there is no division on the packet path.
 */
export function putAddress(words: Uint32Array, at: number, address: number): void {
  words[at] = address;
  words[at + 1] = address * 2 ** -32;
}
