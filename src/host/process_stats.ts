/** What this process takes of its host (proc(5)), through libc as sysctl.ts says. */

import { cString, libc } from "../../ffi/libc.ts";
import { STATX, SYS_STATX } from "../../ffi/process.ts";
import { readKernelFile } from "./sysctl.ts";

/** USER_HZ, in which the kernel tells times of x86_64 and aarch64 alike (asm/param.h). */
const TICKS_PER_S = 100;

const TEXT_MAX_BYTES = 4_096;

/** What is known; null for what is not. */
export interface ProcessStats {
  readonly cpu_seconds: number | null;
  readonly resident_bytes: number | null;
  readonly virtual_bytes: number | null;
  readonly open_fds: number | null;
  readonly max_fds: number | null;
}

/** The first number that a pattern finds in a file of this process, times a factor. */
function numberIn(text: string | undefined, pattern: RegExp, factor: number): number | null {
  const number = pattern.exec(text ?? "")?.[1];
  return number === undefined ? null : Number(number) * factor;
}

/** CPU time by /proc/self/stat: fields 14 and 15, behind a name in brackets that may hold anything. */
export function cpuSeconds(stat: string): number | null {
  const [user, system] = stat.slice(stat.lastIndexOf(")") + 2).split(" ").slice(11, 13).map(Number);
  const ticks = user! + system!;
  return Number.isFinite(ticks) ? ticks / TICKS_PER_S : null;
}

/** How many descriptors are open: the size of their directory, from Linux 6.2 on; 0 before. */
function openDescriptors(): number | null {
  const status = new Uint8Array(STATX.size);
  const number = SYS_STATX[Deno.build.arch];
  const path = cString("/proc/self/fd");
  if (libc().call.statx(number, 0, path, 0, STATX.mask, status) !== 0) return null;
  return Number(new DataView(status.buffer).getBigUint64(STATX.st_size, true)) || null;
}

/** The figures of now. */
export function processStats(): ProcessStats {
  const read = (name: string) => readKernelFile(`/proc/self/${name}`, TEXT_MAX_BYTES);
  const status = read("status");
  return {
    cpu_seconds: cpuSeconds(read("stat") ?? ""),
    resident_bytes: numberIn(status, /^VmRSS:\s+(\d+) kB/m, 1024),
    virtual_bytes: numberIn(status, /^VmSize:\s+(\d+) kB/m, 1024),
    open_fds: openDescriptors(),
    max_fds: numberIn(read("limits"), /^Max open files\s+(\d+)/m, 1),
  };
}
