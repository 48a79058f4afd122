import { NO_HOST } from "../../src/config/types.ts";
import { parseInline } from "../../src/config/inline.ts";
import { parseConfig } from "../../src/config/parse.ts";
import {
  findSelf,
  findSelfIfAny,
  hostNames,
  listenEndpoint,
  type LocalView,
} from "../../src/config/self.ts";
import { UsageError } from "../../src/base/errors.ts";
import { assertEquals, assertStrictEquals, assertThrows } from "../assert.ts";

const loaded = parseConfig(
  `nodes:
  - {name: node-a, address: 10.0.0.1, subnets: []}
  - {name: node-b, address: 10.0.0.2, subnets: []}
  - {name: node-c, address: c.example, subnets: []}
  - {name: node-d, address: "c.example:4000", subnets: []}
  - {name: node-e, address: e.example, subnets: []}
`,
  "t.yaml",
);
const six = parseConfig(
  'nodes: [{name: a, address: "fd00::0:1", subnets: []}, {name: b, address: "fd00::2", subnets: []}]',
  "t.yaml",
);

const view = (addresses: string[], hosts: Record<string, string[]> = {}): LocalView => ({
  addresses,
  hosts: new Map(Object.entries(hosts)),
});

Deno.test("hostNames: each name once, no addresses", () => {
  assertEquals(hostNames(loaded.config), ["c.example", "e.example"]);
});

Deno.test("findSelf: by address, by resolved name, in any spelling; one of the config's own nodes", () => {
  const name = (one: LocalView, from = loaded) => findSelf(from, one).name;
  assertEquals(name(view(["127.0.0.1", "10.0.0.2", "::1"])), "node-b");
  assertEquals(name(view(["10.9.9.9"], { "e.example": ["10.8.8.8", "10.9.9.9"] })), "node-e");
  assertEquals(name(view([], { "e.example": ["127.0.1.1"] })), "node-e");
  assertEquals(name(view(["FD00:0:0::2%eth0", "fe80::1%eth0"]), six), "b");
  assertStrictEquals(findSelf(loaded, view(["10.0.0.1"])), loaded.config.nodes[0]);
});

Deno.test("findSelf: --node wins over addresses", () => {
  assertEquals(findSelf(loaded, view(["10.0.0.1"]), "node-b").name, "node-b");
});

Deno.test("findSelf: inline, this node is the local one", () => {
  const inline = parseInline({ specs: ["172.2.0.0/16=10.0.0.2"], local: ["172.1.0.0/16"] });
  assertEquals(findSelf(inline, view(["10.0.0.2"])).name, "local");
  assertEquals(findSelfIfAny(inline, view([]))?.name, "local");
});

const ALL =
  "node-a 10.0.0.1, node-b 10.0.0.2, node-c c.example, node-d c.example, node-e e.example";

Deno.test("findSelf: none, several or an unknown one: the error lists the nodes", () => {
  const message = (one: LocalView, node?: string) =>
    assertThrows(() => findSelf(loaded, one, node), UsageError).message;
  assertEquals(
    message(view(["10.0.0.9"])),
    "cannot tell which node this is (no node's address is on a local interface; nodes: " +
      `${ALL}); try: --node node-a`,
  );
  assertEquals(
    message(view(["10.0.0.9"], { "c.example": ["10.0.0.9"] })),
    "cannot tell which node this is (several nodes have local addresses: node-c c.example, " +
      "node-d c.example); try: --node node-c",
  );
  assertEquals(
    message(view([]), "nodeb"),
    '--node "nodeb" is no node (did you mean "node-b"?); try: the name of a node',
  );
  assertEquals(
    message(view([]), "zzz"),
    `--node "zzz" is no node (nodes: ${ALL}); try: the name of a node`,
  );
});

Deno.test("findSelf: a long list of nodes is cut", () => {
  const nodes = Array.from(
    { length: 20 },
    (_, i) => `{name: n${i}, address: 10.0.1.${i}, subnets: []}`,
  );
  const many = parseConfig(`nodes: [${nodes.join(", ")}]`, "t.yaml");
  assertThrows(
    () => findSelf(many, view([])),
    UsageError,
    "n15 10.0.1.15 and 4 more); try: --node n0",
  );
});

Deno.test("findSelfIfAny: undefined instead of an error, except for a wrong --node", () => {
  assertEquals(findSelfIfAny(loaded, view(["10.0.0.9"])), undefined);
  assertEquals(findSelfIfAny(loaded, view(["10.0.0.1"]))?.name, "node-a");
  assertThrows(() => findSelfIfAny(loaded, view([]), "x"), UsageError);
});

Deno.test("listenEndpoint: the node's own, or --listen with the node's port by default", () => {
  const { config } = loaded;
  const self = config.nodes[3]!;
  assertEquals(listenEndpoint(config, self), { host: "c.example", port: 4000 });
  assertEquals(listenEndpoint(config, self, "0.0.0.0"), { host: "0.0.0.0", port: 4000 });
  assertEquals(listenEndpoint(config, self, "[::]:5000"), { host: "::", port: 5000 });
  assertThrows(() => listenEndpoint(config, self, "x:y"), UsageError, "--listen: ");
  const caller = { ...self, endpoint: { host: NO_HOST, port: 3009 } };
  assertEquals(listenEndpoint(config, caller), { host: "0.0.0.0", port: 3009 });
});
