/**
 * Kernel settings under /proc/sys, through libc: Deno guards /proc behind all
 * permissions, and the executable is built with few.
 */

import { O_CLOEXEC, O_RDWR } from "../../ffi/layout.ts";
import { cString, libc, pointerTo, SyscallError } from "../../ffi/libc.ts";

const VALUE_MAX_BYTES = 64;

function pathOf(name: string): Uint8Array<ArrayBuffer> {
  return cString(`/proc/sys/${name.replaceAll(".", "/")}`);
}

function withFile<T>(name: string, flags: number, use: (fd: number) => T): T {
  const { call, check } = libc();
  const fd = check(`open ${name}`, call.open(pathOf(name), flags | O_CLOEXEC));
  try {
    return use(fd);
  } finally {
    call.close(fd);
  }
}

/** Value of a setting such as `net.ipv4.ip_forward`; undefined where it does not exist. */
export function readSysctl(name: string): string | undefined {
  const { call, check } = libc();
  const bytes = new Uint8Array(VALUE_MAX_BYTES);
  try {
    return withFile(name, 0, (fd) => {
      const size = check(`read ${name}`, call.read(fd, pointerTo(bytes), bytes.length));
      return new TextDecoder().decode(bytes.subarray(0, size)).trim();
    });
  } catch (error) {
    if (error instanceof SyscallError) return undefined;
    throw error;
  }
}

/** Writes a setting; throws a SyscallError where that is not allowed. */
export function writeSysctl(name: string, value: string): void {
  const { call, check } = libc();
  const bytes = cString(value).subarray(0, -1);
  withFile(name, O_RDWR, (fd) => {
    check(`write ${name}`, call.write(fd, pointerTo(bytes), bytes.length));
  });
}
