import { assertEquals } from "../assert.ts";
import { decodeHello, encodeHello, type Hello } from "../../src/peers/hello.ts";
import { PeerBook } from "../../src/peers/peers.ts";
import { HELLO_SILENCE_MS } from "../../src/limits.ts";

const HELLO: Hello = {
  version: 1,
  mode: "tap",
  capabilities: 0x8000_0001,
  sent_us: 2 ** 52,
  echo_us: 7,
  held_us: 0xffff_ffff,
  mtu_bytes: 1472,
  name: "node-b",
};

Deno.test("hello: what is encoded is decoded", () => {
  assertEquals(decodeHello(encodeHello(HELLO)), HELLO);
});

Deno.test("hello: the layout on the wire", () => {
  const bytes = encodeHello({ ...HELLO, sent_us: 258, echo_us: 1, held_us: 2, name: "ab" });
  assertEquals(
    [...bytes],
    [
      ...[0xf1, 1, 1, 2, 0x80, 0, 0, 1],
      ...[0, 0, 0, 0, 0, 0, 1, 2],
      ...[0, 0, 0, 0, 0, 0, 0, 1],
      ...[0, 0, 0, 2, 0, 0, 0x05, 0xc0],
      ...[0x61, 0x62],
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
  assertEquals(decodeHello(good.slice(0, -1)), undefined, "the name is cut");
  assertEquals(decodeHello(with_(0, 0xf2)), undefined, "first byte");
  assertEquals(decodeHello(with_(1, 0)), undefined, "version 0");
  assertEquals(decodeHello(with_(2, 2)), undefined, "mode 2");
  assertEquals(decodeHello(with_(3, 255)), undefined, "name too long");
  assertEquals(decodeHello(with_(8, 0xff)), undefined, "a time beyond 2^53");
  assertEquals(decodeHello(with_(32, 0x1b))!.name, "?ode-b", "a control character in the name");
  assertEquals(decodeHello(with_(1, 9))!.version, 9, "a later version is read as far as known");
});

Deno.test("peers: up at the first hello, silent after a while, up again", () => {
  const book = new PeerBook(["b"], { name: "a", mode: "tun", mtu_bytes: 1472, capabilities: 1 });
  assertEquals(book.expire(1e9), []);
  assertEquals(book.hear(0, encodeHello(HELLO), 1000), { peer: 0, kind: "up" });
  assertEquals(book.hear(0, encodeHello(HELLO), 2000), undefined);
  assertEquals(book.expire(2000 + HELLO_SILENCE_MS - 1), []);
  assertEquals(book.peers[0]!.capabilities, HELLO.capabilities);
  const changed = encodeHello({ ...HELLO, capabilities: 0 });
  assertEquals(book.hear(0, changed, 2000), { peer: 0, kind: "capabilities" });
  assertEquals(book.expire(2000 + HELLO_SILENCE_MS), [{ peer: 0, kind: "silent" }]);
  assertEquals(book.hear(0, encodeHello(HELLO), 90_000), { peer: 0, kind: "up" });
  assertEquals(book.hear(0, Uint8Array.of(0xf1), 90_000), { peer: 0, kind: "bad_control" });
  assertEquals(book.hear(5, encodeHello(HELLO), 90_000), undefined, "no such peer");
});

Deno.test("peers: two books measure the round trip between them", () => {
  const a = new PeerBook(["b"], { name: "a", mode: "tun", mtu_bytes: 1472, capabilities: 1 });
  const b = new PeerBook(["a"], { name: "b", mode: "tun", mtu_bytes: 1472, capabilities: 1 });
  // b's clock is far ahead of a's; each way takes 2 ms and b holds the hello for 500 ms.
  const ahead_ms = 5_000_000;
  b.hear(0, a.hello(0, 100), ahead_ms + 102);
  a.hear(0, b.hello(0, ahead_ms + 602), 604);
  assertEquals(a.peers[0]!.rtt_ms, 4);
  assertEquals(a.peers[0]!.saidName, "b");
});
