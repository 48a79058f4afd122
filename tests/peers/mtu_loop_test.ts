import { assertEquals } from "../assert.ts";
import { MtuLoop } from "../../src/peers/mtu_loop.ts";

const CASES: readonly [name: string, mtus: readonly number[], looped: boolean][] = [
  ["nothing changes", [1500, 1500, 1500, 1500, 1500], false],
  ["it follows the device", [1444, 1388, 1332, 1276], true],
  ["at its own pace", [1444, 1388, 1388, 1332, 1332, 1332, 1276], true],
  ["it may rise after that", [1444, 1388, 1332, 1276, 1444], true],
  ["two falls", [1444, 1388, 1332, 1332, 1332], false],
  ["three falls of several sizes", [9000, 1500, 1400, 1280], false],
  ["a rise between the falls", [1444, 1388, 1332, 1388, 1332, 1276], false],
];

for (const [name, mtus, looped] of CASES) {
  Deno.test(`loop of MTUs: ${name}`, () => {
    const loop = new MtuLoop();
    const found = mtus.map((mtu_bytes) => {
      const is = loop.look(7, mtu_bytes);
      // Several peers may be reached through it, and others through other interfaces.
      assertEquals([loop.look(7, mtu_bytes), loop.look(2, 1500)], [is, false]);
      loop.endRound();
      return is;
    });
    assertEquals(found.at(-1), looped);
  });
}

Deno.test("loop of MTUs: an interface that no way leads through any more is forgotten", () => {
  const loop = new MtuLoop();
  for (const mtu_bytes of [1444, 1388, 1332, 1276]) {
    loop.look(7, mtu_bytes);
    loop.endRound();
  }
  assertEquals(loop.look(7, 1444), true);
  loop.endRound();
  loop.endRound();
  assertEquals(loop.look(7, 1444), false);
});
