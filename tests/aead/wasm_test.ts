/** The parts of the WebAssembly module on their own: instructions, ChaCha20's block, Poly1305. */

import { chacha20 } from "@noble/ciphers/chacha.js";
import { poly1305 } from "@noble/ciphers/_poly1305.js";
import { assert, assertEquals } from "../assert.ts";
import * as block from "../../src/aead/wasm/chacha20.ts";
import {
  i32,
  i64,
  Locals,
  loopWhile,
  moduleOf,
  TYPE,
  unsigned,
  when,
  whileDo,
} from "../../src/aead/wasm/emit.ts";
import { beginPoly, finishPoly, polyBlocks, polyLocals } from "../../src/aead/wasm/poly1305.ts";
import { random } from "../fuzz/random.ts";
import { vectors } from "../wireguard/vectors.ts";

const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
const bytes = new Uint8Array(memory.buffer);
const hex = (text: string) => Uint8Array.fromHex(text);

/** Compiles a module and returns its function "run". */
function compile<T>(
  ...[params, result, locals, body]: [number, 0x7f, Locals, Parameters<typeof moduleOf>[4]]
): T {
  const module = new WebAssembly.Module(moduleOf("run", params, result, locals, body));
  return new WebAssembly.Instance(module, { "": { memory } }).exports["run"] as T;
}

Deno.test("emit: numbers of all sizes", () => {
  assertEquals(unsigned(0), [0]);
  assertEquals(unsigned(127), [127]);
  assertEquals(unsigned(128), [0x80, 1]);
  assertEquals(unsigned(624_485), [0xe5, 0x8e, 0x26]);
  for (const value of [0, 1, -1, 63, 64, -64, -65, 8191, 2 ** 31 - 1, -(2 ** 31), 0x0fffffff]) {
    const run = compile<() => number>(0, TYPE.i32, new Locals(), i32.const(value));
    assertEquals(run(), value);
  }
  for (const value of [0, -4, 2 ** 32 - 1, 2 ** 32, -(2 ** 40), 2 ** 53 - 1]) {
    const body = [i64.store(i32.const(8), i64.const(value)), i32.const(0)];
    compile<() => number>(0, TYPE.i32, new Locals(), body)();
    assertEquals(new DataView(memory.buffer).getBigInt64(8, true), BigInt(value));
  }
});

Deno.test("emit: loops and branches", () => {
  const locals = new Locals();
  const [n, sum] = [locals.of(TYPE.i32), locals.of(TYPE.i32)];
  const down = n.tee(i32.sub(n.get, i32.const(1)));
  const add = sum.set(i32.add(sum.get, n.get));
  const atLeastOnce = compile<(n: number) => number>(1, TYPE.i32, locals, [
    loopWhile(add, down),
    sum.get,
  ]);
  assertEquals([atLeastOnce(1), atLeastOnce(10)], [1, 55]);
  const perhaps = compile<(n: number) => number>(1, TYPE.i32, locals, [
    whileDo(i32.gtU(n.get, i32.const(0)), [add, down, 0x1a]),
    when(i32.eqz(sum.get), sum.set(i32.const(-7)), sum.set(i32.add(sum.get, i32.const(1)))),
    sum.get,
  ]);
  assertEquals([perhaps(0), perhaps(4)], [-7, 11]);
});

/** Four blocks from a block number on, for the key at 0, to 64. */
function fourBlocks(): (counter: number, low: number, high: number) => void {
  const locals = new Locals();
  const [counter, low, high] = locals.row(TYPE.i32, 3).map((local) => local.get);
  const rounds = locals.of(TYPE.i32);
  const words = locals.row(TYPE.v128, 16);
  const temporary = locals.row(TYPE.v128, 4);
  const chacha = { words, turned: temporary[0]! };
  return compile(3, TYPE.i32, locals, [
    block.begin(chacha, i32.const(0), counter!, low!, high!),
    rounds.set(i32.const(block.DOUBLE_ROUNDS)),
    loopWhile(block.doubleRound(chacha), rounds.tee(i32.sub(rounds.get, i32.const(1)))),
    block.finish(chacha, temporary, i32.const(0), counter!, low!, high!, i32.const(64)),
    i32.const(0),
  ]);
}

Deno.test("chacha20: RFC 8439, appendix A.1, and random blocks", () => {
  const run = fourBlocks();
  bytes.fill(0, 0, 32);
  run(0, 0, 0);
  assertEquals(
    bytes.slice(64, 128).toHex(),
    "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7" +
      "da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586",
  );
  assertEquals(
    bytes.slice(128, 192).toHex(),
    "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed" +
      "29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f",
  );
  const dice = random(1);
  for (let turn = 0; turn < 200; turn++) {
    const [key, counter, low, high] = [dice.bytes(32), dice.below(2 ** 30), dice.u32(), dice.u32()];
    bytes.set(key);
    run(counter, low, high);
    const nonce = new Uint8Array(12);
    new DataView(nonce.buffer).setUint32(4, low, true);
    new DataView(nonce.buffer).setUint32(8, high, true);
    assertEquals(
      bytes.slice(64, 320),
      chacha20(key, nonce, new Uint8Array(256), undefined, counter),
    );
  }
});

