import { check } from "../../src/cli/check.ts";
import { STARTER_CONFIG } from "../../src/cli/init.ts";
import { route } from "../../src/cli/route.ts";
import { modeOf } from "../../src/cli/dump.ts";
import type { Target } from "../../src/cli/parse/values.ts";
import { UsageError } from "../../src/base/errors.ts";
import { parseConfig } from "../../src/config/parse.ts";
import { parseAddress, parsePrefix } from "../../src/net/prefix.ts";
import { assertEquals, assertThrows } from "../assert.ts";

const starter = parseConfig(STARTER_CONFIG, "tunnet.yaml");
const nested = parseConfig(
  `
network: 172.0.0.0/8
default: gate
nodes:
  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16, "fd00:1::/64"]}
  - {name: b, address: 10.0.0.2, subnets: [172.1.128.0/17, 172.2.0.0/16, 172.3.0.0/16, 172.4.0.0/16, 172.5.0.1/16]}
  - {name: gate, address: "gate.example:4000", subnets: []}
`,
  "n.yaml",
);

Deno.test("check: the table of the starter config", () => {
  assertEquals(check(starter, starter.config.nodes[1], false), {
    exitCode: 0,
    stdout: [
      "tunnet.yaml: good: 2 nodes, 2 subnets",
      "network 10.244.0.0/16, port 3009, device tunnet0, mode tun, mtu auto",
      "",
      "NODE    ADDRESS           SUBNETS",
      "node-a  192.168.0.8:3009  10.244.1.0/24",
      "node-b  192.168.0.7:3009  10.244.2.0/24  (this node)",
      "",
    ].join("\n"),
  });
});

Deno.test("check: many subnets are cut short, the default node is marked", () => {
  assertEquals(check(nested, undefined, false).stdout.split("\n").slice(3), [
    "NODE  ADDRESS            SUBNETS",
    "a     10.0.0.1:3009      172.1.0.0/16, fd00:1::/64",
    "b     10.0.0.2:3009      172.1.128.0/17, 172.2.0.0/16, 172.3.0.0/16, 172.4.0.0/16 and 1 more",
    "gate  gate.example:4000  -  (default)",
    "",
  ]);
});

Deno.test("check --json: everything, warnings included", () => {
  const { stdout, exitCode } = check(nested, nested.config.nodes[0], true);
  assertEquals(exitCode, 0);
  assertEquals(JSON.parse(stdout), {
    source: "n.yaml",
    network: ["172.0.0.0/8"],
    port: 3009,
    device: "tunnet0",
    mode: "tun",
    mtu: "auto",
    default: "gate",
    self: "a",
    nodes: [
      { name: "a", address: "10.0.0.1", port: 3009, subnets: ["172.1.0.0/16", "fd00:1::/64"] },
      {
        name: "b",
        address: "10.0.0.2",
        port: 3009,
        subnets: [
          "172.1.128.0/17",
          "172.2.0.0/16",
          "172.3.0.0/16",
          "172.4.0.0/16",
          "172.5.0.0/16",
        ],
      },
      { name: "gate", address: "gate.example", port: 4000, subnets: [] },
    ],
    warnings: [
      'n.yaml: line 6, node b: subnets: "172.5.0.1/16" has host bits set; read as 172.5.0.0/16',
      "n.yaml: line 2: network: 172.0.0.0/8 holds public addresses, and this host reaches none of " +
      "them while tunnet runs; a private network such as 10.244.0.0/16 takes nothing away",
    ],
  });
});

const lines = (address: string, self?: number, loaded = nested) => {
  const node = self === undefined ? undefined : loaded.config.nodes[self];
  const { stdout, exitCode } = route(loaded, parseAddress(address)!, node, false);
  return [exitCode, ...stdout.trimEnd().split("\n")];
};

Deno.test("route: the longest prefix wins, and shorter ones are named", () => {
  assertEquals(lines("172.1.200.1"), [
    0,
    "172.1.200.1 -> b 10.0.0.2:3009",
    "  172.1.128.0/17 of b is the longest prefix that covers it",
    "  172.1.0.0/16 of a covers it too, but is shorter",
  ]);
  assertEquals(lines("172.1.1.1", 0), [
    0,
    "172.1.1.1 -> a 10.0.0.1:3009 (this node: it does not enter the tunnel)",
    "  172.1.0.0/16 of a is the longest prefix that covers it",
  ]);
  assertEquals(lines("172.10.0.1", undefined, starter), [
    1,
    "172.10.0.1 -> no node: no subnet covers it, and there is no default node; it is answered with ICMP",
  ]);
});

