/** Has the kernel run a program on a frame, without the program being attached anywhere. */

import { BPF_ATTR, BPF_COMMAND, SYS_BPF } from "../../ffi/bpf.ts";
import { addressOf, libc } from "../../ffi/libc.ts";

/** A program may make a frame longer. */
const ROOM_BYTES = 256;

/** What a program made of a frame. */
export interface ProgramRun {
  readonly verdict: number;
  readonly packet: Uint8Array;
}

/** Throws a SyscallError for a frame that the kernel does not show to programs. */
export function runProgramOn(program: number, frame: Uint8Array<ArrayBuffer>): ProgramRun {
  const { test, size } = BPF_ATTR;
  const out = new Uint8Array(frame.length + ROOM_BYTES);
  const attr = new Uint8Array(size);
  const view = new DataView(attr.buffer);
  view.setUint32(test.program, program, true);
  view.setUint32(test.inBytes, frame.length, true);
  view.setUint32(test.outBytes, out.length, true);
  view.setBigUint64(test.in, BigInt(addressOf(frame)), true);
  view.setBigUint64(test.out, BigInt(addressOf(out)), true);
  const { call, check } = libc();
  const number = SYS_BPF[Deno.build.arch];
  check("bpf(BPF_PROG_TEST_RUN)", call.syscall(number, BPF_COMMAND.programTest, attr, size));
  return {
    verdict: view.getInt32(test.verdict, true),
    packet: out.subarray(0, view.getUint32(test.outBytes, true)),
  };
}
