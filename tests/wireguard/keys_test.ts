/** Keys, X25519 against RFC 7748, BLAKE2s against RFC 7693, timestamps. */

import { blake2s } from "@noble/hashes/blake2.js";
import { assert, assertEquals, assertFalse, assertThrows } from "../assert.ts";
import { hash, mac } from "../../src/wireguard/hash.ts";
import { clamp, equalBytes, formatKey, isZero, parseKey } from "../../src/wire/keys.ts";
import { isLater, StampClock, tai64n } from "../../src/wireguard/tai64n.ts";
import { PrivateKey } from "../../src/wireguard/x25519.ts";
import { random } from "../fuzz/random.ts";
import { vectors } from "./vectors.ts";

const hex = (text: string) => Uint8Array.fromHex(text);

Deno.test("keys: base64 of 32 bytes, as wg writes it", () => {
  const dice = random(1);
  for (let i = 0; i < 200; i++) {
    const key = dice.bytes(32);
    assertEquals(parseKey(formatKey(key)), key);
  }
  const good = "4GgaQCy68nzNsUE5aJ9fuLzHhB65tAlwbmA72MWnOm8=";
  assertEquals(formatKey(parseKey(good)!), good);
  for (
    const bad of [
      "",
      good.slice(0, -1),
      good + "=",
      " " + good,
      good.replace("m8=", "m9="), // bits beyond the 256
      good.replace("4G", "-G"),
      "A".repeat(43),
      "A".repeat(44),
    ]
  ) assertEquals(parseKey(bad), undefined, bad);
});

Deno.test("keys: clamped as RFC 7748 says", () => {
  const key = clamp(new Uint8Array(32).fill(0xff));
  assertEquals([key[0], key[31]], [0xf8, 0x7f]);
  assertEquals(clamp(new Uint8Array(32))[31], 0x40);
});

Deno.test("keys: comparing and zeros", () => {
  const a = random(2).bytes(16);
  assert(equalBytes(a, a.slice()));
  assertFalse(equalBytes(a, a.subarray(1)));
  for (let bit = 0; bit < 128; bit++) {
    const b = a.slice();
    b[bit >> 3]! ^= 1 << (bit & 7);
    assertFalse(equalBytes(a, b));
  }
  assert(isZero(new Uint8Array(32)));
  assertFalse(isZero(Uint8Array.of(0, 0, 1)));
});

Deno.test("x25519: RFC 7748, section 5.2", () => {
  const cases = [
    [
      "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
      "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
      "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
    ],
    [
      "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
      "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
      "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
    ],
  ];
  for (const [scalar, point, product] of cases) {
    assertEquals(new PrivateKey(hex(scalar!)).shared(hex(point!))?.toHex(), product);
  }
  let [k, u] = [new Uint8Array(32), new Uint8Array(32)];
  k[0] = u[0] = 9;
  for (let i = 1; i <= 1_000; i++) {
    [k, u] = [new PrivateKey(k).shared(u)!, k];
    if (i === 1) {
      assertEquals(
        k.toHex(),
        "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079",
      );
    }
  }
  assertEquals(k.toHex(), "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");
});

Deno.test("x25519: both sides find the same, and points of low order give no secret", () => {
  const dice = random(3);
  const [a, b] = [new PrivateKey(dice.bytes(32)), new PrivateKey(dice.bytes(32))];
  assertEquals(a.shared(b.publicKey), b.shared(a.publicKey));
  // The points of order 1, 2, 4 and 8, and those that equal them modulo 2^255 - 19.
  const low = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  ];
  for (const point of low) {
    assertEquals(a.shared(hex(point)), undefined, point);
    const high = hex(point);
    high[31]! |= 0x80; // The bit is ignored.
    assertEquals(a.shared(high), undefined, `${point}, top bit set`);
  }
  assertEquals(a.shared(new Uint8Array(31).fill(9)), undefined);
  assertThrows(() => new PrivateKey(new Uint8Array(31)), RangeError);
});

vectors("x25519: Wycheproof", "x25519_test.json", (text) => {
  let done = 0;
  for (const { tests } of JSON.parse(text).testGroups) {
    for (const { private: scalar, public: point, shared, comment } of tests) {
      const secret = new PrivateKey(hex(scalar)).shared(hex(point));
      assertEquals(secret?.toHex() ?? "00".repeat(32), shared, comment);
      done++;
    }
  }
  assert(done > 500, `${done} cases`);
});

Deno.test("blake2s: RFC 7693, appendix B and the self-test of appendix E", () => {
  assertEquals(
    hash(new TextEncoder().encode("abc")).toHex(),
    "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982",
  );
  const sequence = (length: number, seed: number): Uint8Array => {
    const out = new Uint8Array(length);
    let [a, b] = [Math.imul(0xdead4bad, seed), 1];
    for (let i = 0; i < length; i++) {
      const t = (a + b) | 0;
      [a, b] = [b, t];
      out[i] = t >>> 24;
    }
    return out;
  };
  const whole = blake2s.create({ dkLen: 32 });
  for (const dkLen of [16, 20, 28, 32]) {
    for (const length of [0, 3, 64, 65, 255, 1024]) {
      const input = sequence(length, length);
      whole.update(blake2s(input, { dkLen }));
      whole.update(blake2s(input, { dkLen, key: sequence(dkLen, dkLen) }));
    }
  }
  assertEquals(
    whole.digest().toHex(),
    "6a411f08ce25adcdfb02aba641451cec53c598b24f4fc787fbdc88797f4c1dfe",
  );
  // hash and mac are those functions, of parts.
  const bytes = sequence(100, 1);
  assertEquals(hash(bytes.subarray(0, 33), bytes.subarray(33)), blake2s(bytes, { dkLen: 32 }));
  const key = sequence(32, 2);
  assertEquals(
    mac(key, bytes.subarray(0, 5), bytes.subarray(5)),
    blake2s(bytes, { dkLen: 16, key }),
  );
});

Deno.test("tai64n: the label of 1970, and stamps that compare as their times do", () => {
  assertEquals(tai64n(0).toHex(), "400000000000000a00000000");
  assertEquals(tai64n(1_500).toHex(), "400000000000000b1dcd6500");
  const dice = random(4);
  for (let i = 0; i < 1_000; i++) {
    const [a, b] = [dice.below(2 ** 32), dice.below(2 ** 32)];
    const [x, y] = [a * 500, b * 500];
    assertEquals(isLater(tai64n(x), tai64n(y)), a > b);
  }
  assertFalse(isLater(tai64n(5), tai64n(5)));
});

Deno.test("tai64n: stamps grow whatever the clock does, and tell no more than 16 ms", () => {
  const clock = new StampClock();
  let last = tai64n(0);
  for (const wall_ms of [1_000_000, 1_000_000, 1_000_001, 999_000, 0, 1_000_050, 2_000_000.5]) {
    const stamp = clock.next(wall_ms);
    assert(isLater(stamp, last), `${wall_ms}`);
    assertEquals(new DataView(stamp.buffer).getUint32(8) % 16e6 % 8e6, 0);
    last = stamp;
  }
  assertEquals(clock.next(3_000_010), tai64n(3_000_000));
});
