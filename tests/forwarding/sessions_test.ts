/** Sessions in shared memory: what lanes take up, what is erased, when a place is used again. */

import { assert, assertEquals, assertFalse, assertGreater, assertThrows } from "../assert.ts";
import { NODES_MAX, SESSION_SLOTS } from "../../src/base/limits.ts";
import { LaneSessions } from "../../src/forwarding/lane_sessions.ts";
import { indexFor, peerOf, placeOf } from "../../src/forwarding/session_index.ts";
import { PLACE, PLACE_WORDS, sessionViews } from "../../src/forwarding/session_layout.ts";
import { Sessions } from "../../src/forwarding/sessions.ts";
import { random } from "../fuzz/random.ts";
import { keyOf, sessionOf } from "./session_keys.ts";

/** A peer's sessions: the older, the previous, the current, the next. */
type Indices = readonly [number, number, number, number];

/** The place of the session of an index, as a message names it. */
function findIn(view: LaneSessions, index: number): number {
  const head = new DataView(new ArrayBuffer(4));
  head.setUint32(0, index, true);
  return view.findAt(head, 0);
}

/** A lane that remembers what it was told. */
function laneOf(memory: SharedArrayBuffer, lane = 0) {
  const keys = new Map<number, string>();
  const given: Uint8Array[] = [];
  const closed: number[] = [];
  const view = new LaneSessions(memory, lane, {
    opened(place, sendKey, receiveKey) {
      assertFalse(keys.has(place), "opened twice");
      keys.set(place, sendKey.toHex() + receiveKey.toHex());
      given.push(sendKey, receiveKey);
    },
    closed(place) {
      assert(keys.delete(place), "closed without having been opened");
      closed.push(place);
    },
  });
  return { view, keys, given, closed };
}

const keysOf = (index: number) => keyOf(index, 1).toHex() + keyOf(index, 2).toHex();

Deno.test("session index: peer and place come out again, whatever the random part", () => {
  const dice = random(1);
  for (const peer of [0, 1, 2_047, NODES_MAX - 1]) {
    for (let slot = 0; slot < SESSION_SLOTS; slot++) {
      const index = indexFor(peer, slot, dice.u32());
      assertEquals(peerOf(placeOf(index)), peer);
      assertEquals(placeOf(index), peer * SESSION_SLOTS + slot);
      assert(index >= 0 && index < 2 ** 32);
    }
  }
  assert(placeOf(0xffff_ffff) < NODES_MAX * SESSION_SLOTS);
});

Deno.test("sessions: a lane gets keys and indices, and sends by the current one", () => {
  const sessions = new Sessions();
  const { view, keys, given } = laneOf(sessions.memory);
  view.acquire();
  assertEquals([view.current(5), findIn(view, 0), findIn(view, indexFor(5, 0, 9))], [-1, -1, -1]);
  const [a, b] = [indexFor(5, 0, 0xdead_0000), indexFor(5, 1, 0xffff_0000)];
  assert(sessions.publish(5, { older: 0, previous: 0, current: a, next: 0 }, 1, sessionOf(a)));
  assert(view.stale);
  assertEquals(view.current(5), -1, "not before it is taken up");
  view.acquire();
  assertFalse(view.stale);
  assertEquals([view.current(5), findIn(view, a)], [placeOf(a), placeOf(a)]);
  const head = new DataView(new ArrayBuffer(8));
  view.writeRemoteIndex(head, 4, placeOf(a));
  assertEquals(head.getUint32(4, true), ~a >>> 0);
  assertEquals(findIn(view, a ^ 0x8000_0000), -1, "another random part");
  assert(sessions.publish(5, { older: 0, previous: 0, current: a, next: b }, 1, sessionOf(b)));
  view.acquire();
  assertEquals([view.current(5), findIn(view, b)], [placeOf(a), placeOf(b)]);
  assert(sessions.publish(5, { older: 0, previous: a, current: b, next: 0 }, 1));
  view.acquire();
  assertEquals([view.current(5), findIn(view, a)], [placeOf(b), placeOf(a)]);
  assertEquals([...keys], [[placeOf(a), keysOf(a)], [placeOf(b), keysOf(b)]]);
  assert(given.every((key) => key.every((byte) => byte === 0)), "the lane's copies are erased");
  assertEquals(view.indexAt(placeOf(b)), b);
});

Deno.test("sessions: what has ended is erased from shared memory at once", () => {
  const sessions = new Sessions();
  const { view, closed } = laneOf(sessions.memory);
  const a = indexFor(7, 2, 0x1234_0000);
  sessions.publish(7, { older: 0, previous: 0, current: a, next: 0 }, 1, sessionOf(a));
  view.acquire();
  sessions.publish(7, { older: 0, previous: 0, current: 0, next: 0 }, 1);
  const at = placeOf(a) * PLACE_WORDS;
  const { places } = sessionViews(sessions.memory);
  assert(places.subarray(at + PLACE.sendKey, at + PLACE_WORDS).every((word) => word === 0));
  view.acquire();
  assertEquals(closed, [placeOf(a)]);
  assertEquals([view.current(7), findIn(view, a)], [-1, -1]);
});

