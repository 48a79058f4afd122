import {
  LATE_DROPS_INTERVAL_MS,
  TRACE_INTERVAL_MS,
  TRACE_WATCHERS_MAX,
} from "../../../src/base/limits.ts";
import { COUNTERS } from "../../../src/forwarding/counters.ts";
import { BlockReader } from "../../../src/inspect/pcap/block_reader.ts";
import { TraceHub } from "../../../src/inspect/trace/hub.ts";
import { LiveTrace } from "../../../src/inspect/trace/live.ts";
import { RingWriter } from "../../../src/inspect/trace/ring.ts";
import type { HttpAnswer, HttpStream } from "../../../src/status/http/answer.ts";
import { assert, assertEquals, assertThrows } from "../../assert.ts";
import { FakeTime } from "../../fakes/time.ts";
import { ipv4 } from "../../fakes/packets.ts";
import { readCapture } from "../pcap/reader.ts";

/** A node with one lane, and who asks it. */
function setup() {
  const time = new FakeTime();
  const totals = Object.fromEntries(COUNTERS.map((name) => [name, 0])) as Record<
    typeof COUNTERS[number],
    number
  >;
  const hub = new TraceHub({
    ...{ link: "ip", ring_bytes: 1 << 20, time },
    peer: () => ({ name: "node-b", endpoint: "10.0.0.2:3009" }),
    lookAgain: () => {},
    onLooked: () => {},
  });
  const lane = new RingWriter(hub.openRing(), { seconds: 9, nanoseconds: 1, read: () => {} });
  const live = new LiveTrace({
    ...{ hub, device: "tunnet0", link: "ip", application: "tunnet", time },
    peers: () => ["node-b"],
    totals: () => totals,
  });
  const packet = ipv4("172.1.0.2", "172.2.0.2", new Array(8).fill(0));
  const view = new DataView(packet.buffer);
  const send = () => lane.received(view, 0, 0, packet.length, 1);
  return { time, totals, hub, live, send };
}

const query = (filter: string) => new URLSearchParams({ filter });

/** A client that takes what comes, or, if slow, nothing until it is told to go on. */
function client(answer: HttpAnswer | HttpStream, slow = false) {
  assert("start" in answer, "a stream");
  const gate = Promise.withResolvers<void>();
  if (!slow) gate.resolve();
  const got: Uint8Array[] = [];
  const end = answer.start(async (bytes) => {
    await gate.promise;
    got.push(bytes.slice());
    return bytes.length;
  }, () => {});
  const bytes = () => new Uint8Array(got.flatMap((one) => [...one]));
  const lines = () =>
    new TextDecoder().decode(bytes()).split("\n").filter((line) => line !== "")
      .map((line) => JSON.parse(line));
  return { end, bytes, lines, goOn: gate.resolve };
}

Deno.test("live: lines with their text, by a filter, and drops that nobody saw", async () => {
  const { time, totals, live, send } = setup();
  totals.send_failed = 5;
  const all = client(live.lines(query("")));
  const none = client(live.lines(query("icmp")));
  send();
  await time.advance(TRACE_INTERVAL_MS);
  totals.send_failed = 7;
  await time.advance(LATE_DROPS_INTERVAL_MS);
  const [packet, drop] = all.lines();
  assertEquals([packet.from, packet.protocol, all.lines().length], ["node-b", "UDP", 2]);
  assert(/ <- node-b$/.test(packet.text), packet.text);
  assertEquals([drop.packets, drop.dropped], [2, "send_failed"]);
  assertEquals(none.lines(), []);
  all.end();
  none.end();
});

Deno.test("live: a slow reader misses packets, is told how many, and holds up nobody", async () => {
  const { time, live, send } = setup();
  const slow = client(live.lines(query("")), true);
  const quick = client(live.capture(query("")));
  let sent = 0;
  for (let round = 0; round < 40; round++) {
    for (let i = 0; i < 500; i++, sent++) send();
    await time.advance(TRACE_INTERVAL_MS);
  }
  const reader = new BlockReader();
  reader.take(quick.bytes());
  assertEquals([reader.packets, reader.lost], [sent, 0]);
  slow.goOn();
  await time.advance(2 * LATE_DROPS_INTERVAL_MS);
  const lines = slow.lines();
  const lost = lines.findLast((line) => "lost" in line)?.lost;
  assert(lost > 1000, `${lost}`);
  assertEquals(lines.filter((line) => "text" in line).length + lost, sent);
  slow.end();
  quick.end();
});

Deno.test("live: a few look at a time, and a filter that means nothing is refused", () => {
  const { hub, live } = setup();
  const clients = Array.from({ length: TRACE_WATCHERS_MAX }, () => client(live.lines(query(""))));
  const status = (answer: HttpAnswer | HttpStream) => "start" in answer ? 200 : answer.status;
  assertEquals(status(live.capture(query(""))), 503);
  assertEquals(status(live.lines(query("icpm"))), 400);
  clients.pop()!.end();
  assertEquals(status(live.capture(query("node-b,dropped"))), 200);
  for (const one of clients) one.end();
  assertEquals(hub.looked, false);
});

Deno.test("block reader: a capture in pieces of any size is the same, up to a number of packets", async () => {
  const { time, live, send } = setup();
  const all = client(live.capture(query("udp")));
  for (let i = 0; i < 5; i++) send();
  await time.advance(TRACE_INTERVAL_MS);
  all.end();
  const bytes = all.bytes();
  for (let size = 1; size < bytes.length; size += 7) {
    const reader = new BlockReader();
    const out: number[] = [];
    for (let at = 0; at < bytes.length; at += size) {
      out.push(...reader.take(bytes.subarray(at, at + size), 3));
    }
    assertEquals([reader.packets, readCapture(new Uint8Array(out)).packets.length], [3, 3]);
  }
  for (const bad of [[1, 0, 0, 0, 4, 0, 0, 0], [1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]]) {
    assertThrows(() => new BlockReader().take(new Uint8Array(bad)), Error, "no capture");
  }
});
