/**
 * Kernel settings under /proc/sys, through libc: Deno guards /proc behind all
 * permissions, and the executable is built with few.
 */

import { O_CLOEXEC, O_RDWR } from "../../ffi/file.ts";
import { cString, libc, pointerTo, SyscallError } from "../../ffi/libc.ts";

const VALUE_MAX_BYTES = 64;

function pathOf(name: string): string {
  // Written with slashes, as sysctl(8) has it, a name may hold an interface with a dot (eth0.1).
  return `/proc/sys/${name.includes("/") ? name : name.replaceAll(".", "/")}`;
}

function withFile<T>(path: string, flags: number, use: (fd: number) => T): T {
  const { call, check } = libc();
  const fd = check(`open ${path}`, call.open(cString(path), flags | O_CLOEXEC));
  try {
    return use(fd);
  } finally {
    call.close(fd);
  }
}

/** A file of the kernel's up to so many bytes, as text; undefined where it cannot be read. */
export function readKernelFile(path: string, max_bytes: number): string | undefined {
  const { call, check } = libc();
  const bytes = new Uint8Array(max_bytes);
  try {
    return withFile(path, 0, (fd) => {
      let size = 0;
      // The kernel hands out a page of a list at a time.
      while (size < bytes.length) {
        const rest = bytes.subarray(size);
        const more = check(`read ${path}`, call.read(fd, pointerTo(rest), rest.length));
        if (more === 0) break;
        size += more;
      }
      return new TextDecoder().decode(bytes.subarray(0, size));
    });
  } catch (error) {
    if (error instanceof SyscallError) return undefined;
    throw error;
  }
}

/** Value of a setting such as `net.ipv4.ip_forward`; undefined where it does not exist. */
export function readSysctl(name: string): string | undefined {
  return readKernelFile(pathOf(name), VALUE_MAX_BYTES)?.trim();
}

/** Writes a setting; throws a SyscallError where that is not allowed. */
export function writeSysctl(name: string, value: string): void {
  const { call, check } = libc();
  const bytes = cString(value).subarray(0, -1);
  withFile(pathOf(name), O_RDWR, (fd) => {
    check(`write ${name}`, call.write(fd, pointerTo(bytes), bytes.length));
  });
}
