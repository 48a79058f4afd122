import { TOKEN } from "../fakes/peers.ts";
import { assertEquals } from "../assert.ts";
import { timersOf } from "../../src/base/time.ts";
import { VERSION } from "../../src/base/version.ts";
import { LEFT, Liveness, probeHello } from "../../src/peers/liveness.ts";
import { PathProbe } from "../../src/peers/path_probe.ts";
import { decodeHello, encodeHello, type Hello } from "../../src/wire/hello.ts";

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
  token: 5n,
  echoToken: TOKEN,
  burst: 3,
  peerBurst: 4,
  largest_bytes: 0,
};

const SELF = { name: "a", mode: "tun", mtu_bytes: 1472, capabilities: 1 } as const;
const TIMERS = timersOf();

const liveness = () => new Liveness(TIMERS, TOKEN, new PathProbe(TIMERS, 4));

/** Tells one what another says, as if it had heard the token before. */
function tell(to: Liveness, datagram: Uint8Array, now_ms: number) {
  return to.hear(encodeHello({ ...decodeHello(datagram)!, echoToken: TOKEN }), now_ms);
}

Deno.test("liveness: up at the first hello, silent after a while, up again", () => {
  const peer = liveness();
  assertEquals(peer.expire(1e9), undefined);
  assertEquals(peer.state, "plain");
  assertEquals(peer.hear(encodeHello(HELLO), 1000), "up");
  assertEquals(peer.hear(encodeHello(HELLO), 2000), undefined);
  assertEquals(peer.expire(2000 + TIMERS.silence_ms - 1), undefined);
  assertEquals(peer.capabilities, HELLO.capabilities);
  const changed = encodeHello({ ...HELLO, capabilities: 0 });
  assertEquals(peer.hear(changed, 2000), "capabilities");
  assertEquals(peer.expire(2000 + TIMERS.silence_ms), "silent");
  assertEquals([peer.state, peer.since_ms], ["silent", 2000]);
  assertEquals(peer.hear(encodeHello(HELLO), 90_000), "up");
  assertEquals(peer.hear(Uint8Array.of(0xf1), 90_000), "bad_control");
});

Deno.test("liveness: a hello tells what its sender is", () => {
  const peer = liveness();
  peer.hear(encodeHello(HELLO), 1000);
  assertEquals([peer.said, peer.since_ms], [HELLO, 1000]);
});

Deno.test("liveness: one that is overdue is asked every second, and answers at once", () => {
  const a = liveness();
  const b = liveness();
  const first = decodeHello(a.hello(SELF, 0))!;
  assertEquals([first.number, first.answer, first.program], [1, true, VERSION], "b is not up yet");
  tell(b, a.hello(SELF, 0), 0);
  tell(a, b.hello(SELF, 0), 0);
  const second = a.hello(SELF, TIMERS.hello_ms);
  assertEquals(decodeHello(second)!.answer, false);
  assertEquals(tell(b, second, 0), "capabilities", "told once a has heard of b");
  assertEquals(a.isToBeAsked(TIMERS.overdue_ms - 1), false);
  assertEquals(a.isToBeAsked(TIMERS.overdue_ms), true);
  const asking = a.hello(SELF, TIMERS.overdue_ms);
  assertEquals(decodeHello(asking)!.answer, true);
  assertEquals(a.isToBeAsked(TIMERS.overdue_ms + TIMERS.ask_ms - 1), false);
  assertEquals(a.isToBeAsked(TIMERS.overdue_ms + TIMERS.ask_ms), true);
  assertEquals(tell(b, asking, 0), "asked");
  tell(a, b.hello(SELF, 1), TIMERS.overdue_ms + TIMERS.ask_ms);
  assertEquals(a.isToBeAsked(TIMERS.overdue_ms + TIMERS.ask_ms), false);
});

Deno.test("liveness: one that leaves is down at once, and up when it is back", () => {
  const a = liveness();
  const b = liveness();
  tell(a, b.hello(SELF, 1000), 5000);
  assertEquals(tell(a, b.hello(SELF, 2000, { leaving: true }), 6000), "down");
  const { state, since_ms, why, capabilities } = a;
  assertEquals({ state, since_ms, why, capabilities }, {
    ...{ state: "down", since_ms: 6000, why: LEFT, capabilities: 0 },
  });
  assertEquals(a.expire(1e6), undefined);
  assertEquals(a.unreachable("port unreachable", 7000), false, "that is no news");
  a.reachable(8000);
  assertEquals(a.why, LEFT, "and its own word counts more");
  const restarted = liveness();
  assertEquals(tell(a, restarted.hello(SELF, 100), 9000), "up");
  assertEquals([a.state, a.why], ["up", ""]);
});

Deno.test("liveness: a new start is noticed though it was never missed", () => {
  const a = liveness();
  const b = liveness();
  tell(a, b.hello(SELF, 60_000), 1000);
  tell(a, b.hello(SELF, 65_000), 6000);
  assertEquals(tell(a, liveness().hello(SELF, 50), 8000), "up");
  assertEquals(a.since_ms, 8000);
  const late = b.hello(SELF, 70_000);
  tell(a, b.hello(SELF, 70_200), 9000);
  assertEquals(tell(a, late, 9001), "asked", "one that was overtaken is no new start");
});

