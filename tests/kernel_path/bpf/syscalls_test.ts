import { assertEquals, assertThrows } from "../../assert.ts";
import { SyscallError } from "../../../ffi/libc.ts";
import { Assembler, imm, R } from "../../../src/kernel_path/bpf/assembler.ts";
import { BpfMap, loadProgram, type MapKind } from "../../../src/kernel_path/bpf/syscalls.ts";
import { u32 } from "../../../src/kernel_path/maps/records.ts";
import { libc } from "../../../ffi/libc.ts";
import { kernelTest } from "../possible.ts";
import { runProgramOn } from "../run_program.ts";

const bytes = (map: BpfMap, key: number) => map.get(u32(key))?.slice();

kernelTest("bpf: a hash map holds what it is given, and forgets what is removed", () => {
  const map = new BpfMap("hash", 4, 4, 2);
  try {
    map.set(u32(1), u32(10));
    map.set(u32(2), u32(20));
    map.set(u32(1), u32(11));
    assertEquals([bytes(map, 1), bytes(map, 2), bytes(map, 3)], [u32(11), u32(20), undefined]);
    assertThrows(() => map.set(u32(3), u32(30)), SyscallError, "bpf(BPF_MAP_UPDATE_ELEM)");
    map.delete(u32(1));
    map.delete(u32(1));
    assertEquals(bytes(map, 1), undefined);
    map.set(u32(3), u32(30));
    assertEquals([bytes(map, 2), bytes(map, 3)], [u32(20), u32(30)]);
  } finally {
    map.close();
  }
});

kernelTest("bpf: a table of routes gives the longest prefix", () => {
  const map = new BpfMap("lpmTrie", 8, 4, 10);
  const key = (length: number, ...address: number[]) => Uint8Array.of(length, 0, 0, 0, ...address);
  try {
    map.set(key(0, 0, 0, 0, 0), u32(9));
    map.set(key(8, 172, 0, 0, 0), u32(1));
    map.set(key(16, 172, 1, 0, 0), u32(2));
    const owner = (...address: number[]) => map.get(key(32, ...address))?.slice();
    assertEquals(owner(172, 1, 2, 3), u32(2));
    map.delete(key(16, 172, 1, 0, 0));
    assertEquals([owner(172, 1, 2, 3), owner(10, 0, 0, 1)], [u32(1), u32(9)]);
  } finally {
    map.close();
  }
});

kernelTest("bpf: where each processor has its own value, all begin as they were set", () => {
  const kinds: MapKind[] = ["perCpuHash", "perCpuArray"];
  for (const kind of kinds) {
    const map = new BpfMap(kind, 4, 8, 1);
    try {
      map.set(u32(0), new Uint8Array(8));
      const value = bytes(map, 0)!;
      assertEquals(value.length % 8, 0);
      assertEquals(value.length / 8 >= navigator.hardwareConcurrency, true);
      assertEquals(value.every((byte) => byte === 0), true);
    } finally {
      map.close();
    }
  }
});

kernelTest("bpf: a program runs, and one that is refused comes with the verifier's reason", () => {
  const good = new Assembler().load(4, R.r0, R.r1, 0).alu("mul", R.r0, imm(2)).exit().encode();
  const fd = loadProgram("good", good);
  assertEquals(runProgramOn(fd, new Uint8Array(100)).verdict, 200);
  libc().call.close(fd);
  const bad = new Assembler().load(4, R.r0, R.r2, 0).exit().encode();
  assertThrows(() => loadProgram("bad", bad), SyscallError, "R2 !read_ok");
});
