import { assertEquals } from "../assert.ts";
import { decodeHello, encodeHello, type Hello } from "../../src/wire/hello.ts";
import { LEFT, PeerBook } from "../../src/peers/book.ts";
import {
  HELLO_ASK_INTERVAL_MS,
  HELLO_INTERVAL_MS,
  HELLO_OVERDUE_MS,
  HELLO_SILENCE_MS,
} from "../../src/base/limits.ts";
import { VERSION } from "../../src/base/version.ts";

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
};

const SELF = { name: "a", mode: "tun", mtu_bytes: 1472, capabilities: 1 } as const;

Deno.test("hello: what is encoded is decoded", () => {
  assertEquals(decodeHello(encodeHello(HELLO)), HELLO);
});

Deno.test("hello: the layout on the wire", () => {
  const bytes = encodeHello({
    ...HELLO,
    ...{ sent_us: 258, echo_us: 1, held_us: 2, name: "ab" },
    ...{ number: 0x01020304, answer: true, leaving: true, probe: true, program: "7" },
  });
  assertEquals(
    [...bytes],
    [
      ...[0xf1, 1, 1, 2, 0x80, 0, 0, 1],
      ...[0, 0, 0, 0, 0, 0, 1, 2],
      ...[0, 0, 0, 0, 0, 0, 0, 1],
      ...[0, 0, 0, 2, 0, 0, 0x05, 0xc0],
      ...[0x61, 0x62],
      ...[1, 2, 3, 4, 7, 1, 0x37],
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
  const without = { ...HELLO, number: 0, program: "" };
  assertEquals(decodeHello(good.slice(0, tail)), without, "an earlier tunnet says nothing there");
  for (let length = tail + 1; length < good.length; length++) {
    assertEquals(decodeHello(good.slice(0, length)), without, `cut to ${length} bytes`);
  }
  assertEquals(decodeHello(Uint8Array.from([...good, 1, 2, 3])), HELLO, "a later tunnet says more");
  const long = good.slice();
  long[tail + 5] = 33;
  assertEquals(decodeHello(long), without, "a version longer than any");
  const loud = good.slice();
  loud[tail + 6] = 0x0a;
  assertEquals(decodeHello(loud)!.program, "?.8.7-rc.1", "a control character in the version");
});

Deno.test("peers: up at the first hello, silent after a while, up again", () => {
  const book = new PeerBook(["b"], SELF);
  assertEquals(book.expire(1e9), []);
  assertEquals(book.peers[0]!.state, "plain");
  assertEquals(book.hear(0, encodeHello(HELLO), 1000), { peer: 0, kind: "up" });
  assertEquals(book.hear(0, encodeHello(HELLO), 2000), undefined);
  assertEquals(book.expire(2000 + HELLO_SILENCE_MS - 1), []);
  assertEquals(book.peers[0]!.capabilities, HELLO.capabilities);
  const changed = encodeHello({ ...HELLO, capabilities: 0 });
  assertEquals(book.hear(0, changed, 2000), { peer: 0, kind: "capabilities" });
  assertEquals(book.expire(2000 + HELLO_SILENCE_MS), [{ peer: 0, kind: "silent" }]);
  assertEquals([book.peers[0]!.state, book.peers[0]!.since_ms], ["silent", 2000]);
  assertEquals(book.hear(0, encodeHello(HELLO), 90_000), { peer: 0, kind: "up" });
  assertEquals(book.hear(0, Uint8Array.of(0xf1), 90_000), { peer: 0, kind: "bad_control" });
  assertEquals(book.hear(5, encodeHello(HELLO), 90_000), undefined, "no such peer");
});

Deno.test("peers: a hello tells what its sender is", () => {
  const book = new PeerBook(["b"], SELF);
  book.hear(0, encodeHello(HELLO), 1000);
  const { saidName, saidMode, saidMtu_bytes, protocol, program, since_ms } = book.peers[0]!;
  assertEquals(
    { saidName, saidMode, saidMtu_bytes, protocol, program, since_ms },
    {
      ...{ saidName: "node-b", saidMode: "tap", saidMtu_bytes: 1472 },
      ...{ protocol: 1, program: "9.8.7-rc.1", since_ms: 1000 },
    },
  );
});

Deno.test("peers: one that is overdue is asked every second, and answers at once", () => {
  const a = new PeerBook(["b"], SELF);
  const b = new PeerBook(["a"], SELF);
  const first = decodeHello(a.hello(0, 0))!;
  assertEquals([first.number, first.answer, first.program], [1, true, VERSION], "b is not up yet");
  b.hear(0, a.hello(0, 0), 0);
  a.hear(0, b.hello(0, 0), 0);
  assertEquals(decodeHello(a.hello(0, HELLO_INTERVAL_MS))!.answer, false);
  assertEquals(a.overdue(HELLO_OVERDUE_MS - 1), []);
  assertEquals(a.overdue(HELLO_OVERDUE_MS), [0]);
  const asking = a.hello(0, HELLO_OVERDUE_MS);
  assertEquals(decodeHello(asking)!.answer, true);
  assertEquals(a.overdue(HELLO_OVERDUE_MS + HELLO_ASK_INTERVAL_MS - 1), []);
  assertEquals(a.overdue(HELLO_OVERDUE_MS + HELLO_ASK_INTERVAL_MS), [0]);
  assertEquals(b.hear(0, asking, 0), { peer: 0, kind: "asked" });
  a.hear(0, b.hello(0, 1), HELLO_OVERDUE_MS + HELLO_ASK_INTERVAL_MS);
  assertEquals(a.overdue(HELLO_OVERDUE_MS + HELLO_ASK_INTERVAL_MS), []);
});

Deno.test("peers: one that leaves is down at once, and up when it is back", () => {
  const a = new PeerBook(["b"], SELF);
  const b = new PeerBook(["a"], SELF);
  a.hear(0, b.hello(0, 1000), 5000);
  assertEquals(a.hear(0, b.hello(0, 2000, true), 6000), { peer: 0, kind: "down" });
  const { state, since_ms, why, capabilities } = a.peers[0]!;
  assertEquals({ state, since_ms, why, capabilities }, {
    ...{ state: "down", since_ms: 6000, why: LEFT, capabilities: 0 },
  });
  assertEquals(a.expire(1e6), []);
  assertEquals(a.unreachable(0, "port unreachable", 7000), undefined, "that is no news");
  a.reachable(0, 8000);
  assertEquals(a.peers[0]!.why, LEFT, "and its own word counts more");
  const restarted = new PeerBook(["a"], SELF);
  assertEquals(a.hear(0, restarted.hello(0, 100), 9000), { peer: 0, kind: "up" });
  assertEquals([a.peers[0]!.state, a.peers[0]!.why], ["up", ""]);
});

Deno.test("peers: a new start is noticed though it was never missed", () => {
  const a = new PeerBook(["b"], SELF);
  const b = new PeerBook(["a"], SELF);
  a.hear(0, b.hello(0, 60_000), 1000);
  a.hear(0, b.hello(0, 65_000), 6000);
  assertEquals(a.hear(0, new PeerBook(["a"], SELF).hello(0, 50), 8000), { peer: 0, kind: "up" });
  assertEquals(a.peers[0]!.since_ms, 8000);
  const late = b.hello(0, 70_000);
  a.hear(0, b.hello(0, 70_200), 9000);
  assertEquals(a.hear(0, late, 9001)?.kind, "asked", "one that was overtaken is no new start");
});

Deno.test("peers: what stands in the way of one makes it down, until it does not", () => {
  const book = new PeerBook(["b"], SELF);
  assertEquals(book.unreachable(0, "no route", 1000), { peer: 0, kind: "down" });
  assertEquals(book.unreachable(0, "port unreachable", 2000), undefined);
  const { state, since_ms, why } = book.peers[0]!;
  assertEquals({ state, since_ms, why }, {
    ...{ state: "down", since_ms: 1000, why: "port unreachable" },
  });
  book.reachable(0, 3000);
  assertEquals(book.peers[0]!.state, "plain");
  book.hear(0, encodeHello(HELLO), 4000);
  assertEquals(book.unreachable(0, "no route", 4000 + HELLO_OVERDUE_MS - 1), undefined);
  assertEquals(book.unreachable(0, "no route", 4000 + HELLO_OVERDUE_MS)?.kind, "down");
  book.reachable(0, 20_000);
  assertEquals([book.peers[0]!.state, book.peers[0]!.since_ms], ["silent", 4000]);
});

Deno.test("peers: one that sends packets without a hello is plain, not down", () => {
  const book = new PeerBook(["b"], SELF);
  let packets = 0;
  const look = (now_ms: number) => book.carried(() => packets, now_ms);
  book.hear(0, encodeHello(HELLO), 1000);
  look(1500);
  packets = 5;
  book.hear(0, encodeHello({ ...HELLO, leaving: true }), 1900);
  look(2000);
  assertEquals(book.peers[0]!.state, "down", "these may have come before it left");
  look(2500);
  assertEquals(book.peers[0]!.state, "down");
  packets = 6;
  look(3000);
  assertEquals([book.peers[0]!.state, book.peers[0]!.packets_ms], ["plain", 3000]);
  assertEquals(book.unreachable(0, "port unreachable", 3000), undefined, "it is evidently there");
  const later_ms = 3000 + HELLO_INTERVAL_MS;
  assertEquals(book.unreachable(0, "port unreachable", later_ms)?.kind, "down");
});

Deno.test("peers: who is missing", () => {
  const book = new PeerBook(["b"], SELF);
  assertEquals(book.isMissing(0, 1000), true, "never heard of");
  book.hear(0, encodeHello(HELLO), 1000);
  assertEquals(book.isMissing(0, 1000 + HELLO_OVERDUE_MS - 1), false);
  assertEquals(book.isMissing(0, 1000 + HELLO_OVERDUE_MS), true);
  book.carried(() => 1, 8000);
  assertEquals(book.isMissing(0, 8000 + HELLO_INTERVAL_MS - 1), false, "it sends packets");
  assertEquals(book.isMissing(0, 8000 + HELLO_INTERVAL_MS), true);
  book.hear(0, encodeHello({ ...HELLO, leaving: true }), 14_000);
  assertEquals(book.isMissing(0, 90_000), false, "it said that it was leaving");
  assertEquals(book.isMissing(7, 1000), false, "no such peer");
  const { probe, number, answer } = decodeHello(book.probe(5))!;
  assertEquals({ probe, number, answer }, { probe: true, number: 0, answer: false });
});

Deno.test("peers: two books measure the round trip between them", () => {
  const a = new PeerBook(["b"], SELF);
  const b = new PeerBook(["a"], { ...SELF, name: "b" });
  // b's clock is far ahead of a's; each way takes 2 ms and b holds the hello for 500 ms.
  const ahead_ms = 5_000_000;
  b.hear(0, a.hello(0, 100), ahead_ms + 102);
  a.hear(0, b.hello(0, ahead_ms + 602), 604);
  assertEquals(a.peers[0]!.rtt_ms, 4);
  assertEquals(a.peers[0]!.saidName, "b");
});

Deno.test("peers: who hears us, by the hellos of ours that it echoes", () => {
  const a = new PeerBook(["b"], SELF);
  const b = new PeerBook(["a"], { ...SELF, name: "b" });
  const hears = () => a.peers[0]!.hearsUs;
  const toA = (now_ms: number) => a.hear(0, b.hello(0, now_ms), now_ms)?.kind;
  assertEquals([toA(1_000), hears()], ["up", false], "it has heard nothing of us");
  b.hear(0, a.hello(0, 2_000), 2_000);
  assertEquals([toA(3_000), hears()], ["capabilities", true], "told once");
  assertEquals([toA(4_000), hears()], [undefined, true]);
  // From now on our hellos do not get through; its own do.
  for (let now_ms = 5_000; now_ms < 20_000; now_ms += 5_000) {
    a.hello(0, now_ms);
    toA(now_ms);
    assertEquals(a.expire(now_ms), []);
    assertEquals(hears(), true);
  }
  toA(19_900);
  assertEquals(a.expire(20_000), [{ peer: 0, kind: "capabilities" }]);
  assertEquals(hears(), false);
  assertEquals(a.expire(20_500), []);
  b.hear(0, a.hello(0, 21_000), 21_000);
  assertEquals([toA(21_100), hears()], ["capabilities", true]);
  // It starts again and has heard nothing yet.
  const anew = new PeerBook(["a"], { ...SELF, name: "b" });
  assertEquals(a.hear(0, anew.hello(0, 10), 22_000)?.kind, "up");
  assertEquals(hears(), false);
  a.hear(0, b.hello(0, 23_000, true), 23_000);
  assertEquals(hears(), false, "nor does one that is down");
});

Deno.test("peers: an index that is given away begins anew", () => {
  const book = new PeerBook(["b"], { name: "a", mode: "tun", mtu_bytes: 1472, capabilities: 1 });
  book.assign(2, "d");
  assertEquals(book.peers[1], undefined);
  book.hear(0, encodeHello(HELLO), 1000);
  book.vacate(0);
  assertEquals(book.hear(0, encodeHello(HELLO), 1500), undefined);
  assertEquals(book.expire(1e9), []);
  assertEquals(book.overdue(1e9), []);
  book.carried(() => 1, 1e9);
  book.assign(0, "c");
  assertEquals([book.peers[0]!.name, book.peers[0]!.state], ["c", "plain"]);
  assertEquals(book.hear(0, encodeHello(HELLO), 2000), { peer: 0, kind: "up" });
});

Deno.test("peers: a new name or mode is told once", () => {
  const book = new PeerBook(["b"], { name: "a", mode: "tun", mtu_bytes: 1472, capabilities: 1 });
  const hear = (change: Partial<Hello>) => book.hear(0, encodeHello({ ...HELLO, ...change }), 1000);
  assertEquals(hear({})?.kind, "up");
  assertEquals(hear({ name: "z" })?.kind, "described");
  assertEquals(hear({ name: "z", answer: false }), undefined);
  assertEquals(hear({ name: "z", mode: "tun" })?.kind, "described");
  assertEquals(book.peers[0]!.saidMode, "tun");
});
