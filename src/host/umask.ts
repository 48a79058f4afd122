/**
 * The mode bits that new files do not get. Through libc: Deno.umask needs all
 * system permissions, and the executable is built with few.
 */

import { libc } from "../../ffi/libc.ts";

/** Runs `make` with the process's umask set to `mask`; what it makes has none of these bits. */
export function withUmask<T>(mask: number, make: () => T): T {
  const { call } = libc();
  const before = call.umask(mask);
  try {
    return make();
  } finally {
    call.umask(before);
  }
}
