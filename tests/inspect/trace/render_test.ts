import { plainPaint } from "../../../src/inspect/decode/line.ts";
import { COUNTER } from "../../../src/forwarding/counters.ts";
import { traceJson, traceLine, verdictOf, verdictText } from "../../../src/inspect/trace/render.ts";
import { RECORD } from "../../../src/inspect/trace/ring.ts";
import { assertEquals } from "../../assert.ts";
import { bytesOf, decodeBytes } from "../decode/packets.ts";

const PEER = { name: "node-b", endpoint: "192.168.0.7:3009" };
const BYTES = bytesOf("4500001c 00000000 4001hhhh ac010002 ac020002 0800iiii00070001");

const record = (kind: number, counter = 0) => ({
  kind,
  counter,
  peer: 0,
  length_bytes: BYTES.length,
  bytes: BYTES,
  time: { seconds: 0, nanoseconds: 0 },
});

const VERDICTS = [
  [record(RECORD.sent), PEER, "device in", "-> node-b 192.168.0.7:3009"],
  [record(RECORD.received), PEER, "device out", "<- node-b"],
  [record(RECORD.droppedOut, COUNTER.no_route), undefined, "device in", "dropped: no_route"],
  [record(RECORD.droppedOut, COUNTER.too_big), PEER, "device in", "-> node-b dropped: too_big"],
  [
    record(RECORD.droppedIn, COUNTER.spoofed_source),
    PEER,
    "udp in",
    "<- node-b dropped: spoofed_source",
  ],
  [record(RECORD.droppedIn, COUNTER.unknown_peer), undefined, "udp in", "dropped: unknown_peer"],
  [record(RECORD.answered), undefined, "device out", "answer of tunnet"],
] as const;

for (const [one, peer, place, text] of VERDICTS) {
  Deno.test(`trace: ${place}, ${text}`, () => {
    const verdict = verdictOf(one, peer);
    assertEquals(`${verdict.side} ${verdict.direction}`, place);
    assertEquals(verdictText(verdict), text);
  });
}

Deno.test("trace: the same line as dump's with what became of the packet, and as JSON", () => {
  const time = new Date(2026, 0, 2, 18, 2, 11, 483);
  const met = { time, device: "tunnet0", direction: "in", length_bytes: 28 } as const;
  const decoded = decodeBytes(BYTES);
  const verdict = verdictOf(record(RECORD.sent), PEER);
  assertEquals(
    traceLine(met, decoded, verdict, plainPaint),
    "18:02:11.483 tunnet0 in 28 B IPv4 hdrlen 20 total 28 ttl 64 ICMP echo request id 7 seq 1 " +
      "172.1.0.2 > 172.2.0.2 -> node-b 192.168.0.7:3009",
  );
  const { layers: _, ...rest } = traceJson(met, decoded, verdict);
  assertEquals(rest, {
    time: time.toISOString(),
    device: "tunnet0",
    direction: "in",
    length_bytes: 28,
    protocol: "ICMP",
    notes: [],
    to: "node-b",
    endpoint: "192.168.0.7:3009",
  });
});
