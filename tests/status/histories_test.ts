import { assert, assertEquals, assertStrictEquals } from "../assert.ts";
import { HISTORY_SKETCH_VALUES, HISTORY_WHOLE_PEERS_MAX } from "../../src/base/limits.ts";
import { Histories, type HistoryAnswer } from "../../src/status/histories.ts";
import { History } from "../../src/status/model/history.ts";
import { TOTAL } from "../../src/status/model/snapshot.ts";
import { count, STARTED_MS } from "./parts.ts";

/** The past of a node with so many peers, to each of which 1,000 bytes go in a second. */
function pastOf(peers: number, seconds: number) {
  const history = new History();
  const names = Array.from({ length: peers }, (_, i) => `p${i}`);
  let now_ms = 0;
  const run = (more: number) => {
    for (const end_ms = now_ms + more * 1000; now_ms < end_ms;) {
      now_ms += 1000;
      const flow = { outbound: count(0, now_ms), inbound: count(0, 0) };
      history.add({
        at_ms: now_ms,
        counts: new Map([TOTAL, ...names].map((name) => [name, flow])),
        dropsFor: (_way, reason) => reason === "too_big" ? now_ms / 1000 : 0,
        dropsOf: () => 0,
      });
    }
  };
  run(seconds);
  const clock = () => ({ wall_ms: STARTED_MS + now_ms, monotonic_ms: now_ms });
  const histories = new Histories(history, clock);
  const ask = (query: string): HistoryAnswer | undefined => {
    const body = histories.json(new URLSearchParams(query));
    return body && JSON.parse(new TextDecoder().decode(body));
  };
  return { histories, ask, run };
}

Deno.test("histories: total, drops and all of a few peers, with the time of the last value", () => {
  const { ask } = pastOf(2, 101);
  const { time, interval_seconds, total, drops, peers, sketches } = ask("span=300")!;
  assertEquals(time, new Date(STARTED_MS + 100_000).toISOString());
  assertEquals(interval_seconds, 2);
  assertEquals(total.outbound.length, 49);
  assertEquals(new Set(total.outbound), new Set([8000]));
  assertEquals(drops.map(({ direction, reason }) => `${direction} ${reason}`), [
    "outbound too_big",
    "inbound too_big",
  ]);
  assertEquals(Object.keys(peers), ["p0", "p1"]);
  assertEquals(peers.p0!.outbound, total.outbound);
  assertEquals(peers.p0!.dropped, { outbound: [], inbound: [] });
  assertEquals(sketches, {});
});

Deno.test("histories: of many peers a sketch, and all of the one that is asked for", () => {
  const { ask } = pastOf(HISTORY_WHOLE_PEERS_MAX + 1, 400);
  const all = ask("span=300")!;
  assertEquals(all.peers, {});
  assertEquals(Object.keys(all.sketches).length, HISTORY_WHOLE_PEERS_MAX + 1);
  assertEquals(all.sketches.p3, Array(HISTORY_SKETCH_VALUES).fill(8000));
  const one = ask("span=900&peer=p3")!;
  assertEquals(Object.keys(one.peers), ["p3"]);
  assertEquals(one.peers.p3!.outbound.length, 25);
  assertEquals(one.sketches, {});
  assertEquals(Object.keys(ask("peer=nobody")!.peers), []);
});

Deno.test("histories: what means nothing is no query", () => {
  const { ask } = pastOf(1, 10);
  for (const query of ["span=1", "span=", "span=x", "span=1e9", "span=-300"]) {
    assertEquals(ask(query), undefined, query);
  }
  assertEquals(ask("")!.span_seconds, 300);
});

Deno.test("histories: an answer is made once while there is nothing new", () => {
  const { histories, run } = pastOf(2, 100);
  const ask = () => histories.json(new URLSearchParams("span=300"));
  const first = ask();
  assertStrictEquals(ask(), first);
  run(2);
  assert(ask() !== first);
});
