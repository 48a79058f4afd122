/** Every way of ChaCha20-Poly1305 that is here, against every other and against published vectors. */

import { chacha20poly1305, xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { assert, assertEquals, assertFalse, assertStringIncludes } from "../assert.ts";
import { type Aead, AEAD_TAG_BYTES } from "../../src/aead/aead.ts";
import { byLength, chooseAead } from "../../src/aead/choose.ts";
import { libcryptoAead } from "../../src/aead/libcrypto.ts";
import { libcrypto } from "../../ffi/libcrypto.ts";
import { nobleAead } from "../../src/aead/noble.ts";
import { selfTest } from "../../src/aead/self_test.ts";
import { wasmAead } from "../../src/aead/wasm.ts";
import { plainArena, simdArena } from "../../src/net/simd.ts";
import { random } from "../fuzz/random.ts";
import { vectors } from "../wireguard/vectors.ts";

const arena = simdArena(512 * 1024);
const { bytes } = arena;
/** Room for the longest text, its tag and what is around it. */
const AREA_BYTES = 70_000;
const [A, B] = [arena.start + 64, arena.start + 64 + AREA_BYTES];

const noble = nobleAead(bytes);
const wasm = wasmAead(arena)!;
const host = libcryptoAead(bytes);
if (!host) console.log("SKIPPED libcrypto in tests/aead: this host has none");
/** As if this were 1.1, which has only some of the functions. */
const older = libcryptoAead(bytes, libcrypto() && { ...libcrypto()!, call3: undefined });
const backends = [wasm, noble, ...(host ? [host, older!, byLength(wasm, host)] : [])];

/** What is before and behind a result and must stay. */
const GUARD = 0xa5;

function guarded(at: number, length: number, run: () => void): Uint8Array {
  bytes.fill(GUARD, at - 32, at);
  bytes.fill(GUARD, at + length, at + length + 32);
  run();
  assert(bytes.subarray(at - 32, at).every((byte) => byte === GUARD), "before");
  assert(bytes.subarray(at + length, at + length + 32).every((b) => b === GUARD), "behind");
  return bytes.slice(at, at + length);
}

Deno.test("aead: WebAssembly is here", () => assertEquals(wasm.name, "wasm"));

Deno.test("aead: all lengths from 0 to 2,000, in place and not, at all alignments", () => {
  const dice = random(1);
  const key = dice.bytes(32);
  const made = backends.map((aead) => ({
    aead,
    sealer: aead.sealer(key),
    opener: aead.opener(key),
  }));
  for (let length = 0; length <= 2_000; length++) {
    const text = dice.bytes(length);
    const [low, high] = [dice.u32(), dice.u32()];
    const nonce = new Uint8Array(12);
    new DataView(nonce.buffer).setUint32(4, low, true);
    new DataView(nonce.buffer).setUint32(8, high, true);
    const wanted = chacha20poly1305(key, nonce).encrypt(text);
    for (const { aead, sealer, opener } of made) {
      const name = `${aead.name}, ${length} bytes`;
      const [to, from] = [B + (length & 15), A + (length >> 4 & 15)];
      for (const target of [from, to]) {
        bytes.set(text, from);
        const sealed = guarded(target, length + AEAD_TAG_BYTES, () => {
          bytes.set(text, from);
          // Words are signed or not, as it comes.
          sealer.seal(
            target,
            from,
            length,
            length & 1 ? low : low | 0,
            length & 2 ? high : high | 0,
          );
        });
        if (!sealed.every((byte, i) => byte === wanted[i])) {
          assertEquals(sealed.toHex(), wanted.toHex(), name);
        }
      }
      bytes.set(wanted, to);
      bytes.fill(GUARD, from - 1, from + length + 1);
      assert(opener.open(from, to, length, low, high), name);
      const opened = bytes.subarray(from, from + length);
      assert(opened.every((byte, i) => byte === text[i]), name);
      assertEquals([bytes[from - 1], bytes[from + length]], [GUARD, GUARD], name);
      assert(opener.open(to, to, length, low, high), `${name}, in place`);
      assert(bytes.subarray(to, to + length).every((byte, i) => byte === text[i]), name);
    }
  }
});

Deno.test("aead: the longest packets", () => {
  const dice = random(2);
  const key = dice.bytes(32);
  for (const length of [9_000, 65_519, 65_520, 65_534, 65_535]) {
    const text = dice.bytes(length);
    const results = backends.map((aead) => {
      bytes.set(text, A);
      aead.sealer(key).seal(A, A, length, 7, 0);
      const sealed = bytes.slice(A, A + length + AEAD_TAG_BYTES);
      assert(aead.opener(key).open(A, A, length, 7, 0));
      assertEquals(bytes.slice(A, A + length).toHex() === text.toHex(), true);
      return sealed.toHex();
    });
    for (const result of results) assert(result === results[0], `${length} bytes`);
  }
});

Deno.test("aead: each bit of the tag, of the text, of the counter and of the key matters", () => {
  const dice = random(3);
  for (const aead of backends) {
    const key = dice.bytes(32);
    const opener = aead.opener(key);
    for (const length of [0, 1, 16, 33, 200, 600]) {
      bytes.set(dice.bytes(length), A);
      aead.sealer(key).seal(A, A, length, 5, 6);
      const sealed = bytes.slice(A, A + length + AEAD_TAG_BYTES);
      const opens = (changed: Uint8Array, low = 5, high = 6, by = opener) => {
        bytes.set(changed, A);
        return by.open(A, A, length, low, high);
      };
      for (let bit = 0; bit < 8 * sealed.length; bit++) {
        const changed = sealed.slice();
        changed[bit >> 3]! ^= 1 << (bit & 7);
        assertFalse(opens(changed), `${aead.name}, ${length} bytes, bit ${bit}`);
      }
      for (let bit = 0; bit < 32; bit++) {
        assertFalse(opens(sealed, (5 ^ 1 << bit) >>> 0, 6));
        assertFalse(opens(sealed, 5, (6 ^ 1 << bit) >>> 0));
      }
      const other = key.slice();
      other[31]! ^= 1;
      assertFalse(opens(sealed, 5, 6, aead.opener(other)));
      assert(opens(sealed), `${aead.name}: unchanged`);
    }
  }
});

Deno.test("aead: two keys in turn, and one erased", () => {
  const dice = random(4);
  for (const aead of backends) {
    const keys = [dice.bytes(32), dice.bytes(32)];
    const sealers = keys.map((key) => aead.sealer(key));
    const openers = keys.map((key) => aead.opener(key));
    for (let turn = 0; turn < 20; turn++) {
      const one = turn & 1;
      const text = dice.bytes(100);
      bytes.set(text, A);
      sealers[one]!.seal(B, A, 100, turn, 0);
      assertFalse(openers[1 - one]!.open(A, B, 100, turn, 0));
      assert(openers[one]!.open(A, B, 100, turn, 0));
      assertEquals(bytes.slice(A, A + 100), text);
    }
    sealers[0]!.erase();
    openers[0]!.erase();
    bytes.set(dice.bytes(50), A);
    sealers[1]!.seal(B, A, 50, 99, 0);
    assert(openers[1]!.open(A, B, 50, 99, 0));
    // The key that was given is copied.
    const given = dice.bytes(32);
    const sealer = aead.sealer(given);
    const copy = given.slice();
    given.fill(0);
    sealer.seal(B, A, 50, 1, 0);
    assert(aead.opener(copy).open(A, B, 50, 1, 0));
  }
});

Deno.test("aead: the self-test passes what works and names what does not", () => {
  const area = { ...arena, start: A };
  for (const aead of backends) assertEquals(selfTest(aead, area), undefined, aead.name);
  const broken = (change: Partial<Aead>): string | undefined =>
    selfTest({ ...noble, ...change }, area);
  const blind: Aead["opener"] = (key) => ({
    ...noble.opener(key),
    open: (to, from, length, low, high) => {
      noble.opener(key).open(to, from, length, low, high);
      return true;
    },
  });
  assertEquals(broken({ opener: blind }), "a forged tag is taken for 0 bytes");
  const refusing: Aead["opener"] = (key) => ({ ...noble.opener(key), open: () => false });
  assertEquals(broken({ opener: refusing }), "a right tag is refused for 0 bytes");
  const leaving: Aead["opener"] = (key) => ({
    ...noble.opener(key),
    open: (_to, from, length, low, high) => noble.opener(key).open(B, from, length, low, high),
  });
  assertEquals(broken({ opener: leaving }), "a wrong text for 15 bytes");
  const short: Aead["sealer"] = (key) => ({
    ...noble.sealer(key),
    seal: (to, from, length, low) => noble.sealer(key).seal(to, from, length, low, 0),
  });
  assertEquals(broken({ sealer: short }), "a wrong tag for 0 bytes");
  const throwing = () => {
    throw new Error("no memory");
  };
  assertEquals(broken({ sealer: throwing }), "no memory");
});

Deno.test("aead: what is chosen", () => {
  const with_ = chooseAead({ ...arena, start: A });
  assertEquals(with_.failed, []);
  assertEquals(with_.aead.name, host ? `wasm and ${host.name}` : "wasm");
  if (host) assertStringIncludes(host.name, "libcrypto ");
  assertEquals(chooseAead({ ...arena, start: A }, { libcrypto: false }).aead.name, "wasm");
  // Memory that WebAssembly does not see.
  assertEquals(chooseAead(plainArena(4_096), { libcrypto: false }).aead.name, "typescript");
});

interface WycheproofCase {
  readonly key: string;
  readonly iv: string;
  readonly aad: string;
  readonly msg: string;
  readonly ct: string;
  readonly tag: string;
  readonly result: "valid" | "invalid";
  readonly tcId: number;
}

for (
  const [file, cipher] of [
    ["chacha20_poly1305_test.json", chacha20poly1305],
    ["xchacha20_poly1305_test.json", xchacha20poly1305],
  ] as const
) {
  vectors(`aead: Wycheproof by @noble/ciphers, ${file}`, file, (text) => {
    let done = 0;
    for (const { tests } of JSON.parse(text).testGroups) {
      for (const { key, iv, aad, ct, tag, msg, result, tcId } of tests as WycheproofCase[]) {
        let opened: string | undefined;
        try {
          opened = cipher(Uint8Array.fromHex(key), Uint8Array.fromHex(iv), Uint8Array.fromHex(aad))
            .decrypt(Uint8Array.fromHex(ct + tag)).toHex();
        } catch {
          opened = undefined;
        }
        assertEquals(opened, result === "valid" ? msg : undefined, `case ${tcId}`);
        done++;
      }
    }
    assert(done > 200, `${done} cases`);
  });
}

Deno.test("aead: RFC 8439, section 2.8.2, and XChaCha20-Poly1305 of the draft, by @noble/ciphers", () => {
  const hex = (value: string) => Uint8Array.fromHex(value);
  const text = new TextEncoder().encode(
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, " +
      "sunscreen would be it.",
  );
  const key = Uint8Array.from({ length: 32 }, (_, i) => 0x80 + i);
  const aad = hex("50515253c0c1c2c3c4c5c6c7");
  const sealed = chacha20poly1305(key, hex("070000004041424344454647"), aad).encrypt(text);
  assertEquals(sealed.slice(0, 16).toHex(), "d31a8d34648e60db7b86afbc53ef7ec2");
  assertEquals(sealed.slice(-16).toHex(), "1ae10b594f09e26a7e902ecbd0600691");
  const nonce = Uint8Array.from({ length: 24 }, (_, i) => 0x40 + i);
  const extended = xchacha20poly1305(key, nonce, aad).encrypt(text);
  assertEquals(extended.slice(0, 16).toHex(), "bd6d179d3e83d43b9576579493c0e939");
  assertEquals(extended.slice(-16).toHex(), "c0875924c1c7987947deafd8780acf49");
});
