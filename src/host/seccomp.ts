/**
 * Takes system calls from all threads of the process that a running node has no use for: those that
 * start programs, look into other processes, or change mounts, namespaces and the kernel. It also
 * sets no_new_privs for every thread, which prctl(2) does for one only (seccomp(2), Linux 3.17).
 */

import { ERRNO } from "../../ffi/errno.ts";
import { addressOf, libc } from "../../ffi/libc.ts";
import {
  FILTER_JUMP_EQUAL,
  FILTER_JUMP_GREATER_EQUAL,
  FILTER_LOAD_WORD,
  FILTER_RETURN,
  SECCOMP_DATA,
  SECCOMP_FILTER_FLAG_SPEC_ALLOW,
  SECCOMP_FILTER_FLAG_TSYNC,
  SECCOMP_RET_ALLOW,
  SECCOMP_RET_ERRNO,
  SECCOMP_SET_MODE_FILTER,
  SOCK_FILTER,
  SOCK_FPROG,
  SYSCALLS,
} from "../../ffi/process.ts";

/** A processor that there are numbers for. */
export type Arch = keyof typeof SYSCALLS;

/** One instruction: what to do with a value, and how many to leave out if it holds or not. */
type Instruction = readonly [code: number, value: number, ifTrue?: number, ifFalse?: number];

/** The filter as the kernel takes it: all is allowed but what is listed, which fails with EPERM. */
export function filterFor(arch: Arch): Uint8Array<ArrayBuffer> {
  const { audit, foreign_from, numbers } = SYSCALLS[arch];
  const refused = Object.values(numbers);
  const load = (field: keyof typeof SECCOMP_DATA): Instruction => [
    FILTER_LOAD_WORD,
    SECCOMP_DATA[field],
  ];
  const program: readonly Instruction[] = [
    load("arch"),
    [FILTER_JUMP_EQUAL, audit, 0, refused.length + 3],
    load("number"),
    [FILTER_JUMP_GREATER_EQUAL, foreign_from, refused.length + 1, 0],
    ...refused.map((number, i): Instruction => [FILTER_JUMP_EQUAL, number, refused.length - i, 0]),
    [FILTER_RETURN, SECCOMP_RET_ALLOW],
    [FILTER_RETURN, SECCOMP_RET_ERRNO | ERRNO.EPERM],
  ];
  const bytes = new Uint8Array(program.length * SOCK_FILTER.size);
  const view = new DataView(bytes.buffer);
  program.forEach(([code, value, ifTrue = 0, ifFalse = 0], i) => {
    const at = i * SOCK_FILTER.size;
    view.setUint16(at + SOCK_FILTER.code, code, true);
    view.setUint8(at + SOCK_FILTER.ifTrue, ifTrue);
    view.setUint8(at + SOCK_FILTER.ifFalse, ifFalse);
    view.setUint32(at + SOCK_FILTER.value, value, true);
  });
  return bytes;
}

/**
 * Filters the calls of all threads, those to come too. The calling thread has to have no_new_privs.
 * Tells whether it worked: a kernel or a sandbox may have no filters.
 */
export function filterSyscalls(): boolean {
  const { arch } = Deno.build;
  const filter = filterFor(arch);
  const program = new Uint8Array(SOCK_FPROG.size);
  const view = new DataView(program.buffer);
  view.setUint16(SOCK_FPROG.count, filter.length / SOCK_FILTER.size, true);
  view.setBigUint64(SOCK_FPROG.filter, BigInt(addressOf(filter)), true);
  const { seccomp } = SYSCALLS[arch];
  const set = (flags: number) =>
    libc().call.seccomp(seccomp, SECCOMP_SET_MODE_FILTER, flags, program) === 0;
  // Until Linux 5.16 a filter slows its threads down against Spectre unless it says not to (4.17).
  return set(SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_SPEC_ALLOW) ||
    set(SECCOMP_FILTER_FLAG_TSYNC);
}