Deno.test("sessions: a place is used again only when every lane has moved on", () => {
  const sessions = new Sessions();
  const lanes = [laneOf(sessions.memory, 0).view, laneOf(sessions.memory, 1).view];
  const [a, b] = [indexFor(0, 3, 0x0100_0000), indexFor(0, 3, 0x0200_0000)];
  const roles = (current: number) => ({ older: 0, previous: 0, current, next: 0 });
  assert(sessions.publish(0, roles(a), 2, sessionOf(a)));
  assertFalse(sessions.publish(0, roles(b), 2, sessionOf(b)), "in use");
  for (const lane of lanes) lane.acquire();
  assert(sessions.publish(0, roles(0), 2));
  assertFalse(sessions.publish(0, roles(b), 2, sessionOf(b)), "neither has moved on");
  lanes[1]!.acquire();
  assertFalse(sessions.publish(0, roles(b), 2, sessionOf(b)), "one has");
  lanes[0]!.acquire();
  assert(sessions.publish(0, roles(b), 2, sessionOf(b)));
  lanes[0]!.acquire();
  assertEquals(findIn(lanes[0]!, b), placeOf(b));
});

Deno.test("sessions: counters begin at 0, and 2^60 messages are enough", () => {
  const sessions = new Sessions();
  const a = indexFor(1, 0, 0x0100_0000);
  const { places } = sessionViews(sessions.memory);
  const at = placeOf(a) * PLACE_WORDS;
  places[at + PLACE.counterLow] = 64;
  sessions.publish(1, { older: 0, previous: 0, current: a, next: 0 }, 0, sessionOf(a));
  assertEquals([places[at + PLACE.counterLow], places[at + PLACE.counterHigh]], [0, 0]);
  places[at + PLACE.counterHigh] = 2 ** 28 - 1;
  assertFalse(sessions.isWornOut(a));
  places[at + PLACE.counterHigh] = 2 ** 28;
  assert(sessions.isWornOut(a));
  places[at + PLACE.counterHigh] = -1;
  assert(sessions.isWornOut(a));
});

Deno.test("sessions: what does not fit is refused", () => {
  const sessions = new Sessions();
  const none = { older: 0, previous: 0, current: 0, next: 0 };
  for (const peer of [-1, NODES_MAX, NaN]) {
    assertThrows(() => sessions.publish(peer, none, 0), RangeError);
  }
  assertThrows(() => sessions.publish(1, none, 0, sessionOf(indexFor(2, 0, 5))), RangeError);
});

Deno.test("sessions: random changes of many peers against maps, two lanes at their own pace", () => {
  const dice = random(3);
  const sessions = new Sessions();
  const lanes = [laneOf(sessions.memory, 0), laneOf(sessions.memory, 1)];
  const wanted = new Map<number, Indices>();
  const used: number[] = [];
  for (let step = 0; step < 20_000; step++) {
    const peer = dice.below(6);
    const now = wanted.get(peer) ?? [0, 0, 0, 0];
    const index = indexFor(peer, dice.below(SESSION_SLOTS), dice.u32());
    const next: Indices = dice.pick<Indices>([
      [now[1], now[2], index, 0],
      [now[0], now[1], now[2], index],
      [now[1], now[2], now[3], 0],
      [0, 0, 0, 0],
    ]);
    const made = next.includes(index) ? sessionOf(index) : undefined;
    const [older, previous, current, offered] = next;
    if (sessions.publish(peer, { older, previous, current, next: offered }, 2, made)) {
      wanted.set(peer, next);
      if (made) used.push(index);
    }
    if (dice.below(3) === 0) dice.pick(lanes).view.acquire();
    if (step % 50 !== 0) continue;
    for (const { view, keys } of lanes) {
      view.acquire();
      const alive = [...wanted.values()].flat().filter((one) => one !== 0);
      assertEquals(keys.size, new Set(alive).size);
      for (const one of alive) {
        assertEquals(findIn(view, one), placeOf(one));
        assertEquals(keys.get(placeOf(one)), keysOf(one));
      }
      for (const [number, [, , is]] of wanted) {
        assertEquals(view.current(number), is === 0 ? -1 : placeOf(is));
      }
      for (let i = 0; i < 20; i++) {
        const old = dice.pick(used);
        assertEquals(findIn(view, old) >= 0, alive.includes(old));
      }
    }
  }
  assertGreater(used.length, 3_000);
});

Deno.test("sessions: a lane on another thread never sees half a session", async () => {
  const sessions = new Sessions();
  const stop = new SharedArrayBuffer(4);
  const worker = new Worker(new URL("./session_reader_worker.ts", import.meta.url), {
    type: "module",
  });
  try {
    const next = () =>
      new Promise<string | { torn: number; opened: number }>((resolve) =>
        worker.onmessage = ({ data }) => resolve(data)
      );
    worker.postMessage({ memory: sessions.memory, stop });
    assertEquals(await next(), "reading");
    const dice = random(4);
    const end_ms = performance.now() + 700;
    let published = 0;
    const slots = new Uint8Array(4);
    while (performance.now() < end_ms) {
      const peer = dice.below(4);
      const index = indexFor(peer, slots[peer] = (slots[peer]! + 1) % SESSION_SLOTS, dice.u32());
      const roles = { older: 0, previous: 0, current: index, next: 0 };
      if (sessions.publish(peer, roles, 1, sessionOf(index))) published++;
    }
    Atomics.store(new Int32Array(stop), 0, 1);
    const result = await next();
    assert(typeof result !== "string");
    assertEquals(result.torn, 0);
    assertGreater(result.opened, 100);
    assertGreater(published, 100);
  } finally {
    worker.terminate();
  }
});
