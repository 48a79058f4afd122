/** Whether this machine's kernel takes the programs of the kernel path; tests that need it say so. */

import { VERDICT } from "../../ffi/bpf_program.ts";
import { libc } from "../../ffi/libc.ts";
import { Assembler, imm } from "../../src/kernel_path/bpf/assembler.ts";
import { attachProgram, loadProgram } from "../../src/kernel_path/bpf/syscalls.ts";

const LOOPBACK_IFINDEX = 1;

/** Loads a program that lets everything pass, and lets it stand at `lo` for a moment. */
function tryProgram(): string | undefined {
  const fds: number[] = [];
  try {
    const program = loadProgram("tunnet_try", new Assembler().exit(imm(VERDICT.next)).encode());
    fds.push(program, attachProgram(program, LOOPBACK_IFINDEX, "in"));
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    for (const fd of fds) libc().call.close(fd);
  }
}

const missing = tryProgram();
if (missing !== undefined) console.log(`SKIPPED: tests of the kernel path: ${missing}`);

/** Whether there can be a kernel path here. */
export const KERNEL_PATH: boolean = missing === undefined;

/** A test that is ignored, loudly, where there can be none. */
export function kernelTest(name: string, fn: (t: Deno.TestContext) => void | Promise<void>): void {
  Deno.test({ name, ignore: !KERNEL_PATH, fn });
}
