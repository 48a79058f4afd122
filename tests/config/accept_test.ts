import { assertEquals, assertThrows } from "../assert.ts";
import { ConfigError } from "../../src/base/errors.ts";
import { ACCEPTED_MAX } from "../../src/base/limits.ts";
import { parseConfig } from "../../src/config/parse.ts";
import { formatPrefix } from "../../src/net/prefix.ts";

const yaml = (accept: string, more = "") =>
  `${more}nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16], accept: ${accept}}\n`;

Deno.test("accept: what a node takes in besides its subnets", () => {
  const { config } = parseConfig(yaml('[192.168.7.0/24, "2000::/3"]'), "t.yaml");
  assertEquals(config.nodes[0]!.accept?.map(formatPrefix), ["192.168.7.0/24", "2000::/3"]);
  const { nodes } = parseConfig(yaml("[]"), "t.yaml").config;
  assertEquals(nodes[0]!.accept, undefined);
  const tap = parseConfig(yaml("[192.168.7.0/24]", "mode: tap\n"), "t.yaml");
  assertEquals([tap.config.nodes[0]!.accept, tap.warnings.length], [undefined, 2]);
});

Deno.test("accept: what is no list of prefixes, or nobody's", () => {
  const many = Array.from({ length: ACCEPTED_MAX + 1 }, (_, i) => `10.0.${i}.0/24`);
  const cases: readonly (readonly [accept: string, RegExp])[] = [
    ["192.168.7.0/24", /accept: "192.168.7.0\/24", not a list; try: \[192.168.7.0\/24\]/],
    ["[192.168.7]", /"192.168.7" is not a prefix/],
    ["[224.0.0.0/4]", /cannot hold pods/],
    ["[127.0.0.1/32]", /cannot hold pods/],
    ['["fe80::/64"]', /cannot hold pods/],
    [`[${many.join(", ")}]`, /65 prefixes \(at most 64\)/],
  ];
  for (const [accept, expected] of cases) {
    const error = assertThrows(() => parseConfig(yaml(accept), "t.yaml"), ConfigError);
    assertEquals(expected.test(error.message), true, error.message);
  }
});
