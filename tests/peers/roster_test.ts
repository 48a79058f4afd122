import { assert, assertEquals, assertThrows } from "../assert.ts";
import { parseConfig } from "../../src/config/parse.ts";
import type { Config, NodeConfig } from "../../src/config/types.ts";
import { NODES_MAX } from "../../src/base/limits.ts";
import { formatAddress, parseAddress } from "../../src/net/prefix.ts";
import { type Peer, Roster } from "../../src/peers/roster.ts";
import { random } from "../fuzz/random.ts";

/** A config whose first node is this one; `nodes` maps names to addresses. */
function configOf(nodes: Readonly<Record<string, string>>): [Config, NodeConfig] {
  const lines = Object.entries({ self: "10.0.0.1", ...nodes }).map(([name, address], i) =>
    `  - {name: ${name}, address: "${address}", subnets: [172.16.${i}.0/24]}`
  );
  const { config } = parseConfig(`nodes:\n${lines.join("\n")}\n`, "test");
  return [config, config.nodes[0]!];
}

function rosterOf(nodes: Readonly<Record<string, string>>): Roster {
  return new Roster(...configOf(nodes), 4);
}

const address = (text: string) => parseAddress(text)!;
const at = (peer: Peer | undefined) =>
  peer?.address && `${formatAddress(peer.address.bytes)}:${peer.port}`;
const names = (peers: readonly Peer[]) => peers.map(({ name }) => name);
const byName = (roster: Roster, name: string) => roster.peers.find((peer) => peer.name === name);

Deno.test("roster: peers keep their index, whatever comes and goes around them", () => {
  const roster = rosterOf({ b: "10.0.0.2", c: "10.0.0.3", d: "10.0.0.4" });
  assertEquals(roster.peers.map(({ index, name }) => [index, name]), [[0, "b"], [1, "c"], [
    2,
    "d",
  ]]);
  const change = roster.replace(
    ...configOf({ e: "10.0.0.5", d: "10.0.0.4", b: "10.0.0.2" }),
    new Map(),
  );
  assertEquals([names(change.added), names(change.removed), names(change.moved)], [
    ["e"],
    ["c"],
    [],
  ]);
  assertEquals(roster.peers.map(({ index, name }) => [index, name]), [[3, "e"], [2, "d"], [
    0,
    "b",
  ]]);
  assertEquals([roster.at(1), roster.book.peers[1]], [undefined, undefined]);
  assertEquals(roster.book.peers[3]!.name, "e");
});

Deno.test("roster: an index is used again only after it was released", () => {
  const roster = rosterOf({ b: "10.0.0.2" });
  roster.replace(...configOf({ c: "10.0.0.3" }), new Map());
  assertEquals(byName(roster, "c")!.index, 1);
  roster.release();
  roster.replace(...configOf({ c: "10.0.0.3", d: "10.0.0.4" }), new Map());
  assertEquals(byName(roster, "d")!.index, 0);
});

Deno.test("roster: where a peer is reached", async (t) => {
  await t.step("a host name, once it is known, and while it stands for the same", () => {
    const roster = rosterOf({ b: "b.example:4000" });
    const peer = byName(roster, "b")!;
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
    const roster = rosterOf({ b: "10.0.0.2", c: "10.0.0.3" });
    const change = roster.replace(
      ...configOf({ b: "10.0.0.9", c: "10.0.0.3:4000" }),
      new Map(),
    );
    assertEquals(names(change.moved), ["b", "c"]);
    assertEquals(roster.peers.map(at), ["10.0.0.9:3009", "10.0.0.3:4000"]);
  });
  await t.step("a new host name of which nothing is known", () => {
    const roster = rosterOf({ b: "10.0.0.2" });
    roster.replace(...configOf({ b: "b.example" }), new Map());
    assertEquals(roster.peers.map(at), [undefined]);
    roster.replace(
      ...configOf({ b: "b.example" }),
      new Map([["b.example", [address("10.0.0.7")]]]),
    );
    assertEquals(roster.peers.map(at), ["10.0.0.7:3009"]);
  });
});

Deno.test("roster: as many peers as there may be, and no more at once", () => {
  const many = (count: number, prefix: string) =>
    Array.from({ length: count }, (_, i): NodeConfig => ({
      name: `${prefix}${i}`,
      endpoint: { host: "10.0.0.2", port: i + 1 },
      subnets: [],
    }));
  const [config, self] = configOf({});
  const full = (prefix: string): Config => ({
    ...config,
    nodes: [self, ...many(NODES_MAX, prefix)],
  });
  const roster = new Roster(full("a"), self, 4);
  assertEquals([roster.indexes, roster.room], [NODES_MAX, 0]);
  assertEquals(roster.newcomers(full("b"), self).length, NODES_MAX);
  assertThrows(() => roster.replace(full("b"), self, new Map()), RangeError);
  assertEquals(roster.peers.length, NODES_MAX, "nothing has changed");
  roster.replace(config, self, new Map());
  assertThrows(() => roster.replace(full("b"), self, new Map()), RangeError);
  roster.release();
  roster.replace(full("b"), self, new Map());
  assertEquals(new Set(roster.peers.map(({ index }) => index)).size, NODES_MAX);
});

Deno.test("roster: any sequence of configs keeps indexes unique and stable", () => {
  const numbers = random(0x5eed);
  const roster = rosterOf({});
  let before = new Map<string, number>();
  for (let turn = 0; turn < 2_000; turn++) {
    const chosen = Object.fromEntries(
      Array.from({ length: 12 }, (_, i): [string, string] => [`n${i}`, `10.1.0.${i + 1}`])
        .filter(() => numbers.below(2) === 0),
    );
    const change = roster.replace(...configOf(chosen), new Map());
    const now = new Map(roster.peers.map(({ name, index }) => [name, index]));
    assertEquals([...now.keys()], Object.keys(chosen));
    assertEquals(new Set(now.values()).size, now.size, "no index twice");
    for (const [name, index] of now) {
      if (before.has(name)) assertEquals(index, before.get(name), `${name} keeps its index`);
      else assert(change.added.some((peer) => peer.name === name));
      assertEquals(roster.at(index)!.name, name);
      assertEquals(roster.book.peers[index]!.name, name);
    }
    // What has left keeps its index to itself until it is released.
    for (const { index } of change.removed) assert(![...now.values()].includes(index));
    if (numbers.below(3) > 0) roster.release();
    before = now;
  }
  assert(roster.indexes <= 48, `indexes are used again, not ${roster.indexes}`);
});
