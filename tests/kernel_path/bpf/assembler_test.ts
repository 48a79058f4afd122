import { assertEquals, assertThrows } from "../../assert.ts";
import { Assembler, imm, R } from "../../../src/kernel_path/bpf/assembler.ts";

const hex = (bytes: Uint8Array) =>
  bytes.toHex().replace(/(..)(..)(....)(........)/g, "$1 $2 $3 $4;");

/** As llvm-mc 14 (-triple bpfel) assembles them; it has no words for storing numbers, nor for maps. */
const ENCODED: readonly (readonly [what: string, asm: Assembler, bytes: string])[] = [
  ["r1 = 7", new Assembler().mov(R.r1, imm(7)), "b7 01 0000 07000000;"],
  ["r0 = -1", new Assembler().mov(R.r0, imm(-1)), "b7 00 0000 ffffffff;"],
  ["r6 = r1", new Assembler().mov(R.r6, R.r1), "bf 16 0000 00000000;"],
  ["r2 += 8", new Assembler().alu("add", R.r2, imm(8)), "07 02 0000 08000000;"],
  ["r2 -= r8", new Assembler().alu("sub", R.r2, R.r8), "1f 82 0000 00000000;"],
  ["r2 *= r8", new Assembler().alu("mul", R.r2, R.r8), "2f 82 0000 00000000;"],
  ["r2 /= r1", new Assembler().alu("div", R.r2, R.r1), "3f 12 0000 00000000;"],
  ["r1 &= 65535", new Assembler().alu("and", R.r1, imm(0xffff)), "57 01 0000 ffff0000;"],
  ["r1 <<= 2", new Assembler().alu("lsh", R.r1, imm(2)), "67 01 0000 02000000;"],
  ["r1 >>= 4", new Assembler().alu("rsh", R.r1, imm(4)), "77 01 0000 04000000;"],
  ["r1 ^= 65535", new Assembler().alu("xor", R.r1, imm(0xffff)), "a7 01 0000 ffff0000;"],
  ["r1 = be16 r1", new Assembler().swap(R.r1, 2), "dc 01 0000 10000000;"],
  ["r1 = be32 r1", new Assembler().swap(R.r1, 4), "dc 01 0000 20000000;"],
  ["r7 = *(u32 *)(r1 + 0)", new Assembler().load(4, R.r7, R.r1, 0), "61 17 0000 00000000;"],
  ["r1 = *(u16 *)(r10 - 38)", new Assembler().load(2, R.r1, R.r10, -38), "69 a1 daff 00000000;"],
  ["r1 = *(u8 *)(r10 - 40)", new Assembler().load(1, R.r1, R.r10, -40), "71 a1 d8ff 00000000;"],
  ["r1 = *(u64 *)(r10 - 72)", new Assembler().load(8, R.r1, R.r10, -72), "79 a1 b8ff 00000000;"],
  ["*(u32 *)(r10 - 8) = 0", new Assembler().store(4, R.r10, -8, imm(0)), "62 0a f8ff 00000000;"],
  ["*(u16 *)(r10 - 8) = 5", new Assembler().store(2, R.r10, -8, imm(5)), "6a 0a f8ff 05000000;"],
  ["*(u8 *)(r10 - 8) = 2", new Assembler().store(1, R.r10, -8, imm(2)), "72 0a f8ff 02000000;"],
  ["*(u64 *)(r10 - 8) = r7", new Assembler().store(8, R.r10, -8, R.r7), "7b 7a f8ff 00000000;"],
  [
    "lock *(u64 *)(r0 + 16) += r1",
    new Assembler().add8(R.r0, 16, R.r1),
    "db 10 1000 00000000;",
  ],
  ["r1 = map 9", new Assembler().map(R.r1, 9), "18 11 0000 09000000;00 00 0000 00000000;"],
  [
    "r2 = stack - 64",
    new Assembler().stack(R.r2, -64),
    "bf a2 0000 00000000;07 02 0000 c0ffffff;",
  ],
  ["call 69", new Assembler().call(69), "85 00 0000 45000000;"],
  ["exit 2", new Assembler().exit(imm(2)), "b7 00 0000 02000000;95 00 0000 00000000;"],
  [
    "jumps over one, and to the next",
    new Assembler().jump(R.r0, "==", imm(0), "end").jump(R.r1, ">", R.r2, "next").label("next")
      .goto("end").label("end").exit(),
    "15 00 0200 00000000;2d 21 0000 00000000;05 00 0000 00000000;95 00 0000 00000000;",
  ],
  [
    "comparisons",
    new Assembler().jump(R.r1, "!=", imm(6), "x").jump(R.r7, "<=", R.r8, "x")
      .jump(R.r7, "<", imm(28), "x").jump(R.r7, ">=", imm(28), "x").label("x").exit(),
    "55 01 0300 06000000;bd 87 0200 00000000;a5 07 0100 1c000000;35 07 0000 1c000000;" +
    "95 00 0000 00000000;",
  ],
];

for (const [what, asm, bytes] of ENCODED) {
  Deno.test(`assembler: ${what}`, () => assertEquals(hex(asm.encode()), bytes));
}

Deno.test("assembler: jumps to nowhere and back, and labels that are defined twice", () => {
  assertThrows(() => new Assembler().goto("x").encode(), RangeError, "no label x");
  assertThrows(() => new Assembler().label("x").goto("x").encode(), RangeError, "goes back");
  assertThrows(() => new Assembler().label("x").label("x"), RangeError, "twice");
});