Deno.test("liveness: what prevents the hellos of one makes it down, until it does not", () => {
  const peer = liveness();
  assertEquals(peer.unreachable("no route", 1000), true);
  assertEquals(peer.unreachable("port unreachable", 2000), false);
  const { state, since_ms, why } = peer;
  assertEquals({ state, since_ms, why }, {
    ...{ state: "down", since_ms: 1000, why: "port unreachable" },
  });
  peer.reachable(3000);
  assertEquals(peer.state, "plain");
  peer.hear(encodeHello(HELLO), 4000);
  assertEquals(peer.unreachable("no route", 4000 + TIMERS.overdue_ms - 1), false);
  assertEquals(peer.unreachable("no route", 4000 + TIMERS.overdue_ms), true);
  peer.reachable(20_000);
  assertEquals([peer.state, peer.since_ms], ["silent", 4000]);
});

Deno.test("liveness: one that sends packets without a hello is plain, not down", () => {
  const peer = liveness();
  let packets = 0;
  const look = (now_ms: number) => peer.carried(packets, now_ms);
  peer.hear(encodeHello(HELLO), 1000);
  look(1500);
  packets = 5;
  peer.hear(encodeHello({ ...HELLO, leaving: true }), 1900);
  look(2000);
  assertEquals(peer.state, "down", "these may have come before it left");
  look(2500);
  assertEquals(peer.state, "down");
  packets = 6;
  look(3000);
  assertEquals([peer.state, peer.packets_ms], ["plain", 3000]);
  assertEquals(peer.unreachable("port unreachable", 3000), false, "it is evidently there");
  const later_ms = 3000 + TIMERS.hello_ms;
  assertEquals(peer.unreachable("port unreachable", later_ms), true);
});

Deno.test("liveness: who is missing", () => {
  const peer = liveness();
  assertEquals(peer.isMissing(1000), true, "never heard of");
  peer.hear(encodeHello(HELLO), 1000);
  assertEquals(peer.isMissing(1000 + TIMERS.overdue_ms - 1), false);
  assertEquals(peer.isMissing(1000 + TIMERS.overdue_ms), true);
  peer.carried(1, 8000);
  assertEquals(peer.isMissing(8000 + TIMERS.hello_ms - 1), false, "it sends packets");
  assertEquals(peer.isMissing(8000 + TIMERS.hello_ms), true);
  peer.hear(encodeHello({ ...HELLO, leaving: true }), 14_000);
  assertEquals(peer.isMissing(90_000), false, "it said that it was leaving");
  const { probe, number, answer } = decodeHello(probeHello(SELF, 5))!;
  assertEquals({ probe, number, answer }, { probe: true, number: 0, answer: false });
});

Deno.test("liveness: two nodes measure the round trip between them", () => {
  const a = liveness();
  const b = liveness();
  // b's clock is far ahead of a's; each way takes 2 ms and b holds the hello for 500 ms.
  const ahead_ms = 5_000_000;
  tell(b, a.hello(SELF, 100), ahead_ms + 102);
  tell(a, b.hello({ ...SELF, name: "b" }, ahead_ms + 602), 604);
  assertEquals(a.rtt_ms, 4);
  assertEquals(a.said!.name, "b");
});

Deno.test("liveness: who hears us, by the hellos of ours that it echoes", () => {
  const a = liveness();
  const b = liveness();
  const hears = () => a.hearsUs;
  const toA = (now_ms: number) => tell(a, b.hello(SELF, now_ms), now_ms);
  assertEquals([toA(1_000), hears()], ["up", false], "it has heard nothing of us");
  tell(b, a.hello(SELF, 2_000), 2_000);
  assertEquals([toA(3_000), hears()], ["capabilities", true], "told once");
  assertEquals([toA(4_000), hears()], [undefined, true]);
  // From now on our hellos do not get through; its own do.
  for (let now_ms = 5_000; now_ms < 16_000; now_ms += 5_000) {
    a.hello(SELF, now_ms);
    toA(now_ms);
    assertEquals(a.expire(now_ms), undefined);
    assertEquals(hears(), true);
  }
  toA(15_900);
  assertEquals([a.told, a.isToBeAsked(16_000)], ["up", true], "it is asked before it is told");
  assertEquals(a.expire(16_000), "capabilities");
  assertEquals(hears(), false);
  assertEquals([a.told, a.told_ms, a.isToBeAsked(16_100)], ["one-way", 2_000, false]);
  assertEquals(a.expire(20_500), undefined);
  tell(b, a.hello(SELF, 21_000), 21_000);
  assertEquals([toA(21_100), hears()], ["capabilities", true]);
  // It starts again and has heard nothing yet.
  const anew = liveness();
  assertEquals(tell(a, anew.hello(SELF, 10), 22_000), "up");
  assertEquals(hears(), false);
  tell(a, b.hello(SELF, 23_000, { leaving: true }), 23_000);
  assertEquals(hears(), false, "nor does one that is down");
});

Deno.test("liveness: a new name or mode is told once", () => {
  const peer = liveness();
  const hear = (change: Partial<Hello>) => peer.hear(encodeHello({ ...HELLO, ...change }), 1000);
  assertEquals(hear({}), "up");
  assertEquals(hear({ name: "z" }), "described");
  assertEquals(hear({ name: "z", answer: false }), undefined);
  assertEquals(hear({ name: "z", mode: "tun" }), "described");
  assertEquals(peer.said!.mode, "tun");
});
