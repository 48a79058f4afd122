import { FakeTime } from "../fakes/time.ts";
import { assertEquals, assertRejects } from "../assert.ts";
import { RunError } from "../../src/base/errors.ts";
import { NODES_MAX } from "../../src/base/limits.ts";
import type { NodeConfig } from "../../src/config/types.ts";
import { formatAddress, parseAddress } from "../../src/net/prefix.ts";
import type { RegistryChange } from "../../src/peers/registry.ts";
import { applyMembers, Reloader } from "../../src/node/reload.ts";
import { type Members, membersDiff, type ReloadOutcome } from "../../src/peers/source/source.ts";
import { logged, membersOf, registryOf } from "../fakes/peers.ts";

/** A registry, and parts around it that note what is done to them in which order. */
function setup(nodes: Readonly<Record<string, string>>) {
  const registry = registryOf(nodes);
  const done: string[] = [];
  const state = { refused: false, suits: false };
  const note = (what: string) => void done.push(what);
  const parts = {
    registry,
    device: {
      suits: () => state.suits,
      change(_: unknown, __: unknown, addresses: readonly ({ bytes: Uint8Array } | undefined)[]) {
        if (state.refused) throw new RunError({ what: "the route exists already" });
        const known = addresses.map((one) => one ? formatAddress(one.bytes) : "?");
        note(`device: ${known.join(" ")}`);
        return () => note("prune");
      },
    },
    lanes: { clearPeer: (index: number) => note(`clear counters ${index}`), macs: undefined },
    publisher: {
      publishAll: () => note("publish"),
      publishChange: ({ added, removed, moved }: RegistryChange) => {
        const text = [added, removed, moved].map((peers) => peers.map(({ name }) => name).join());
        note(`publish +${text[0]} -${text[1]} ~${text[2]}`);
      },
      takenUp() {
        note("taken up");
        return Promise.resolve();
      },
    },
    resolver: { report: () => note("report") },
    hellos: {
      announce: () => note("announce"),
      hello: ({ name }: { name: string }) => note(`hello ${name}`),
    },
    resolveHost(host: string) {
      note(`resolve ${host}`);
      return Promise.resolve(host === "d.test" ? [parseAddress("10.0.0.4")!] : []);
    },
    checkFiles: () => {},
    bringInStep: () => note("in step"),
    followNodes: () => note("nodes"),
  };
  const apply = async (members: Members) => {
    const { config, self } = registry;
    await applyMembers(parts, membersDiff({ config, self }, members));
    return done.splice(0);
  };
  return { registry, state, done, apply };
}

Deno.test("apply: routes before packets, indexes after lanes", async () => {
  const { registry, apply } = setup({ b: "10.0.0.2", c: "10.0.0.3" });
  assertEquals(await apply(membersOf({ c: "10.0.0.9", d: "d.test" })), [
    "resolve d.test",
    "device: 10.0.0.9 10.0.0.4",
    "clear counters 2",
    "in step",
    "taken up",
    "prune",
    "report",
    "announce",
    "hello d",
    "hello c",
  ]);
  assertEquals(registry.peers.map(({ name, index }) => [name, index]), [["c", 1], ["d", 2]]);
  await apply(membersOf({ c: "10.0.0.9", d: "d.test", e: "10.0.0.5" }));
  assertEquals(registry.peers.at(-1)!.index, 0, "b's index is free again");
});

Deno.test("apply: where the device suits, only nodes that differ are touched", async () => {
  const { registry, state, apply } = setup({ b: "10.0.0.2", c: "10.0.0.3" });
  state.suits = true;
  assertEquals(await apply(membersOf({ c: "10.0.0.9", e: "10.0.0.5" })), [
    "clear counters 2",
    "nodes",
    "publish +e -b ~c",
    "taken up",
    "report",
    "hello e",
    "hello c",
  ]);
  assertEquals(registry.peers.map(({ name, index }) => [name, index]), [["c", 1], ["e", 2]]);
});

Deno.test("apply: what the device refuses changes nothing", async () => {
  const { registry, state, done, apply } = setup({ b: "10.0.0.2" });
  state.refused = true;
  await assertRejects(() => apply(membersOf({ c: "10.0.0.3" })), RunError, "exists already");
  assertEquals([done, registry.peers.map(({ name }) => name)], [[], ["b"]]);
});

Deno.test("apply: where indexes are short, peers go before others come", async () => {
  const { registry, apply } = setup({});
  const { config, self } = registry;
  const many = (prefix: string): Members => ({
    config: {
      ...config,
      nodes: [
        self,
        ...Array.from({ length: NODES_MAX }, (_, i): NodeConfig => ({
          name: `${prefix}${i}`,
          endpoint: { host: "10.0.0.2", port: i + 1 },
          subnets: [],
        })),
      ],
    },
    self,
  });
  await apply(many("a"));
  const done = await apply(many("b"));
  assertEquals(done.slice(1, 3), ["publish", "taken up"]);
  assertEquals(registry.peers.length, NODES_MAX);
  assertEquals(registry.indexes, NODES_MAX);
});

Deno.test("reloader: one after the other, those that wait are one, and failures are logged", async () => {
  const { log, lines } = logged();
  const gates = [Promise.withResolvers<ReloadOutcome>(), Promise.withResolvers<ReloadOutcome>()];
  const told: string[] = [];
  let asked = 0;
  const time = new FakeTime();
  const source = { watch() {}, close() {}, reload: () => gates[asked++]!.promise };
  const reloader = new Reloader(source, log, time);
  const started_ms = time.wall_ms();
  assertEquals(reloader.read, { ok: true, success_ms: started_ms });
  time.skip(5);
  reloader.listener = { began: () => told.push("began"), ended: () => told.push("ended") };
  const first = reloader.reload();
  await Promise.resolve();
  const waiting = [reloader.reload(), reloader.reload()];
  assertEquals([asked, told, waiting[0] === waiting[1]], [1, ["began"], true]);
  gates[0]!.resolve({ ok: true, exitCode: 0, lines: ["reloaded"] });
  assertEquals((await first).ok, true);
  assertEquals(reloader.read, { ok: true, success_ms: started_ms + 5 });
  time.skip(5);
  gates[1]!.resolve({ ok: false, exitCode: 2, lines: ["what is wrong"] });
  assertEquals((await waiting[0]!).exitCode, 2);
  assertEquals(reloader.read, { ok: false, success_ms: started_ms + 5 });
  assertEquals([asked, told], [2, ["began", "ended", "began", "ended"]]);
  assertEquals(lines, [
    "tunnet: error: what is wrong",
    "tunnet: error: the config was not reloaded: nothing has changed",
  ]);
});
