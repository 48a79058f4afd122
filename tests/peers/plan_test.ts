import { assertEquals } from "../assert.ts";
import { parseConfig } from "../../src/config/parse.ts";
import { formatPrefix } from "../../src/net/prefix.ts";
import { kernelRoutes } from "../../src/peers/plan.ts";

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
