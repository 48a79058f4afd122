import { assertEquals } from "../assert.ts";
import { random } from "../fuzz/random.ts";
import {
  formatAddress,
  formatEndpoint,
  formatPrefix,
  parseAddress,
  parsePrefix,
  prefixContains,
  prefixCovers,
  subPrefix,
} from "../../src/net/prefix.ts";

Deno.test("addresses: text that is one, and its canonical form", async (t) => {
  const cases: readonly [string, string][] = [
    ["0.0.0.0", "0.0.0.0"],
    ["255.255.255.255", "255.255.255.255"],
    ["::", "::"],
    ["::1", "::1"],
    ["1::", "1::"],
    ["FD00:0:0:1::A", "fd00:0:0:1::a"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001:0db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
    ["::ffff:1.2.3.4", "::ffff:1.2.3.4"],
    ["64:ff9b::1.2.3.4", "64:ff9b::102:304"],
  ];
  for (const [text, canonical] of cases) {
    await t.step(text, () => assertEquals(formatAddress(parseAddress(text)!.bytes), canonical));
  }
});

Deno.test("addresses: text that is none", async (t) => {
  const cases = [
    "",
    "1.2.3",
    "1.2.3.4.5",
    "256.1.1.1",
    "01.2.3.4",
    "1.2.3.4 ",
    "1.2.3.-4",
    "0x1.2.3.4",
    ":",
    ":::",
    "1::2::3",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7:8::",
    "12345::",
    "g::",
    "fe80::1%eth0",
    "1.2.3.4::",
    "::1.2.3",
    "::1.2.3.4:5",
    "1:2:3:4:5:6:7:1.2.3.4",
    "1:".repeat(40),
  ];
  for (const text of cases) {
    await t.step(JSON.stringify(text), () => assertEquals(parseAddress(text), undefined));
  }
});

Deno.test("prefixes: host bits are cleared and told", () => {
  assertEquals(parsePrefix("172.1.0.1/16")!.hostBits, true);
  assertEquals(formatPrefix(parsePrefix("172.1.0.1/16")!.prefix), "172.1.0.0/16");
  assertEquals(parsePrefix("172.1.0.0/16")!.hostBits, false);
  assertEquals(formatPrefix(parsePrefix("10.255.255.255/9")!.prefix), "10.128.0.0/9");
  assertEquals(formatPrefix(parsePrefix("fd00:1:2:3:ffff::/65")!.prefix), "fd00:1:2:3:8000::/65");
  assertEquals(formatPrefix(parsePrefix("1.2.3.4/0")!.prefix), "0.0.0.0/0");
});

Deno.test("prefixes: text that is none", () => {
  const cases = ["1.2.3.4", "1.2.3.4/", "1.2.3.4/33", "::/129", "/8", "1.2.3.4/8/8", "1.2.3.4/08"];
  for (const text of cases) assertEquals(parsePrefix(text), undefined, text);
});

Deno.test("prefixes: containing and covering", () => {
  const prefix = (text: string) => parsePrefix(text)!.prefix;
  assertEquals(prefixContains(prefix("172.1.0.0/16"), parseAddress("172.1.255.255")!), true);
  assertEquals(prefixContains(prefix("172.1.0.0/16"), parseAddress("172.10.0.1")!), false);
  assertEquals(prefixContains(prefix("0.0.0.0/0"), parseAddress("::")!), false);
  assertEquals(prefixCovers(prefix("172.0.0.0/8"), prefix("172.1.0.0/16")), true);
  assertEquals(prefixCovers(prefix("172.1.0.0/16"), prefix("172.0.0.0/8")), false);
});

Deno.test("addresses: random bytes survive text and back", () => {
  const dice = random(4);
  for (let i = 0; i < 5_000; i++) {
    const bytes = dice.bytes(i % 2 === 0 ? 4 : 16);
    for (let at = 0; at < bytes.length; at++) if (dice.below(2) === 0) bytes[at] = 0;
    assertEquals(parseAddress(formatAddress(bytes))!.bytes, bytes);
  }
});

Deno.test("endpoints: brackets around IPv6", () => {
  assertEquals(formatEndpoint("1.2.3.4", 5), "1.2.3.4:5");
  assertEquals(formatEndpoint("fd00::1", 5), "[fd00::1]:5");
});

Deno.test("prefixes: the equal parts of one", () => {
  const parts = (text: string, bits: number) =>
    [...Array(2 ** bits + 1).keys()].map((index) => {
      const part = subPrefix(parsePrefix(text)!.prefix, bits, index);
      return part && formatPrefix(part);
    });
  assertEquals(parts("10.1.0.0/16", 0), ["10.1.0.0/16", undefined]);
  assertEquals(parts("10.1.0.0/23", 2), [
    ...["10.1.0.0/25", "10.1.0.128/25", "10.1.1.0/25", "10.1.1.128/25"],
    undefined,
  ]);
  assertEquals(parts("fd00::/62", 1), ["fd00::/63", "fd00:0:0:2::/63", undefined]);
  assertEquals(parts("10.1.0.0/32", 1), [undefined, undefined, undefined]);
});
