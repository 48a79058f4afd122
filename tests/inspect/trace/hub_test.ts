import { COUNTER } from "../../../src/forwarding/counters.ts";
import { TRACE_BUDGET_MS, TRACE_INTERVAL_MS } from "../../../src/base/limits.ts";
import { TraceHub, type TraceSink } from "../../../src/inspect/trace/hub.ts";
import { RingWriter } from "../../../src/inspect/trace/ring.ts";
import { assertEquals } from "../../assert.ts";
import { FakeTime } from "../../fakes/time.ts";

const VIEW = new DataView(new ArrayBuffer(2048));

/** A hub with two lanes, and what it says. */
function setup(ring_bytes = 8192) {
  const time = new FakeTime();
  const said: string[] = [];
  const hub = new TraceHub({
    ...{ link: "ip", ring_bytes, time },
    peer: (index) => ({ name: `node-${index}`, endpoint: "10.0.0.1:3009" }),
    lookAgain: () => said.push("again"),
    onLooked: (looked) => said.push(`looked ${looked}`),
  });
  const clock = { seconds: 0, nanoseconds: 0, read: () => {} };
  const lanes = [hub.openRing(), hub.openRing()].map((memory) => new RingWriter(memory, clock));
  return { hub, time, said, clock, lanes };
}

/** A sink that keeps what it sees: peer, bytes, drop. */
function sink(snap_bytes = 64, work = () => {}) {
  const seen: string[] = [];
  const one: TraceSink & { missing: number } = {
    ...{ snap_bytes, missing: 0 },
    packet: ({ bytes }, { peer, drop }) => {
      seen.push(`${peer?.name} ${bytes.length}${drop ? ` ${drop}` : ""}`);
      work();
    },
    lost: (packets) => void (one.missing += packets),
  };
  return { one, seen };
}

Deno.test("hub: nobody looks, then two, then nobody again", async () => {
  const { hub, time, said, lanes } = setup();
  assertEquals([hub.looked, lanes[0]!.wanted], [false, false]);
  // Of a lane that has not noticed yet that nobody looks: for nobody.
  lanes[0]!.received(VIEW, 9, 0, 20, 1);
  const [first, second] = [sink(), sink(1000)];
  const end = hub.add(first.one);
  assertEquals(said.splice(0), ["again", "looked true"]);
  assertEquals(lanes.map((lane) => lane.wanted), [true, true]);
  lanes[0]!.received(VIEW, 1, 0, 200, 1);
  const endSecond = hub.add(second.one);
  lanes[1]!.droppedIn(VIEW, COUNTER.spoofed_source, 2, 0, 200);
  await time.advance(TRACE_INTERVAL_MS);
  const both = ["node-1 64", "node-2 200 spoofed_source"];
  assertEquals([first.seen, second.seen], [both, both]);
  endSecond();
  endSecond();
  lanes[1]!.received(VIEW, 3, 0, 200, 1);
  await time.advance(TRACE_INTERVAL_MS);
  assertEquals([first.seen.at(-1), second.seen.length], ["node-3 64", 2]);
  assertEquals(said.splice(0), ["again", "again"]);
  end();
  assertEquals(said, ["again", "looked false"]);
  assertEquals(lanes.map((lane) => lane.wanted), [false, false]);
});

Deno.test("hub: packets of several lanes come in the order of time", async () => {
  const { hub, time, clock, lanes } = setup();
  const { one, seen } = sink();
  hub.add(one);
  for (const [lane, seconds] of [[0, 5], [0, 7], [1, 4], [1, 6]] as const) {
    clock.seconds = seconds;
    lanes[lane]!.received(VIEW, seconds, 0, 20, 1);
  }
  await time.advance(TRACE_INTERVAL_MS);
  assertEquals(seen, ["node-4 20", "node-5 20", "node-6 20", "node-7 20"]);
});

Deno.test("hub: what takes too long waits for the next turn; what finds no room is told as lost", async () => {
  const { hub, time, lanes } = setup();
  let cost_ms = TRACE_BUDGET_MS;
  const { one, seen } = sink(64, () => time.skip(cost_ms));
  hub.add(one);
  for (let i = 0; i < 200; i++) lanes[0]!.received(VIEW, i, 0, 20, 1);
  const taken = Math.floor(8192 / 56);
  await time.advance(TRACE_INTERVAL_MS);
  assertEquals([seen.length, one.missing], [16, 200 - taken]);
  cost_ms = 0;
  await time.advance(TRACE_INTERVAL_MS);
  assertEquals(seen.length, taken);
  // At the end of the lanes all that they have left is shown.
  for (let i = 0; i < 50; i++) lanes[1]!.received(VIEW, i, 0, 20, 1);
  cost_ms = TRACE_BUDGET_MS;
  hub.closeRings();
  assertEquals(seen.length, taken + 50);
});
