/**
 * Becomes another program for which bpf(2) fails, as under a container's seccomp profile:
 * `refuse_bpf.ts ERRNO PROGRAM ARGUMENT...`.
 */

import { SYS_BPF } from "../../ffi/bpf.ts";
import { addressOf, cString } from "../../ffi/libc.ts";
import {
  FILTER_JUMP_EQUAL,
  FILTER_LOAD_WORD,
  FILTER_RETURN,
  SECCOMP_DATA,
  SECCOMP_RET_ALLOW,
  SECCOMP_RET_ERRNO,
  SECCOMP_SET_MODE_FILTER,
  SOCK_FILTER,
  SOCK_FPROG,
  SYSCALLS,
} from "../../ffi/process.ts";

const { symbols: libc } = Deno.dlopen("libc.so.6", {
  syscall: { parameters: ["i64", "u32", "u32", "buffer"], result: "i64" },
  execvp: { parameters: ["buffer", "buffer"], result: "i32" },
});

const [errno, ...words] = Deno.args;
const { arch } = Deno.build;

/** What is loaded, whether it is bpf(2), and what comes of it. */
const filter = new DataView(new ArrayBuffer(4 * SOCK_FILTER.size));
[
  [FILTER_LOAD_WORD, SECCOMP_DATA.number, 0],
  [FILTER_JUMP_EQUAL, SYS_BPF[arch], 1],
  [FILTER_RETURN, SECCOMP_RET_ERRNO | Number(errno), 0],
  [FILTER_RETURN, SECCOMP_RET_ALLOW, 0],
].forEach(([code, value, ifFalse], i) => {
  const at = i * SOCK_FILTER.size;
  filter.setUint16(at + SOCK_FILTER.code, code!, true);
  filter.setUint8(at + SOCK_FILTER.ifFalse, ifFalse!);
  filter.setUint32(at + SOCK_FILTER.value, value!, true);
});
const program = new DataView(new ArrayBuffer(SOCK_FPROG.size));
program.setUint16(SOCK_FPROG.count, 4, true);
program.setBigUint64(SOCK_FPROG.filter, BigInt(addressOf(new Uint8Array(filter.buffer))), true);
const strings = words.map(cString);
const pointers = new BigUint64Array([...strings.map((one) => BigInt(addressOf(one))), 0n]);
const { seccomp } = SYSCALLS[arch];
// The filter is this thread's, and the other threads end with `execvp`.
if (libc.syscall(BigInt(seccomp), SECCOMP_SET_MODE_FILTER, 0, program.buffer) !== 0n) {
  throw new Error("no seccomp filter");
}
libc.execvp(strings[0]!, pointers.buffer);
throw new Error(`${words[0]} cannot be started`);
