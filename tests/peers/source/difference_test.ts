import { assertEquals } from "../../assert.ts";
import { parseConfig } from "../../../src/config/parse.ts";
import {
  changedNames,
  changedSettings,
  changesText,
  type FileMembers,
  leftAsIs,
} from "../../../src/peers/source/difference.ts";
import { membersDiff } from "../../../src/peers/source/source.ts";

const NODES = [
  "  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}",
  "  - {name: b, address: 10.0.0.2, subnets: [172.2.0.0/16, 172.3.0.0/16]}",
];

function membersOf(nodes: readonly string[] = NODES, more = ""): FileMembers {
  const { config } = parseConfig(`${more}nodes:\n${nodes.join("\n")}\n`, "test");
  return { config, self: config.nodes[0]!, endpoint: config.nodes[0]!.endpoint };
}

const NOTHING = { added: [], removed: [], changed: [], settings: [], left: [] };

Deno.test("difference: what a new config changes", async (t) => {
  const [a, b] = NODES;
  const c = "  - {name: c, address: 10.0.0.3, subnets: []}";
  const cases: readonly (readonly [
    name: string,
    wanted: FileMembers,
    expected: Partial<typeof NOTHING> | Record<string, readonly string[]>,
    text: string,
  ])[] = [
    ["nothing", membersOf(), {}, "nothing has changed"],
    [
      "the order of nodes and subnets",
      {
        ...membersOf([b!.replace(/\[(.*), (.*)\]/, "[$2, $1]"), a!]),
        self: membersOf().self,
        endpoint: membersOf().endpoint,
      },
      {},
      "nothing has changed",
    ],
    ["a node", membersOf([...NODES, c]), { added: ["c"] }, "added c"],
    [
      "a node for another",
      membersOf([a!, c]),
      { added: ["c"], removed: ["b"] },
      "added c; removed b",
    ],
    ["a subnet", membersOf([a!, b!.replace("172.3", "172.4")]), { changed: ["b"] }, "changed b"],
    [
      "MAC addresses",
      membersOf([a!, b!.replace("}", ', macs: ["02:00:00:00:00:01"]}')]),
      { changed: ["b"] },
      "changed b",
    ],
    [
      "what another node accepts, and this one",
      membersOf([
        a!.replace("}", ", accept: [192.168.7.0/24]}"),
        b!.replace("}", ", accept: [192.168.8.0/24]}"),
      ]),
      { changed: ["a", "b"] },
      "changed a, b",
    ],
    ["an address", membersOf([a!, b!.replace("0.2", "0.9")]), { changed: ["b"] }, "changed b"],
    ["a port", membersOf([a!, b!.replace("0.2", "0.2:4000")]), { changed: ["b"] }, "changed b"],
    [
      "settings",
      membersOf(NODES, "network: 172.0.0.0/8\nmtu: 1400\ndefault: b\n"),
      { settings: ["network", "mtu", "default"] },
      "changed network, mtu, default",
    ],
    [
      "what has to wait",
      {
        ...membersOf([a!.replace("0.1", "0.1:4000"), b!], "device: t1\n"),
        endpoint: { host: "10.0.0.1", port: 4000 },
      },
      {
        changed: ["a"],
        left: [
          "the device cannot change while it runs: tunnet0 stays, not t1",
          "this node's address and port cannot change while it runs: " +
          "10.0.0.1:3009 stays, not 10.0.0.1:4000",
        ],
      },
      "changed a",
    ],
    [
      "how it runs",
      membersOf(NODES, "http: 9309\nengine: auto,-gro\n"),
      {
        left: [
          'http cannot change while it runs: none stays, not {"host":"127.0.0.1","port":9309}',
          'engine cannot change while it runs: none stays, not {"engine":"auto","off":["gro"]}',
        ],
      },
      "nothing has changed",
    ],
    [
      "this node's name",
      membersOf([a!.replace("name: a", "name: z"), b!]),
      { added: ["z"], removed: ["a"], settings: ["this node's name"] },
      "added z; removed a; changed this node's name",
    ],
  ];
  for (const [name, wanted, expected, text] of cases) {
    await t.step(name, () => {
      const before = membersOf();
      const diff = membersDiff(before, wanted);
      const names = changedNames(diff, changedSettings(before, wanted));
      assertEquals({ ...names, left: leftAsIs(before, wanted) }, { ...NOTHING, ...expected });
      assertEquals(changesText(names), text);
    });
  }
});

Deno.test("difference: a long list is cut", () => {
  const many = Array.from({ length: 20 }, (_, i) => `n${i}`);
  const text = changesText({ ...NOTHING, added: many });
  assertEquals(text, `added ${many.slice(0, 16).join(", ")} and 4 more`);
});
