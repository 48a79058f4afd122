/** How the kernel path counts. Pure: they write instructions. */

import { HELPER } from "../../../ffi/bpf_program.ts";
import { type Assembler, imm, R } from "../bpf/assembler.ts";
import { FREE, STACK } from "./inner_packet.ts";
import { COUNTS } from "../maps/records.ts";

/** The only entry of the node's own counts. */
const EVENTS_KEY = 0;
/** Where a key is on the stack; each program has it free here. */
export const KEY_AT: number = FREE - 8;

/**
 * Adds STACK.segments and .bytes to the counts of the peer whose index is at
 * KEY_AT, and leaves in r0 where they are, or 0.
 */
export function writePeerCount(asm: Assembler, counts: number, way: "out" | "in"): void {
  const [packets, bytes] = way === "out"
    ? [COUNTS.packetsOut, COUNTS.bytesOut]
    : [COUNTS.packetsIn, COUNTS.bytesIn];
  const done = `counted_${way}`;
  asm.map(R.r1, counts).stack(R.r2, KEY_AT).call(HELPER.mapLookup);
  asm.jump(R.r0, "==", imm(0), done);
  asm.load(8, R.r1, R.r10, STACK.segments).add8(R.r0, packets, R.r1);
  asm.load(8, R.r1, R.r10, STACK.bytes).add8(R.r0, bytes, R.r1);
  asm.label(done);
}

/** Adds `register` (kept through calls), or 1, to one of the node's own counts. */
export function writeEvent(
  asm: Assembler,
  events: number,
  offset: number,
  register?: typeof R.r6 | typeof R.r7 | typeof R.r8 | typeof R.r9,
): void {
  const done = `event_${offset}`;
  asm.store(4, R.r10, KEY_AT, imm(EVENTS_KEY));
  asm.map(R.r1, events).stack(R.r2, KEY_AT).call(HELPER.mapLookup);
  asm.jump(R.r0, "==", imm(0), done);
  if (register === undefined) asm.mov(R.r1, imm(1));
  else asm.mov(R.r1, register);
  asm.add8(R.r0, offset, R.r1).label(done);
}
