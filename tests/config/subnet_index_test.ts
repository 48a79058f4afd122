import { type PlacedSubnet, prefixKey, SubnetIndex } from "../../src/config/subnet_index.ts";
import { formatPrefix, type IpVersion, maskBytes, prefixContains } from "../../src/net/prefix.ts";
import { assertEquals } from "../assert.ts";
import { random } from "../fuzz/random.ts";

Deno.test("SubnetIndex: the same answers as comparing with each subnet", () => {
  const rng = random(5);
  for (let round = 0; round < 200; round++) {
    // Few distinct bytes, so that prefixes nest and addresses hit them.
    const address = (version: IpVersion) => ({
      version,
      bytes: Uint8Array.from({ length: version === 4 ? 4 : 16 }, () => rng.pick([0, 1, 128, 255])),
    });
    const subnets = new Map<string, PlacedSubnet>();
    for (let i = 0; i < 60; i++) {
      const { version, bytes } = address(rng.pick([4, 6]));
      const length_bits = 1 + rng.below(bytes.length * 8);
      const prefix = { version, bytes: maskBytes(bytes, length_bits), length_bits };
      subnets.set(prefixKey(prefix), { prefix, node: i });
    }
    const index = new SubnetIndex([...subnets.values()]);
    for (let i = 0; i < 20; i++) {
      const probe = address(rng.pick([4, 6]));
      const expected = [...subnets.values()].filter(({ prefix }) => prefixContains(prefix, probe))
        .sort((a, b) => b.prefix.length_bits - a.prefix.length_bits);
      const text = (found: readonly PlacedSubnet[]) =>
        found.map(({ prefix, node }) => `${formatPrefix(prefix)} ${node}`);
      assertEquals(text(index.covering(probe)), text(expected));
    }
  }
});
