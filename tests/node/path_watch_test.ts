import { assertEquals } from "../assert.ts";
import { PATHS_PER_CHECK } from "../../src/base/limits.ts";
import type { Log } from "../../src/base/log.ts";
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
  const loops = new Map<number, string>();
  const told: string[] = [];
  const tell = (event: string, text: string) => void told.push(`${event}: ${text}`);
  const watch = new PathWatch(
    registry,
    {
      look({ address, liveness: { path } }) {
        const i = address!.bytes.at(-1)! - 1;
        looked.push(i);
        path.look(local.get(i) ?? 1472, 1472);
        return loops.get(i);
      },
      endRound() {},
    },
    { followPath: ({ name }) => void followed.push(name) },
    { followUnderlay: (bytes) => least.push(bytes) > 1 },
    { info: tell, warn: tell } as Partial<Log> as Log,
  );
  return { watch, local, looked, followed, least, loops, told };
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

Deno.test("path watch: a way that leads into the device itself is told once, and when it is over", () => {
  const { watch, loops, told } = setup(2);
  watch.check();
  assertEquals([told, watch.problem], [[], undefined]);
  loops.set(1, "over0");
  watch.check();
  watch.check();
  const problem = "the way to n1 by over0 leads into a tunnel over tunnet0 itself: nothing " +
    "arrives there, and its MTU is not followed; give this host another route to it";
  assertEquals([told, watch.problem], [[`path_loop: ${problem}`], problem]);
  loops.clear();
  watch.check();
  const over = "path_loop: no way to a peer leads into a tunnel over tunnet0 any more";
  assertEquals([told.slice(1), watch.problem], [[over], undefined]);
});
