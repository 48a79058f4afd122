/** Sources, load, indices and the places of sessions, each against a naive telling. */

import { assert, assertEquals, assertLessOrEqual } from "../assert.ts";
import { SESSION_SLOTS } from "../../src/base/limits.ts";
import { peerOf, placeOf } from "../../src/forwarding/session_index.ts";
import { IndexTable } from "../../src/wireguard/index_table.ts";
import { Keypairs, type Session } from "../../src/wireguard/keypairs.ts";
import { HandshakeLoad } from "../../src/wireguard/load.ts";
import { SourceLimits } from "../../src/wireguard/source_limits.ts";
import { WaitingPackets } from "../../src/wireguard/waiting.ts";
import { random } from "../fuzz/random.ts";

const v4 = (n: number) => Uint8Array.of(10, n >> 16, n >> 8, n);

Deno.test("source limits: a burst of 5, then 20 a second", () => {
  const limits = new SourceLimits();
  let taken = 0;
  for (let i = 0; i < 100; i++) if (limits.take(v4(1), 0)) taken++;
  assertEquals(taken, 5);
  for (let now_ms = 1; now_ms <= 10_000; now_ms++) if (limits.take(v4(1), now_ms)) taken++;
  assertEquals(taken, 5 + 200);
  assert(limits.take(v4(2), 10_000), "another source is another bucket");
  assert(limits.take(v4(1), 9_000) === false, "a clock that goes back gives nothing");
});

Deno.test("source limits: an IPv6 /64 is one source, a mapped address its IPv4", () => {
  const limits = new SourceLimits(20, 1);
  const v6 = (high: number, low: number) => {
    const bytes = new Uint8Array(16);
    bytes[0] = 0x20;
    bytes[7] = high;
    bytes[15] = low;
    return bytes;
  };
  assert(limits.take(v6(1, 1), 0));
  assert(!limits.take(v6(1, 2), 0));
  assert(limits.take(v6(2, 1), 0));
  const mapped = new Uint8Array(16);
  mapped.set([0xff, 0xff, 10, 0, 0, 9], 10);
  assert(limits.take(mapped, 0));
  assert(!limits.take(v4(9), 0));
  assertEquals(limits.size, 3);
});

Deno.test("source limits: the table is bounded, the oldest goes", () => {
  const limits = new SourceLimits(20, 1, 100);
  for (let i = 0; i < 1_000; i++) {
    limits.take(v4(i), 0);
    assertLessOrEqual(limits.size, 100);
  }
  assert(!limits.take(v4(999), 0), "the newest is remembered");
  assert(limits.take(v4(0), 0), "the oldest is not");
});

Deno.test("load: a budget in time and a bound on the queue, for a second", () => {
  const load = new HandshakeLoad();
  assert(!load.underLoad(0));
  const spend = (count: number, cost_ms: number, now_ms: number) => {
    for (let i = 0; i < count; i++) load.spent(cost_ms, 0, now_ms);
  };
  spend(63, 100, 0);
  assert(!load.underLoad(0), "a few may take as long as they like");
  spend(64, 1 / 8, 200); // another window
  assert(!load.underLoad(200), "8 ms are within the budget");
  spend(1, 1, 250);
  assert(load.underLoad(250));
  assert(load.underLoad(1_249));
  assert(!load.underLoad(1_250));
  load.spent(0, 200, 5_000);
  assert(!load.underLoad(5_000));
  load.spent(0, 201, 5_000);
  assert(load.underLoad(5_000));
});

Deno.test("index table: against a map, with random taking, finding and releasing", () => {
  const dice = random(1);
  const table = new IndexTable(() => dice.u32());
  const oracle = new Map<number, number>();
  for (let turn = 0; turn < 50_000; turn++) {
    const peer = dice.below(50);
    const mine = [...oracle].filter(([, owner]) => owner === peer).map(([index]) => index);
    if (dice.below(2) === 0) {
      const index = table.take(peer);
      assertEquals(index === undefined, mine.length === SESSION_SLOTS);
      if (index === undefined) continue;
      assert(!oracle.has(index) && index > 0 && index < 2 ** 32);
      assertEquals(peerOf(placeOf(index)), peer);
      oracle.set(index, peer);
    } else if (mine.length > 0) {
      const index = dice.pick(mine);
      table.release(index);
      oracle.delete(index);
    }
    const any = dice.u32();
    assertEquals(table.find(any), oracle.get(any));
    table.release(any ^ 1);
  }
  for (const [index, peer] of oracle) assertEquals(table.find(index), peer);
  assertEquals(table.find(0), undefined);
});

Deno.test("index table: a place that was freed is used again last, by another index", () => {
  const dice = random(2);
  const table = new IndexTable(() => dice.u32());
  const first = table.take(4_095)!;
  table.release(first);
  const others = Array.from({ length: SESSION_SLOTS - 1 }, () => table.take(4_095)!);
  assert(others.every((index) => placeOf(index) !== placeOf(first)));
  const again = table.take(4_095)!;
  assertEquals(placeOf(again), placeOf(first));
  assert(again !== first && table.find(first) === undefined);
});

const session = (index: number, created_ms = 0): Session => ({
  index,
  remoteIndex: index + 1000,
  initiator: true,
  created_ms,
});
const places = ({ older, previous, current, next }: Keypairs) =>
  [older, previous, current, next].map((one) => one?.index ?? 0);
const indices = (sessions: readonly Session[]) => sessions.map(({ index }) => index);

Deno.test("keypairs: answered, offered, confirmed, expired", () => {
  const pairs = new Keypairs();
  assertEquals(indices(pairs.answered(session(1))), []);
  assertEquals(places(pairs), [0, 0, 1, 0]);
  assertEquals(indices(pairs.answered(session(2))), []);
  assertEquals(places(pairs), [0, 1, 2, 0]);
  assertEquals(indices(pairs.offered(session(3))), []);
  assertEquals(places(pairs), [0, 1, 2, 3]);
  assertEquals(indices(pairs.offered(session(4))), [3], "an offer that was not used");
  assertEquals(indices(pairs.confirmed()), []);
  assertEquals(places(pairs), [1, 2, 4, 0]);
  assertEquals(indices(pairs.offered(session(5))), []);
  assertEquals(indices(pairs.answered(session(6))), [1, 2], "both began at once");
  assertEquals(places(pairs), [4, 5, 6, 0], "what is under way by 4 still arrives");
  assertEquals(indices(pairs.expire(1_000, 1_001)), []);
  assertEquals(indices(pairs.expire(1_000, 1_000)), [4, 5, 6]);
  assertEquals(places(pairs), [0, 0, 0, 0]);
});

Deno.test("waiting: the newest of each peer, in order, against lists", () => {
  const dice = random(5);
  const waiting = new WaitingPackets(4, 10);
  const oracle = new Map<number, number[]>();
  for (let step = 0; step < 20_000; step++) {
    const peer = dice.below(5);
    const list = oracle.get(peer) ?? [];
    const total = [...oracle.values()].reduce((sum, one) => sum + one.length, 0);
    assertEquals(waiting.count, total);
    assertLessOrEqual(total, 10);
    if (dice.below(5) === 0) {
      assertEquals(waiting.take(peer).map((packet) => packet[0]), list.map((n) => n & 0xff));
      oracle.delete(peer);
      continue;
    }
    const room = list.length < 4 && total < 10;
    assertEquals(waiting.add(peer, Uint8Array.of(step)), room ? 0 : 1);
    const kept = room ? list : list.slice(1);
    if (room || list.length > 0) oracle.set(peer, [...kept, step]);
  }
});
