import { assertEquals } from "../assert.ts";
import { PATHS_PER_CHECK } from "../../src/base/limits.ts";
import { PathWatch } from "../../src/node/path_watch.ts";
import { logged, registryOf } from "../fakes/peers.ts";

/** A watch over paths whose MTU a test sets, by the last byte of the address. */
function setup(count: number) {
  const nodes = Array.from({ length: count }, (_, i) => [`n${i}`, `10.0.1.${i + 1}`]);
  const registry = registryOf(Object.fromEntries(nodes));
  const { log, lines } = logged();
  const wide = new Map<number, number>();
  const mtu = (bytes: Uint8Array | undefined) => wide.get(bytes!.at(-1)! - 1) ?? 1472;
  const published = new Map(registry.peers.map(({ index }) => [index, 1472]));
  const looked: number[] = [];
  const followed: number[] = [];
  const watch = new PathWatch(
    registry,
    {
      localMtu_bytes: (address) => mtu(address?.bytes),
      innerMtu_bytes(address) {
        looked.push(address!.bytes.at(-1)! - 1);
        return mtu(address?.bytes);
      },
    },
    {
      mtuOf: (index) => published.get(index),
      publishPeer: ({ index, address }) => void published.set(index, mtu(address?.bytes)),
    },
    { followUnderlay: (bytes) => followed.push(bytes) > 1 },
    log,
  );
  return { watch, wide, published, looked, followed, lines };
}

Deno.test("path watch: a path that has changed is published and told once", () => {
  const { watch, wide, published, lines } = setup(2);
  watch.check();
  assertEquals(lines, []);
  wide.set(1, 1300);
  watch.check();
  watch.check();
  assertEquals(lines, ["tunnet: the path to n1 carries 1300 bytes now, not 1472"]);
  assertEquals([...published.values()], [1472, 1300]);
});

Deno.test("path watch: some peers at a time, and the device follows the least of a round", () => {
  const count = 2 * PATHS_PER_CHECK + 3;
  const { watch, wide, looked, followed } = setup(count);
  wide.set(5, 1400);
  assertEquals([watch.check(), looked.length, followed], [false, PATHS_PER_CHECK, []]);
  assertEquals([watch.check(), watch.check()], [false, false]);
  assertEquals([looked.length, followed], [count, [1400]]);
  for (let i = 0; i < 2; i++) watch.check();
  assertEquals([watch.check(), followed], [true, [1400, 1400]], "the device's MTU was changed");
});

Deno.test("path watch: nobody to look at", () => {
  const { watch, followed } = setup(0);
  assertEquals([watch.check(), followed], [false, []]);
});