Deno.test("route: the default node, inside and outside the network", () => {
  assertEquals(lines("172.99.0.1"), [
    0,
    "172.99.0.1 -> gate gate.example:4000",
    "  no subnet covers it, and gate is the default node",
  ]);
  assertEquals(lines("FD00:9::1"), [
    0,
    "fd00:9::1 -> gate gate.example:4000",
    "  no subnet covers it, and gate is the default node",
    "  it lies in no network: it reaches the device only by a route of your own",
  ]);
});

Deno.test("route --json", () => {
  const result = (address: string, loaded = nested) => {
    const { stdout, exitCode } = route(loaded, parseAddress(address)!, undefined, true);
    return [exitCode, JSON.parse(stdout)];
  };
  assertEquals(result("172.1.200.1"), [0, {
    address: "172.1.200.1",
    node: "b",
    endpoint: "10.0.0.2:3009",
    reason: "subnet",
    subnet: "172.1.128.0/17",
    local: false,
    also: [{ node: "a", subnet: "172.1.0.0/16" }],
  }]);
  assertEquals(result("9.9.9.9", starter), [1, {
    address: "9.9.9.9",
    node: null,
    endpoint: null,
    reason: "none",
    subnet: null,
    local: false,
    also: [],
  }]);
});

const tap = parseConfig(
  `mode: tap
bridge: br0
nodes:
  - {name: a, address: 10.0.0.1, macs: ["02:42:ac:01:00:02"]}
  - {name: b, address: 10.0.0.2}
`,
  "t.yaml",
);

Deno.test("check and route in mode tap: MAC addresses take the place of subnets", () => {
  assertEquals(check(tap, tap.config.nodes[0], false).stdout.split("\n"), [
    "t.yaml: good: 2 nodes, 1 MAC address",
    "network not set, port 3009, device tunnet0, mode tap, bridge br0, mtu auto",
    "",
    "NODE  ADDRESS        MACS",
    "a     10.0.0.1:3009  02:42:ac:01:00:02  (this node)",
    "b     10.0.0.2:3009  -",
    "",
  ]);
  const { nodes, bridge } = JSON.parse(check(tap, undefined, true).stdout);
  assertEquals([bridge, nodes[0].macs, nodes[1].macs], ["br0", ["02:42:ac:01:00:02"], []]);
  const address = parseAddress("10.9.0.2")!;
  const { stdout, exitCode } = route(tap, address, undefined, false);
  assertEquals(stdout.split("\n").length, 2);
  assertEquals(exitCode, 1);
  assertEquals(JSON.parse(route(tap, address, undefined, true).stdout).reason, "tap");
});

const routed = (target: Target) => {
  const { stdout, exitCode } = route(nested, target, undefined, false);
  return [exitCode, ...stdout.trimEnd().split("\n")];
};

Deno.test("route: a subnet goes where the longest prefix around it says, but for what is inside", () => {
  const prefix = (text: string) => parsePrefix(text)!.prefix;
  assertEquals(routed(prefix("172.2.0.0/16")), [
    0,
    "172.2.0.0/16 -> b 10.0.0.2:3009",
    "  172.2.0.0/16 of b is the longest prefix that covers it",
  ]);
  assertEquals(routed(prefix("172.1.0.0/16")), [
    0,
    "172.1.0.0/16 -> a 10.0.0.1:3009",
    "  172.1.0.0/16 of a is the longest prefix that covers it",
    "  172.1.128.0/17 inside it goes to b 10.0.0.2:3009",
  ]);
  const json = JSON.parse(route(nested, prefix("172.1.0.0/16"), undefined, true).stdout);
  assertEquals([json.address, json.node, json.inside], ["172.1.0.0/16", "a", [
    { node: "b", subnet: "172.1.128.0/17" },
  ]]);
});

Deno.test("route: a node's name is all that it gets", () => {
  assertEquals(routed("a"), [0, "a 10.0.0.1:3009 gets", "  172.1.0.0/16", "  fd00:1::/64"]);
  assertEquals(routed("gate"), [0, "gate gate.example:4000 gets", "  what no subnet covers"]);
  assertThrows(
    () => routed("gat"),
    UsageError,
    '"gat" is no node (did you mean "gate"?); try: the name of a node',
  );
  assertEquals(JSON.parse(route(nested, "gate", undefined, true).stdout), {
    node: "gate",
    endpoint: "gate.example:4000",
    subnets: [],
    default: true,
  });
});

Deno.test("dump: what a device is decides, and its name where there is none", () => {
  const link = (kind: string, ethernet: boolean) =>
    ({ kind, ethernet }) as Parameters<typeof modeOf>[1];
  assertEquals(modeOf("tap0", link("tun", true)), "tap");
  assertEquals(modeOf("tap0", link("tun", false)), "tun");
  assertEquals(modeOf("pods", link("tun", true)), "tap");
  assertEquals(["tap0", "tap", "tun0", "tapped"].map((name) => modeOf(name, undefined)), [
    ...["tap", "tap", "tun", "tun"],
  ]);
});
