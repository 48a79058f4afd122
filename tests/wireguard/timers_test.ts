/** The timers of one peer, each at its limit and one before. */

import { assertEquals } from "../assert.ts";
import { type TimedSession, Timers, TIMES } from "../../src/wireguard/timers.ts";

const JITTER_MS = 100;

/** Timers whose jitter is always JITTER_MS. */
function timers(persistent_ms = 0, session?: TimedSession): Timers {
  const made = new Timers(TIMES, () => (JITTER_MS + 0.5) / TIMES.jitter_ms, persistent_ms);
  made.start(0);
  made.useSession(session);
  return made;
}

const initiator = { initiator: true, created_ms: 0 };
const responder = { initiator: false, created_ms: 0 };

Deno.test("timers: nothing to do, nothing due", () => {
  assertEquals(timers().next_ms, Infinity);
  assertEquals(timers().tick(1e12), []);
});

Deno.test("timers: a wanted session is asked for at once, then every 5 s and jitter", () => {
  const one = timers();
  one.wantSession(1_000);
  assertEquals(one.tick(1_000), ["initiate"]);
  one.wantSession(1_001);
  assertEquals(one.next_ms, 6_100);
  assertEquals(one.tick(6_099), []);
  assertEquals(one.tick(6_100), ["initiate"]);
  one.handshakeDone();
  assertEquals(one.next_ms, Infinity);
  // Once more at once: not sooner than 5 s after the last.
  one.wantSession(7_000);
  assertEquals(one.tick(11_099), []);
  assertEquals(one.tick(11_100), ["initiate"]);
});

Deno.test("timers: given up 90 s after it was wanted last", () => {
  const one = timers();
  one.wantSession(0);
  let now_ms = 0;
  const due: string[] = [];
  while (one.next_ms < Infinity) {
    now_ms = one.next_ms;
    due.push(...one.tick(now_ms));
    if (now_ms === 5_100) one.wantSession(now_ms);
  }
  assertEquals(due.pop(), "give_up");
  assertEquals([now_ms, due.length], [19 * 5_100, 19]);
});

Deno.test("timers: rekey by age, only for the initiator, only for data", () => {
  const cases: [string, TimedSession, number, boolean, boolean][] = [
    ["young", initiator, 119_999, true, false],
    ["old", initiator, 120_000, true, true],
    ["old, a keepalive", initiator, 120_000, false, false],
    ["old, responder", responder, 179_999, true, false],
    ["yields", { ...initiator, yields: true }, 129_999, true, false],
    ["yields no longer", { ...initiator, yields: true }, 130_000, true, true],
  ];
  for (const [name, session, age_ms, data, wanted] of cases) {
    const one = timers(0, session);
    one.sent(age_ms, data);
    assertEquals(one.handshaking, wanted, name);
  }
});

Deno.test("timers: rekey by age while receiving, once a session", () => {
  for (
    const [session, age_ms, wanted] of [
      [initiator, 164_999, false],
      [initiator, 165_000, true],
      [responder, 165_000, false],
    ] as const
  ) {
    const one = timers(0, session);
    one.received(age_ms, true);
    assertEquals(one.handshaking, wanted, `${age_ms}`);
    one.handshakeDone();
    one.received(age_ms, true);
    assertEquals(one.handshaking, false);
  }
});

Deno.test("timers: silence after data begins a handshake, 15 s and jitter after the first", () => {
  const one = timers(0, initiator);
  one.sent(1_000, true);
  one.sent(14_000, true);
  assertEquals(one.next_ms, 16_100);
  assertEquals(one.tick(16_099), []);
  assertEquals(one.tick(16_100), ["initiate"]);
  const other = timers(0, initiator);
  other.sent(1_000, true);
  other.sent(1_500, true);
  assertEquals(other.unansweredFor_ms(1_600), 600);
  other.received(2_000, false);
  assertEquals(other.unansweredFor_ms(9_000), 0);
  assertEquals(other.next_ms, Infinity, "a keepalive is an answer");
  other.sent(3_000, false);
  assertEquals(other.next_ms, Infinity, "a keepalive expects none");
});

Deno.test("timers: data is answered within 10 s, by data or a keepalive; a keepalive is not", () => {
  const one = timers(0, responder);
  one.received(1_000, false);
  assertEquals(one.next_ms, Infinity);
  one.received(1_000, true);
  one.received(5_000, true);
  assertEquals(one.next_ms, 11_000);
  assertEquals(one.tick(11_000), ["keepalive"]);
  one.sent(11_000, false);
  assertEquals(one.next_ms, Infinity);
  one.received(12_000, true);
  one.sent(13_000, true);
  assertEquals(one.tick(22_000), [], "answered by data");
});

Deno.test("timers: no keepalive without a session", () => {
  const one = timers(0, responder);
  one.received(0, true);
  one.useSession(undefined);
  assertEquals(one.tick(10_000), []);
  assertEquals(one.next_ms, Infinity);
});

Deno.test("timers: a persistent keepalive, put off by any traffic, asks for a session itself", () => {
  const one = timers(25_000);
  assertEquals(one.tick(0), ["initiate"]);
  one.handshakeDone();
  one.useSession(initiator);
  one.received(50, false);
  assertEquals(one.next_ms, 25_050);
  assertEquals(one.tick(25_050), ["keepalive"]);
  one.sent(25_050, false);
  one.received(40_000, false);
  assertEquals(one.next_ms, 65_000);
});

Deno.test("timers: after ten minutes of suspend each is due once", () => {
  const one = timers(25_000, initiator);
  one.tick(0);
  one.sent(0, true);
  one.received(1, true);
  one.sent(2, true);
  assertEquals(one.tick(600_000), ["keepalive", "initiate"]);
  assertEquals(one.tick(600_000), []);
});
