import { assertEquals } from "../assert.ts";
import { SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO, SYSCALLS } from "../../ffi/process.ts";
import { type Arch, filterFor } from "../../src/host/seccomp.ts";

const EPERM = 1;
const REFUSED = SECCOMP_RET_ERRNO | EPERM;
const ARCHES = Object.keys(SYSCALLS) as Arch[];

/** Runs a filter as the kernel would, on a call of an architecture (net/core/filter.c). */
function verdict(filter: Uint8Array<ArrayBuffer>, audit: number, number: number): number {
  const view = new DataView(filter.buffer);
  let value = 0;
  for (let at = 0; at < filter.length; at += 8) {
    const constant = view.getUint32(at + 4, true);
    const jump = (taken: boolean) => 8 * view.getUint8(at + (taken ? 2 : 3));
    switch (view.getUint16(at, true)) {
      case 0x20:
        value = constant === 0 ? number : audit;
        break;
      case 0x15:
        at += jump(value === constant);
        break;
      case 0x35:
        at += jump(value >= constant);
        break;
      case 0x06:
        return constant;
    }
  }
  throw new Error("the filter ends without a verdict");
}

for (const arch of ARCHES) {
  Deno.test(`seccomp: what is refused on ${arch}, and nothing else`, () => {
    const filter = filterFor(arch);
    const { audit, foreign_from, numbers } = SYSCALLS[arch];
    const listed = new Set<number>(Object.values(numbers));
    assertEquals(listed.size, Object.keys(numbers).length, "each number once");
    for (let number = 0; number < 500; number++) {
      const expected = listed.has(number) ? REFUSED : SECCOMP_RET_ALLOW;
      assertEquals(verdict(filter, audit, number), expected, `system call ${number}`);
    }
    for (const number of [foreign_from, foreign_from + 1, 0xffff_ffff]) {
      assertEquals(verdict(filter, audit, number), REFUSED);
    }
    // Of 32-bit programs and of other processors.
    assertEquals(verdict(filter, audit & 0x7fff_ffff, 1), REFUSED);
    assertEquals(verdict(filter, 0x4000_0003, 1), REFUSED);
  });
}

Deno.test("seccomp: the same calls are refused on every processor", () => {
  const [first, ...rest] = ARCHES.map((arch) => Object.keys(SYSCALLS[arch].numbers).toSorted());
  for (const other of rest) assertEquals(other, first);
});
