import { assert, assertEquals, assertThrows } from "../assert.ts";
import type { Config, NodeConfig } from "../../src/config/types.ts";
import { NODES_MAX } from "../../src/base/limits.ts";
import { timersOf } from "../../src/base/time.ts";
import { formatAddress, parseAddress } from "../../src/net/prefix.ts";
import type { Peer, Resolved } from "../../src/peers/peer.ts";
import { Registry, type RegistryChange } from "../../src/peers/registry.ts";
import { type Members, membersDiff } from "../../src/peers/source/source.ts";
import { membersOf, registryOf } from "../fakes/peers.ts";
import { random } from "../fuzz/random.ts";

/** Goes over to other members. */
function change(
  registry: Registry,
  members: Members,
  resolved: Resolved = new Map(),
): RegistryChange {
  const { config, self } = registry;
  return registry.apply(membersDiff({ config, self }, members), resolved);
}

const address = (text: string) => parseAddress(text)!;
const at = (peer: Peer | undefined) =>
  peer?.address && `${formatAddress(peer.address.bytes)}:${peer.port}`;
const names = (peers: readonly Peer[]) => peers.map(({ name }) => name);
const byName = (registry: Registry, name: string) =>
  registry.peers.find((peer) => peer.name === name);

Deno.test("registry: peers keep their index, whatever comes and goes around them", () => {
  const registry = registryOf({ b: "10.0.0.2", c: "10.0.0.3", d: "10.0.0.4" });
  assertEquals(registry.peers.map(({ index, name }) => [index, name]), [[0, "b"], [1, "c"], [
    2,
    "d",
  ]]);
  const changed = change(registry, membersOf({ e: "10.0.0.5", d: "10.0.0.4", b: "10.0.0.2" }));
  assertEquals([names(changed.added), names(changed.removed), names(changed.moved)], [
    ["e"],
    ["c"],
    [],
  ]);
  assertEquals(registry.peers.map(({ index, name }) => [index, name]), [[3, "e"], [2, "d"], [
    0,
    "b",
  ]]);
  assertEquals([registry.at(1), registry.at(3)?.name], [undefined, "e"]);
});

Deno.test("registry: an index is used again only after it was released", () => {
  const registry = registryOf({ b: "10.0.0.2" });
  change(registry, membersOf({ c: "10.0.0.3" }));
  assertEquals(byName(registry, "c")!.index, 1);
  registry.release();
  change(registry, membersOf({ c: "10.0.0.3", d: "10.0.0.4" }));
  assertEquals(byName(registry, "d")!.index, 0);
});

Deno.test("registry: where a peer is reached", async (t) => {
  await t.step("a host name, once it is known, and while it means the same", () => {
    const registry = registryOf({ b: "b.example:4000" });
    const peer = byName(registry, "b")!;
    assertEquals(at(peer), undefined);
    assertEquals(peer.offer([address("fd00::2")]), false, "of the other IP version");
    assert(peer.offer([address("10.0.0.2"), address("10.0.0.3")]));
    assertEquals(at(peer), "10.0.0.2:4000");
    assertEquals(peer.offer([address("10.0.0.3"), address("10.0.0.2")]), false, "still among them");
    assertEquals(peer.offer([]), false, "a resolver that is away changes nothing");
    assertEquals(at(peer), "10.0.0.2:4000");
    assert(peer.offer([address("10.0.0.3")]));
    assertEquals(at(peer), "10.0.0.3:4000");
  });
  await t.step("a new address or port in the config", () => {
    const registry = registryOf({ b: "10.0.0.2", c: "10.0.0.3" });
    const changed = change(registry, membersOf({ b: "10.0.0.9", c: "10.0.0.3:4000" }));
    assertEquals(names(changed.moved), ["b", "c"]);
    assertEquals(registry.peers.map(at), ["10.0.0.9:3009", "10.0.0.3:4000"]);
  });
  await t.step("a new host name of which nothing is known", () => {
    const registry = registryOf({ b: "10.0.0.2" });
    change(registry, membersOf({ b: "b.example" }));
    assertEquals(registry.peers.map(at), [undefined]);
    change(
      registry,
      membersOf({ b: "c.example" }),
      new Map([["c.example", [address("10.0.0.7")]]]),
    );
    assertEquals(registry.peers.map(at), ["10.0.0.7:3009"]);
  });
});

Deno.test("registry: as many peers as there may be, and no more at once", () => {
  const many = (count: number, prefix: string) =>
    Array.from({ length: count }, (_, i): NodeConfig => ({
      name: `${prefix}${i}`,
      endpoint: { host: "10.0.0.2", port: i + 1 },
      subnets: [],
    }));
  const { config, self } = membersOf({});
  const full = (prefix: string): Members & { config: Config } => ({
    config: { ...config, nodes: [self, ...many(NODES_MAX, prefix)] },
    self,
  });
  const registry = new Registry(full("a"), 4, timersOf());
  assertEquals(registry.indexes, NODES_MAX);
  const diff = membersDiff(full("a"), full("b"));
  assertEquals([diff.added.length, registry.hasRoomFor(diff)], [NODES_MAX, false]);
  assertThrows(() => registry.apply(diff, new Map()), RangeError);
  assertEquals(registry.peers[0]!.name, "a0", "nothing has changed");
  change(registry, { config, self });
  assertThrows(() => change(registry, full("b")), RangeError);
  registry.release();
  change(registry, full("b"));
  assertEquals(new Set(registry.peers.map(({ index }) => index)).size, NODES_MAX);
});

Deno.test("registry: this node may become another one of the config", () => {
  const registry = registryOf({ b: "10.0.0.2", c: "10.0.0.3" });
  const { config } = registry;
  const changed = change(registry, { config, self: config.nodes[1]! });
  assertEquals([names(changed.added), names(changed.removed)], [["self"], ["b"]]);
  assertEquals([registry.self.name, names(registry.peers)], ["b", ["self", "c"]]);
});

Deno.test("registry: any sequence of configs keeps indexes unique and stable", () => {
  const numbers = random(0x5eed);
  const registry = registryOf({});
  let before = new Map<string, number>();
  for (let turn = 0; turn < 2_000; turn++) {
    const chosen = Object.fromEntries(
      Array.from({ length: 12 }, (_, i): [string, string] => [`n${i}`, `10.1.0.${i + 1}`])
        .filter(() => numbers.below(2) === 0),
    );
    const changed = change(registry, membersOf(chosen));
    const now = new Map(registry.peers.map(({ name, index }) => [name, index]));
    assertEquals([...now.keys()], Object.keys(chosen));
    assertEquals(new Set(now.values()).size, now.size, "no index twice");
    for (const [name, index] of now) {
      if (before.has(name)) assertEquals(index, before.get(name), `${name} keeps its index`);
      else assert(changed.added.some((peer) => peer.name === name));
      assertEquals(registry.at(index)!.name, name);
    }
    // What has left keeps its index to itself until it is released.
    for (const { index } of changed.removed) assert(![...now.values()].includes(index));
    if (numbers.below(3) > 0) registry.release();
    before = now;
  }
  assert(registry.indexes <= 48, `indexes are used again, not ${registry.indexes}`);
});
