import { assertEquals } from "../assert.ts";
import { parseConfig } from "../../src/config/parse.ts";
import { formatAddress, formatPrefix, parseAddress } from "../../src/net/prefix.ts";
import { NO_ROUTE } from "../../src/forwarding/prefixes.ts";
import { deviceAddresses, kernelRoutes, underlayRoutes } from "../../src/peers/plan.ts";

/** Routes of node a whose own subnets, and those of node b, are given. */
function routes(network: string, own: string, remote: string): readonly string[] {
  const yaml = [
    ...(network ? [`network: ${network}`] : []),
    "nodes:",
    `  - {name: a, address: 192.168.0.8, subnets: [${own}]}`,
    `  - {name: b, address: 192.168.0.7, subnets: [${remote}]}`,
  ];
  const { config } = parseConfig(yaml.join("\n"), "test");
  return kernelRoutes(config, config.nodes[0]!).map(formatPrefix);
}

Deno.test("kernel routes: the network covers all remote subnets, else each has its own", () => {
  assertEquals(routes("172.0.0.0/8", "172.1.0.0/16", "172.2.0.0/16"), ["172.0.0.0/8"]);
  assertEquals(routes("", "172.1.0.0/16", "172.2.0.0/16, 172.3.0.0/16"), [
    "172.2.0.0/16",
    "172.3.0.0/16",
  ]);
  assertEquals(routes("172.0.0.0/8", "172.1.0.0/16", '172.2.0.0/16, "fd00:2::/64"'), [
    "172.0.0.0/8",
    "fd00:2::/64",
  ]);
});

Deno.test("kernel routes: a remote subnet within an own one wins over the bridge's route", () => {
  assertEquals(routes("172.0.0.0/8", "172.1.0.0/16", "172.2.0.0/16, 172.1.128.0/17"), [
    "172.0.0.0/8",
    "172.1.128.0/17",
  ]);
});

Deno.test("device addresses: the first subnet of each IP version with room for more than a pod", () => {
  const cases: readonly [own: string, expected: readonly string[]][] = [
    ["10.1.0.0/24", ["10.1.0.0/32"]],
    ["10.1.0.4/30", ["10.1.0.4/32"]],
    ["10.1.0.4/31", []],
    ["10.1.0.4/32", []],
    ["10.1.0.4/32, 10.2.0.0/24, 10.3.0.0/24", ["10.2.0.0/32"]],
    ["10.1.0.4/32, 'fd00:1::/64'", ["fd00:1::/128"]],
    ["10.1.0.0/24, 'fd00:1::2/127', 'fd00:2::2/128'", ["10.1.0.0/32"]],
    ["'fd00:1::2/127', 'fd00:2::4/126'", ["fd00:2::4/128"]],
  ];
  for (const [own, expected] of cases) {
    const yaml = `nodes:\n  - {name: a, address: 192.168.0.8, subnets: [${own}]}\n`;
    const { config } = parseConfig(yaml, "test");
    const addresses = deviceAddresses(config.nodes[0]!);
    assertEquals(
      addresses.map(({ address, length_bits }) => `${formatAddress(address.bytes)}/${length_bits}`),
      expected,
      own,
    );
  }
});

/** Which addresses of nodes a, b, c ... the default node does not own. */
function nobodys(addresses: readonly string[], defaultNode?: string) {
  const nodes = addresses.map((address, i) =>
    `  - {name: ${"abcd"[i]}, address: "${address}", subnets: [172.${i + 1}.0.0/16]}`
  );
  const { config } = parseConfig(`nodes:\n${nodes.join("\n")}\n`, "test");
  const placed = config.nodes.map((node) => ({ node, address: parseAddress(node.endpoint.host) }));
  const routes = underlayRoutes(defaultNode === undefined ? {} : { defaultNode }, placed);
  assertEquals(routes.filter(({ hop }) => hop !== NO_ROUTE), []);
  return routes.map(({ prefix }) => formatPrefix(prefix));
}

Deno.test("underlay routes: the default node does not own the other nodes' addresses", () => {
  const addresses = ["10.0.0.1", "10.0.0.2", "10.0.0.3"];
  assertEquals(nobodys(addresses), [], "without a default node nobody would");
  assertEquals(nobodys(addresses, "b"), ["10.0.0.1/32", "10.0.0.3/32"]);
  assertEquals(nobodys(addresses, "a"), ["10.0.0.2/32", "10.0.0.3/32"]);
  const shared = ["10.0.0.1", "10.0.0.2", "10.0.0.2:4000", "10.0.0.1:4000"];
  assertEquals(nobodys(shared, "b"), ["10.0.0.1/32"]);
  assertEquals(nobodys(["fd00::1", "fd00::2"], "b"), ["fd00::1/128"]);
  assertEquals(nobodys(["10.0.0.1", "b.test", "c.test"], "b"), ["10.0.0.1/32"]);
});
