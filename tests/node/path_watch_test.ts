import { assertEquals } from "../assert.ts";
import { PATHS_PER_CHECK } from "../../src/base/limits.ts";
import { PathWatch } from "../../src/node/path_watch.ts";
import { registryOf } from "../fakes/peers.ts";

/** A watch over paths whose local MTU a test sets, by the last byte of the address. */
function setup(count: number) {
  const nodes = Array.from({ length: count }, (_, i) => [`n${i}`, `10.0.1.${i + 1}`]);
  const registry = registryOf(Object.fromEntries(nodes));
  const local = new Map<number, number>();
  const looked: number[] = [];
  const followed: string[] = [];
  const least: number[] = [];
  const watch = new PathWatch(
    registry,
    {
      look({ address, liveness: { path } }) {
        const i = address!.bytes.at(-1)! - 1;
        looked.push(i);
        path.look(local.get(i) ?? 1472, 1472);
      },
    },
    { followPath: ({ name }) => void followed.push(name) },
    { followUnderlay: (bytes) => least.push(bytes) > 1 },
  );
  return { watch, local, looked, followed, least };
}

Deno.test("path watch: each path is looked at, and what follows from it done", () => {
  const { watch, local, looked, followed } = setup(2);
  local.set(1, 1300);
  watch.check();
  assertEquals([looked, followed], [[0, 1], ["n0", "n1"]]);
  assertEquals(watch.registry.peers.map(({ liveness }) => liveness.path.mtu_bytes), [1472, 1300]);
});

Deno.test("path watch: some peers at a time, and the device follows the least of a round", () => {
  const count = 2 * PATHS_PER_CHECK + 3;
  const { watch, local, looked, least } = setup(count);
  local.set(5, 1400);
  assertEquals([watch.check(), looked.length, least], [false, PATHS_PER_CHECK, []]);
  assertEquals([watch.check(), watch.check()], [false, false]);
  assertEquals([looked.length, least], [count, [1400]]);
  for (let i = 0; i < 2; i++) watch.check();
  assertEquals([watch.check(), least], [true, [1400, 1400]], "the device's MTU was changed");
});

Deno.test("path watch: nobody to look at", () => {
  const { watch, least } = setup(0);
  assertEquals([watch.check(), least], [false, []]);
});
