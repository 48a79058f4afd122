import { assertEquals, assertThrows } from "../assert.ts";
import { random } from "../fuzz/random.ts";
import { ACCEPTED_MAX } from "../../src/base/limits.ts";
import { ACCEPTED_BYTES, AcceptedPrefixes } from "../../src/forwarding/accepted.ts";
import { maskBytes, type Prefix, prefixContains } from "../../src/net/prefix.ts";

Deno.test("accepted prefixes: 300 lists agree with each prefix by itself", () => {
  const dice = random(12);
  const list = new AcceptedPrefixes(new SharedArrayBuffer(8 + ACCEPTED_BYTES), 8);
  /** Near each other, so that long prefixes hold some. */
  const address = (version: 4 | 6) =>
    dice.bytes(version === 4 ? 4 : 16).map((byte) => 0xfe + (byte & 1));
  for (let i = 0; i < 300; i++) {
    const prefixes = Array.from({ length: dice.below(6) }, (): Prefix => {
      const version = dice.below(2) === 0 ? 4 : 6;
      const length_bits = dice.below(version === 4 ? 33 : 129);
      return { version, bytes: maskBytes(address(version), length_bits), length_bits };
    });
    list.write(prefixes);
    for (let asked = 0; asked < 50; asked++) {
      const version = dice.below(2) === 0 ? 4 : 6;
      const bytes = address(version);
      const expected = prefixes.some((prefix) => prefixContains(prefix, { version, bytes }));
      assertEquals(list.has(new DataView(bytes.buffer), 0, version), expected);
    }
  }
});

Deno.test("accepted prefixes: the limit holds at limit + 1", () => {
  const list = new AcceptedPrefixes(new ArrayBuffer(ACCEPTED_BYTES));
  const one: Prefix = { version: 4, bytes: Uint8Array.of(10, 0, 0, 0), length_bits: 8 };
  list.write(Array(ACCEPTED_MAX).fill(one));
  assertThrows(() => list.write(Array(ACCEPTED_MAX + 1).fill(one)), RangeError);
});
