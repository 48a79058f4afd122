import { assertEquals } from "../assert.ts";
import { type Address, parseAddress } from "../../src/net/prefix.ts";
import { ResolveLoop } from "../../src/peers/resolve_loop.ts";
import { helloOf, logged, registryOf } from "../fakes/peers.ts";
import { FakeTime } from "../fakes/time.ts";

function setup() {
  const registry = registryOf({ b: "b.test", c: "c.test", d: "10.0.0.4" });
  const names = new Map<string, string[]>();
  const asked: string[] = [];
  const { log, lines } = logged();
  const time = new FakeTime();
  const gate: { wait: Promise<void> } = { wait: Promise.resolve() };
  const resolve = async (host: string): Promise<readonly Address[]> => {
    asked.push(host);
    await gate.wait;
    return (names.get(host) ?? []).map((text) => parseAddress(text)!);
  };
  const loop = new ResolveLoop(registry, log, resolve, time);
  const tick = async () => (await loop.tick()).map(({ name }) => name);
  return { registry, names, asked, lines, time, gate, loop, tick };
}

Deno.test("resolve: names are asked for at the start, then when a peer is lost, and every minute", async () => {
  const { registry, names, asked, time, loop, tick } = setup();
  const [b, c] = registry.peers;
  names.set("b.test", ["10.0.0.2"]).set("c.test", ["10.0.0.3"]);
  assertEquals((await loop.resolveAll()).map(({ name }) => name), ["b", "c"]);
  assertEquals(asked.splice(0), ["b.test", "c.test"], "addresses are not asked for");
  assertEquals([await tick(), asked.splice(0)], [[], []]);
  b!.liveness.hear(helloOf(), 1);
  assertEquals([await tick(), asked.splice(0)], [[], []], "it is up");
  b!.liveness.expire(1 + registry.timers.silence_ms);
  names.set("b.test", ["10.0.0.9"]);
  assertEquals([await tick(), asked.splice(0)], [["b"], ["b.test"]], "it is silent");
  assertEquals(b!.address!.bytes, Uint8Array.of(10, 0, 0, 9));
  names.set("c.test", ["10.0.0.8"]);
  await time.advance(registry.timers.resolve_ms);
  assertEquals([await tick(), asked.splice(0)], [["c"], ["b.test", "c.test"]], "every minute");
  assertEquals(c!.address!.bytes, Uint8Array.of(10, 0, 0, 8));
});

Deno.test("resolve: a resolver that hangs is asked once, and one that fails changes nothing", async () => {
  const { registry, names, asked, time, gate, loop, tick } = setup();
  names.set("b.test", ["10.0.0.2"]).set("c.test", ["10.0.0.3"]);
  await loop.resolveAll();
  asked.length = 0;
  const opened = Promise.withResolvers<void>();
  gate.wait = opened.promise;
  await time.advance(registry.timers.resolve_ms);
  const first = tick();
  for (let i = 0; i < 5; i++) assertEquals(await tick(), []);
  assertEquals(asked.splice(0), ["b.test", "c.test"]);
  names.clear();
  opened.resolve();
  assertEquals(await first, []);
  assertEquals(registry.peers.map(({ address }) => address?.bytes[3]), [2, 3, 4]);
});

Deno.test("resolve: who cannot be reached is told once, and again after it was found", async () => {
  const { names, lines, loop, tick } = setup();
  names.set("b.test", ["fd00::2"]).set("c.test", ["10.0.0.3"]);
  await loop.resolveAll();
  await tick();
  assertEquals(lines, [
    "tunnet: warn: b (b.test) is out of reach: its name has no IPv4 address now",
  ]);
  names.set("b.test", ["10.0.0.2"]);
  assertEquals(await tick(), ["b"]);
  assertEquals(lines.length, 1);
});
