import { assertAlmostEquals, assertEquals } from "../../assert.ts";
import {
  HISTORY_COARSE_MS,
  HISTORY_COARSE_SLOTS,
  HISTORY_FINE_MS,
  HISTORY_FINE_SLOTS,
} from "../../../src/base/limits.ts";
import { History } from "../../../src/status/model/history.ts";
import { TOTAL } from "../../../src/status/model/snapshot.ts";
import { count } from "../parts.ts";

/** A node whose counters a test moves, sampled once a second. */
class Counted {
  readonly history = new History();
  readonly bytes = new Map<string, number>([[TOTAL, 0], ["b", 0]]);
  noRoute = 0;
  ofB = 0;
  now_ms = 0;

  sample(): void {
    this.history.add({
      at_ms: this.now_ms,
      counts: new Map(
        [...this.bytes].map((
          [name, bytes],
        ) => [name, { outbound: count(0, bytes), inbound: count(0, 2 * bytes) }]),
      ),
      dropsFor: (way, reason) => way === "outbound" && reason === "no_route" ? this.noRoute : 0,
      dropsOf: (way, name) => way === "inbound" && name === "b" ? this.ofB : 0,
    });
  }

  /** Lets seconds go by, in each of which so many bytes are carried. */
  run(seconds: number, bytes = 0, lateness_ms = 0): void {
    for (let i = 0; i < seconds; i++) {
      this.now_ms += 1000;
      for (const [name, so_far] of this.bytes) this.bytes.set(name, so_far + bytes);
      this.now_ms += lateness_ms;
      this.sample();
      this.now_ms -= lateness_ms;
    }
  }
}

const FINE_MS = HISTORY_FINE_MS * HISTORY_FINE_SLOTS;
const HOUR_MS = HISTORY_COARSE_MS * HISTORY_COARSE_SLOTS;

Deno.test("history: bits a second by peer and of all, both ways, the latest last", () => {
  const node = new Counted();
  node.run(4);
  assertEquals(node.history.of(FINE_MS).bits("b", "outbound"), [0], "nothing before the first");
  node.run(2, 1000);
  node.run(2);
  const past = node.history.of(FINE_MS);
  assertEquals(past.bits("b", "outbound"), [0, 8000, 0]);
  assertEquals(past.bits(TOTAL, "inbound"), [0, 16_000, 0]);
  assertEquals(past.interval_ms, HISTORY_FINE_MS);
  assertEquals(past.end_ms, 8000);
  assertEquals(past.peers(), ["b"]);
  assertEquals(past.sketch("b", 75), [0, (8000 + 16_000) / 2]);
});

Deno.test("history: finely for minutes, coarsely for an hour, and no longer", () => {
  const node = new Counted();
  node.run(2 * HOUR_MS / 1000, 1000);
  const fine = node.history.of(FINE_MS);
  const hour = node.history.of(HOUR_MS);
  assertEquals(fine.bits("b", "outbound").length, HISTORY_FINE_SLOTS);
  assertEquals(hour.bits("b", "outbound").length, HISTORY_COARSE_SLOTS);
  assertEquals(node.history.of(900_000).bits("b", "outbound").length, 60);
  for (const past of [fine, hour]) {
    assertEquals(new Set(past.bits("b", "outbound")), new Set([8000]));
  }
});

Deno.test("history: drops by reason and by peer, and only while they are in the span", () => {
  const node = new Counted();
  node.run(4);
  assertEquals(node.history.of(FINE_MS).drops(), []);
  assertEquals(node.history.of(FINE_MS).dropped("b", "inbound"), []);
  node.noRoute += 10;
  node.ofB += 4;
  node.run(2);
  node.run(2);
  const drops = node.history.of(FINE_MS).drops();
  assertEquals(drops.map(({ direction, reason }) => [direction, reason]), [[
    "outbound",
    "no_route",
  ]]);
  assertEquals(drops[0]!.packets, [0, 0, 5, 0], "counted since the start");
  assertEquals(node.history.of(FINE_MS).dropped("b", "inbound"), [0, 2, 0]);
  assertEquals(node.history.of(FINE_MS).dropped("b", "outbound"), []);
  node.run(FINE_MS / 1000);
  assertEquals(node.history.of(FINE_MS).drops(), []);
  assertEquals(node.history.of(HOUR_MS).drops().length, 1);
});

Deno.test("history: a peer that is gone is forgotten, and a new one begins with what it has", () => {
  const node = new Counted();
  node.run(4, 1000);
  node.bytes.delete("b");
  node.bytes.set("c", 1e9);
  node.run(2);
  node.run(2, 1000);
  const past = node.history.of(FINE_MS);
  assertEquals(past.peers(), ["c"]);
  assertEquals(past.bits("b", "outbound"), []);
  assertEquals(past.bits("c", "outbound"), [8000], "not the bytes of before");
  node.bytes.set("c", 0);
  node.run(2);
  assertEquals(node.history.of(FINE_MS).bits("c", "outbound"), [8000, 0], "it never sinks");
});

Deno.test("history: late timers leave no hole, a node that stood still does", () => {
  const node = new Counted();
  node.run(4, 1000);
  node.run(1, 1000, 900);
  // The thread was busy for five seconds.
  node.now_ms += 5000;
  node.run(1, 6000);
  const busy = node.history.of(FINE_MS).bits("b", "outbound");
  assertEquals(busy.length, 4);
  for (const value of busy) assertAlmostEquals(value!, 8000, 2000);
  node.now_ms += 60_000;
  node.run(3);
  const stood = node.history.of(FINE_MS).bits("b", "outbound");
  assertEquals(stood.filter((value) => value === null).length, 30);
});
