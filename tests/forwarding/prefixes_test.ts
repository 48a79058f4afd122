import { assertEquals, assertThrows } from "../assert.ts";
import { random } from "../fuzz/random.ts";
import { SUBNETS_MAX } from "../../src/base/limits.ts";
import {
  addressBits,
  maskBytes,
  parseAddress,
  parsePrefix,
  type Prefix,
} from "../../src/net/prefix.ts";
import {
  LOCAL,
  NO_ROUTE,
  type Route,
  ROUTE_TABLE_BYTES,
  ROUTES_MAX,
  RouteTable,
} from "../../src/forwarding/prefixes.ts";

function table(routes: readonly Route[], elsewhere = NO_ROUTE): RouteTable {
  const made = new RouteTable(new SharedArrayBuffer(ROUTE_TABLE_BYTES));
  made.write(routes, elsewhere);
  return made;
}

const route = (text: string, hop: number): Route => ({ prefix: parsePrefix(text)!.prefix, hop });
const address = (text: string) => parseAddress(text)!.bytes;

function toNumber(bytes: Uint8Array): bigint {
  return bytes.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

/** The oracle: looks at every prefix and keeps the longest that covers the address. */
function linearTable(routes: readonly Route[], elsewhere: number): (bytes: Uint8Array) => number {
  const all = routes.map(({ prefix, hop }) => ({
    shift: BigInt(addressBits(prefix.version) - prefix.length_bits),
    start: toNumber(prefix.bytes),
    version_bytes: prefix.bytes.length,
    hop,
  }));
  return (bytes) => {
    const value = toNumber(bytes);
    let best: typeof all[number] | undefined;
    for (const one of all) {
      if (one.version_bytes !== bytes.length) continue;
      if (value >> one.shift !== one.start >> one.shift) continue;
      if (!best || one.shift < best.shift) best = one;
    }
    return best?.hop ?? elsewhere;
  };
}

Deno.test("route table: named cases", async (t) => {
  const routes = [
    route("172.1.0.0/16", 0),
    route("172.1.128.0/17", 1),
    route("172.2.0.0/16", LOCAL),
    route("255.255.255.255/32", 3),
    route("fd00:1::/64", 4),
    route("fd00:1::/32", 5),
    route("fd00:1:0:0:8000::/65", 6),
    route("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128", 7),
  ];
  const cases: readonly [string, string, number][] = [
    ["inside a /16", "172.1.2.3", 0],
    ["172.10 is not 172.1", "172.10.0.1", NO_ROUTE],
    ["the longer prefix wins at its first address", "172.1.128.0", 1],
    ["the longer prefix wins at its last address", "172.1.255.255", 1],
    ["just before the longer prefix", "172.1.127.255", 0],
    ["just after both", "172.2.0.0", LOCAL],
    ["just before all", "172.0.255.255", NO_ROUTE],
    ["the very first address", "0.0.0.0", NO_ROUTE],
    ["the very last address", "255.255.255.255", 3],
    ["one before the last", "255.255.255.254", NO_ROUTE],
    ["IPv6 in the longest", "fd00:1::8000:0:0:1", 6],
    ["IPv6 in the middle one", "fd00:1::1", 4],
    ["IPv6 in the shortest", "fd00:1:5::1", 5],
    ["IPv6 outside", "fd00:2::1", NO_ROUTE],
    ["the last IPv6 address", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 7],
    ["one before the last IPv6 address", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", NO_ROUTE],
  ];
  const made = table(routes);
  for (const [name, text, hop] of cases) {
    await t.step(name, () => assertEquals(made.lookup(address(text)), hop));
  }
});

Deno.test("route table: what no subnet covers goes to the default hop", () => {
  const made = table([route("172.1.0.0/16", 0)], 9);
  assertEquals(made.lookup(address("8.8.8.8")), 9);
  assertEquals(made.lookup(address("172.1.0.1")), 0);
  assertEquals(made.lookup(address("172.2.0.0")), 9);
  assertEquals(made.lookup(address("fd00::1")), 9);
});

Deno.test("route table: prefixes of length 0", () => {
  const made = table([route("0.0.0.0/0", 1), route("10.0.0.0/8", 2), route("::/0", 3)]);
  assertEquals(made.lookup(address("9.255.255.255")), 1);
  assertEquals(made.lookup(address("10.0.0.0")), 2);
  assertEquals(made.lookup(address("11.0.0.0")), 1);
  assertEquals(made.lookup(address("::1")), 3);
});

Deno.test("route table: memory of zeros and an empty table have no routes", () => {
  const made = new RouteTable(new SharedArrayBuffer(ROUTE_TABLE_BYTES));
  assertEquals(made.lookup(address("1.2.3.4")), NO_ROUTE);
  assertEquals(made.lookup(address("::1")), NO_ROUTE);
  made.write([], NO_ROUTE);
  assertEquals(made.lookup(address("1.2.3.4")), NO_ROUTE);
});

Deno.test("route table: another view sees a rewrite after reload", () => {
  const memory = new SharedArrayBuffer(ROUTE_TABLE_BYTES);
  const writer = new RouteTable(memory);
  const reader = new RouteTable(memory);
  writer.write([route("10.0.0.0/8", 1)], NO_ROUTE);
  reader.reload();
  assertEquals(reader.lookup(address("10.1.1.1")), 1);
});

Deno.test("route table: the limit holds at limit + 1", () => {
  const many = Array.from({ length: ROUTES_MAX + 1 }, () => route("10.0.0.0/8", 1));
  assertThrows(() => table(many), RangeError);
});

Deno.test("route table: SUBNETS_MAX disjoint prefixes with gaps fit", () => {
  const routes = Array.from({ length: SUBNETS_MAX }, (_, i): Route => ({
    // Every other /17: each prefix and each gap is a range of its own.
    prefix: { version: 4, bytes: Uint8Array.of(i >> 8, i & 0xff, 128, 0), length_bits: 17 },
    hop: i % 1000,
  }));
  const made = table(routes);
  assertEquals(made.lookup(Uint8Array.of(3, 232, 128, 1)), 1000 % 1000);
  assertEquals(made.lookup(Uint8Array.of(3, 233, 200, 1)), 1001 % 1000);
  assertEquals(made.lookup(Uint8Array.of(3, 233, 100, 1)), NO_ROUTE);
  assertEquals(made.lookup(Uint8Array.of(255, 255, 255, 255)), (SUBNETS_MAX - 1) % 1000);
});

for (const version of [4, 6] as const) {
  Deno.test(`route table: 10,000 random IPv${version} prefixes agree with a linear search`, () => {
    const dice = random(20261124 + version);
    const bits = addressBits(version);
    const seen = new Set<string>();
    const routes: Route[] = [];
    while (routes.length < 10_000) {
      const length_bits = dice.below(bits + 1);
      const bytes = dice.bytes(bits / 8);
      // Half of them nest inside an earlier one.
      const outer = routes.length > 0 && dice.below(2) === 0 ? dice.pick(routes).prefix : undefined;
      if (outer && outer.length_bits <= length_bits) {
        for (let i = 0; i < outer.length_bits >> 3; i++) bytes[i] = outer.bytes[i]!;
      }
      const prefix: Prefix = { version, bytes: maskBytes(bytes, length_bits), length_bits };
      const key = `${prefix.bytes.join()}/${length_bits}`;
      if (seen.has(key)) continue;
      seen.add(key);
      routes.push({ prefix, hop: dice.below(4000) });
    }
    const made = table(routes);
    const expected = linearTable(routes, NO_ROUTE);
    const probe = (bytes: Uint8Array) =>
      assertEquals(made.lookup(bytes), expected(bytes), bytes.join("."));
    for (let i = 0; i < 200; i++) probe(dice.bytes(bits / 8));
    for (let i = 0; i < 200; i++) {
      const { bytes, length_bits } = dice.pick(routes).prefix;
      const low = bytes.slice();
      probe(low);
      const high = bytes.map((byte, at) => {
        const kept = Math.min(8, Math.max(0, length_bits - 8 * at));
        return byte | (0xff >> kept);
      });
      probe(high);
      // One beyond either end.
      for (const [edge, step] of [[low, -1], [high, 1]] as const) {
        const next = edge.slice();
        for (let at = next.length - 1; at >= 0; at--) {
          next[at] = (next[at]! + step) & 0xff;
          if (next[at] !== (step === 1 ? 0 : 0xff)) break;
        }
        probe(next);
      }
    }
  });
}
