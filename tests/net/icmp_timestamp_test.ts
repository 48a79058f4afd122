import { foldChecksum, sum16 } from "../../src/net/checksum.ts";
import { readTimestampReply, timestampRequest } from "../../src/net/icmp_timestamp.ts";
import { assertEquals } from "../assert.ts";
import { fuzzMultiplier, random } from "../fuzz/random.ts";

const DAY_MS = 86_400_000;
const NOON = 400 * DAY_MS + DAY_MS / 2;

/** A raw socket's packet: the answer of a host whose clock is `ahead_ms` ahead. */
function reply(sent_ms: number, ahead_ms: number, change: (view: DataView) => void = () => {}) {
  const request = timestampRequest(7, 3, sent_ms);
  const packet = new Uint8Array(20 + request.length);
  packet.set([0x45, 0, 0, 40, 0, 0, 0, 0, 64, 1]);
  packet.set(request, 20);
  const view = new DataView(packet.buffer);
  view.setUint8(20, 14);
  const theirs = (sent_ms + ahead_ms + 10 * DAY_MS) % DAY_MS;
  view.setUint32(32, theirs);
  view.setUint32(36, theirs);
  change(view);
  return packet;
}

Deno.test("ICMP timestamp: a request is whole, and its checksum right", () => {
  const bytes = timestampRequest(0xabcd, 5, NOON);
  assertEquals([...bytes.subarray(0, 2), ...bytes.subarray(4, 8)], [13, 0, 0xab, 0xcd, 0, 5]);
  const view = new DataView(bytes.buffer);
  assertEquals(view.getUint32(8), DAY_MS / 2);
  assertEquals(foldChecksum(sum16(view, 0, bytes.length)), 0);
});

/** How far ahead, the time here, and the round trip. */
const OFFSETS: readonly (readonly [ahead_ms: number, now_ms: number, trip_ms: number])[] = [
  [0, NOON, 0],
  [0, NOON, 40],
  [90_000, NOON, 0],
  [-90_000, NOON, 2],
  [3_600_000, 400 * DAY_MS + DAY_MS - 1000, 0],
  [-3_600_000, 400 * DAY_MS + 1000, 0],
];

for (const [ahead_ms, now_ms, trip_ms] of OFFSETS) {
  Deno.test(`ICMP timestamp: ${ahead_ms} ms ahead, after ${trip_ms} ms, at ${now_ms}`, () => {
    const got = readTimestampReply(reply(now_ms, ahead_ms + trip_ms / 2), 7, now_ms + trip_ms);
    assertEquals(got, { sequence: 3, offset_ms: ahead_ms });
  });
}

/** What is no reply to us. */
const STRANGE: readonly (readonly [name: string, change: (view: DataView) => void])[] = [
  ["another identifier", (view) => view.setUint16(24, 8)],
  ["a request", (view) => view.setUint8(20, 13)],
  ["another protocol", (view) => view.setUint8(9, 17)],
  ["a time that is none", (view) => view.setUint32(32, 0x8000_0001)],
  ["options that are not there", (view) => view.setUint8(0, 0x4f)],
  ["a header too short", (view) => view.setUint8(0, 0x41)],
];

for (const [name, change] of STRANGE) {
  Deno.test(`ICMP timestamp: ${name} is passed over`, () => {
    assertEquals(readTimestampReply(reply(NOON, 0, change), 7, NOON), undefined);
  });
}

Deno.test("ICMP timestamp: no bytes make the reader fail", () => {
  const numbers = random(9);
  for (let round = 0; round < 2_000 * fuzzMultiplier(); round++) {
    const bytes = numbers.bytes(numbers.below(64));
    readTimestampReply(bytes, 7, NOON);
    const cut = reply(NOON, 0).subarray(0, numbers.below(41));
    if (cut.length < 40) assertEquals(readTimestampReply(cut, 7, NOON), undefined);
  }
});
