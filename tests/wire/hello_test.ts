import { assertEquals, assertLess } from "../assert.ts";
import { random } from "../fuzz/random.ts";
import {
  decodeHello,
  echoTokenAt,
  encodeHello,
  type Hello,
  HELLO_BYTES,
  isProbeAt,
  NO_TOKEN,
} from "../../src/wire/hello.ts";

const HELLO: Hello = {
  version: 1,
  mode: "tap",
  capabilities: 0x8000_0001,
  sent_us: 2 ** 52,
  echo_us: 7,
  held_us: 0xffff_ffff,
  mtu_bytes: 1472,
  name: "node-b",
  number: 1,
  answer: false,
  leaving: false,
  probe: false,
  program: "9.8.7-rc.1",
  token: 0xffff_ffff_0000_0001n,
  echoToken: 2n,
  burst: 3,
  peerBurst: 0xffff,
  largest_bytes: 1472,
};

Deno.test("hello: what is encoded is decoded", () => {
  assertEquals(decodeHello(encodeHello(HELLO)), HELLO);
});

Deno.test("hello: the layout on the wire", () => {
  const bytes = encodeHello({
    ...HELLO,
    ...{ sent_us: 258, echo_us: 1, held_us: 2, name: "ab" },
    ...{ number: 0x01020304, answer: true, leaving: true, probe: true, program: "7" },
  });
  assertEquals(bytes.length, HELLO_BYTES);
  assertEquals(
    [...bytes.subarray(0, 64)],
    [
      ...[0xf1, 1, 1, 2, 0x80, 0, 0, 1],
      ...[0, 0, 0, 0, 0, 0, 1, 2],
      ...[0, 0, 0, 0, 0, 0, 0, 1],
      ...[0, 0, 0, 2, 0, 0, 0x05, 0xc0],
      ...[0x61, 0x62],
      ...[1, 2, 3, 4, 7, 1, 0x37],
      ...[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1],
      ...[0, 0, 0, 0, 0, 0, 0, 2],
      ...[0, 3, 0xff, 0xff, 0x05, 0xc0, 0],
    ],
  );
});

Deno.test("hello: bytes that are none", () => {
  const good = encodeHello(HELLO);
  const with_ = (at: number, value: number) => {
    const copy = good.slice();
    copy[at] = value;
    return copy;
  };
  assertEquals(decodeHello(good.slice(0, 31)), undefined);
  assertEquals(decodeHello(good.slice(0, 32 + 5)), undefined, "the name is cut");
  assertEquals(decodeHello(with_(0, 0xf2)), undefined, "first byte");
  assertEquals(decodeHello(with_(1, 0)), undefined, "version 0");
  assertEquals(decodeHello(with_(2, 2)), undefined, "mode 2");
  assertEquals(decodeHello(with_(3, 255)), undefined, "name too long");
  assertEquals(decodeHello(with_(8, 0xff)), undefined, "a time beyond 2^53");
  assertEquals(decodeHello(with_(32, 0x1b))!.name, "?ode-b", "a control character in the name");
  assertEquals(decodeHello(with_(1, 9))!.version, 9, "a later version is read as far as known");
});

Deno.test("hello: what follows the name is read when it is whole", () => {
  const good = encodeHello(HELLO);
  const tail = 32 + HELLO.name.length;
  const noTokens = {
    token: NO_TOKEN,
    echoToken: NO_TOKEN,
    ...{ burst: 0, peerBurst: 0, largest_bytes: 0 },
  };
  const without = { ...HELLO, ...noTokens, number: 0, program: "" };
  const version = tail + 6 + HELLO.program.length;
  assertEquals(decodeHello(good.slice(0, tail)), without, "an earlier tunnet says nothing there");
  for (let length = tail + 1; length < version + 22; length++) {
    const hello = length < version ? without : { ...HELLO, ...noTokens };
    assertEquals(decodeHello(good.slice(0, length)), hello, `cut to ${length} bytes`);
  }
  assertEquals(decodeHello(Uint8Array.from([...good, 1, 2, 3])), HELLO, "a later tunnet says more");
  const long = good.slice();
  long[tail + 5] = 33;
  assertEquals(decodeHello(long), without, "a version longer than any");
  const loud = good.slice();
  loud[tail + 6] = 0x0a;
  assertEquals(decodeHello(loud)!.program, "?.8.7-rc.1", "a control character in the version");
});

Deno.test("hello: all are of one length, so that no answer is longer than what asked for it", () => {
  const longest = encodeHello({ ...HELLO, name: "n".repeat(63), program: "9".repeat(32) });
  assertEquals([longest.length, encodeHello(HELLO).length], [HELLO_BYTES, HELLO_BYTES]);
  assertEquals(decodeHello(longest)!.largest_bytes, HELLO.largest_bytes, "all of it is there");
  const large = encodeHello(HELLO, 1472);
  assertEquals([large.length, decodeHello(large)], [1472, HELLO], "one that tries a size");
});

Deno.test("hello: a lane finds the echoed token where the decoder does, whatever the bytes", () => {
  const { below } = random(9);
  const good = encodeHello(HELLO);
  let found = 0;
  for (let i = 0; i < 20_000; i++) {
    const bytes = good.slice(0, i % 3 === 0 ? below(good.length) : good.length);
    for (let k = 0; k < 2 && bytes.length > 0; k++) {
      bytes[below(bytes.length)] = below(256);
    }
    const view = new DataView(Uint8Array.from([7, 7, 7, ...bytes]).buffer);
    const at = echoTokenAt(view, 3, bytes.length);
    if (at >= 0) found++;
    const hello = decodeHello(bytes);
    const isProbe = isProbeAt(view, 3, bytes.length);
    if (!hello) continue;
    if (hello.program !== "") assertEquals(isProbe, hello.probe);
    assertEquals(at < 0 ? NO_TOKEN : view.getBigUint64(at), hello.echoToken);
  }
  assertLess(5_000, found);
});