/** Poly1305 of whole blocks by the emitted code: key at 0, message at 1024. */
function emittedPoly(): (key: Uint8Array, message: Uint8Array) => string {
  const locals = new Locals();
  const [at, end] = locals.row(TYPE.i32, 2);
  const poly = polyLocals(locals);
  const run = compile<(at: number, end: number) => number>(2, TYPE.i32, locals, [
    beginPoly(poly, i32.const(0)),
    polyBlocks(poly, at!, end!.get),
    finishPoly(poly, i32.const(0)),
    i64.store(i32.const(64), poly.d[0]!.get),
    i64.store(i32.const(64), poly.d[1]!.get, 8),
    i32.const(0),
  ]);
  return (key, message) => {
    assert(message.length > 0 && message.length % 16 === 0, "whole blocks");
    bytes.set(key);
    bytes.set(message, 1024);
    run(1024, 1024 + message.length);
    return bytes.slice(64, 80).toHex();
  };
}

Deno.test("poly1305: RFC 8439, appendix A.3, the sums that are hard to reduce", () => {
  const run = emittedPoly();
  const ones = "ff".repeat(16);
  const zero = "00".repeat(16);
  const two = "02" + "00".repeat(15);
  const one = "01" + "00".repeat(15);
  // Key (r, s), message, tag: vectors 1 and 7 to 11.
  const cases: [string, string, string][] = [
    [zero + zero, zero.repeat(4), zero],
    [two + zero, ones, "03" + "00".repeat(15)],
    [two + ones, two, "03" + "00".repeat(15)],
    [one + zero, ones + "f0" + "ff".repeat(15) + "11" + "00".repeat(15), "05" + "00".repeat(15)],
    [one + zero, ones + "fbfefefefefefefefefefefefefefefe" + "01".repeat(16), zero],
    [two + zero, "fd" + "ff".repeat(15), "fa" + "ff".repeat(15)],
    [
      "01000000000000000400000000000000" + zero,
      "e33594d7505e43b900000000000000003394d7505e4379cd01000000000000000000000000000000000000000000" +
      "000001000000000000000000000000000000",
      "14000000000000005500000000000000",
    ],
    [
      "01000000000000000400000000000000" + zero,
      "e33594d7505e43b900000000000000003394d7505e4379cd010000000000000000000000000000000000000000" +
      "000000",
      "13000000000000000000000000000000",
    ],
  ];
  for (const [key, message, tag] of cases) assertEquals(run(hex(key), hex(message)), tag, message);
});

Deno.test("poly1305: random and extreme keys and messages against @noble/ciphers", () => {
  const run = emittedPoly();
  const dice = random(2);
  const some = (length: number): Uint8Array<ArrayBuffer> => {
    const kind = dice.below(4);
    const out = kind === 0 ? new Uint8Array(length).fill(0xff) : dice.bytes(length);
    if (kind === 1) { for (let i = 0; i < length; i++) out[i] = out[i]! & 1 ? 0xff : 0; }
    return out;
  };
  for (let turn = 0; turn < 20_000; turn++) {
    const [key, message] = [some(32), some(16 * (1 + dice.below(20)))];
    assertEquals(run(key, message), poly1305(message, key).toHex());
  }
});

vectors(
  "poly1305: the sums of Wycheproof's ChaCha20-Poly1305",
  "chacha20_poly1305_test.json",
  (text) => {
    const run = emittedPoly();
    let done = 0;
    const padded = (part: Uint8Array): Uint8Array => {
      const out = new Uint8Array(Math.ceil(part.length / 16) * 16);
      out.set(part);
      return out;
    };
    for (const { ivSize, tests } of JSON.parse(text).testGroups) {
      if (ivSize !== 96) continue;
      for (const { key, iv, aad, ct, tag, result, tcId } of tests) {
        const polyKey = chacha20(hex(key), hex(iv), new Uint8Array(32));
        const lengths = new Uint8Array(16);
        new DataView(lengths.buffer).setUint32(0, aad.length / 2, true);
        new DataView(lengths.buffer).setUint32(8, ct.length / 2, true);
        const message = [...padded(hex(aad)), ...padded(hex(ct)), ...lengths];
        const right = run(polyKey, Uint8Array.from(message)) === tag;
        assertEquals(right, result === "valid", `case ${tcId}`);
        done++;
      }
    }
    assert(done > 200, `${done} cases`);
  },
);
