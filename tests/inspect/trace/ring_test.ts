import { COUNTER } from "../../../src/forwarding/counters.ts";
import {
  type PacketRecord,
  RECORD,
  ringMemory,
  RingReader,
  RingWriter,
} from "../../../src/inspect/trace/ring.ts";
import { Burst } from "../../../src/io/arena.ts";
import { Run } from "../../../src/io/run.ts";
import { assert, assertEquals } from "../../assert.ts";
import { fuzzMultiplier, random } from "../../fuzz/random.ts";

/** A clock that counts. */
class FakeClock {
  seconds = 0;
  nanoseconds = 0;
  read(): void {
    this.seconds++;
    this.nanoseconds = this.seconds % 1000;
  }
}

function ring(data_bytes: number, snap_bytes = 65_535) {
  const memory = ringMemory(data_bytes);
  const writer = new RingWriter(memory, new FakeClock());
  const reader = new RingReader(memory);
  reader.want(snap_bytes);
  return { writer, reader };
}

const ARENA = Uint8Array.from({ length: 4096 }, (_, i) => i * 7);
/** As in an engine: a view that does not start at the buffer's start. */
const VIEW = new DataView(ARENA.buffer, 16);
const BURST = new Burst(0, 0, () => ({ bytes: ARENA, view: VIEW, start: 0 }));

/** A run with its bodies from 1,000 on. */
const runOf = (fields: Partial<Run>): Run =>
  Object.assign(
    new Run(BURST),
    { count: 1, headStride_bytes: 64, body: 1000, body_bytes: 1000 },
    fields,
  );

const arena = (at: number, count: number) => ARENA.slice(16 + at, 16 + at + count);

Deno.test("ring: every kind of record comes back whole", () => {
  const { writer, reader } = ring(8192);
  writer.sent(runOf({ destination: 3, count: 2, head: 100, head_bytes: 20, body_bytes: 33 }));
  writer.received(VIEW, 7, 500, 41, 2);
  writer.droppedOut(VIEW, COUNTER.no_route, -1, 200, 28);
  writer.droppedIn(VIEW, COUNTER.spoofed_source, 2, 300, 29);
  writer.answered(VIEW, 400, 56);
  const join = (a: Uint8Array, b: Uint8Array) => Uint8Array.of(...a, ...b);
  const record = (
    kind: number,
    peer: number,
    seconds: number,
    bytes: Uint8Array<ArrayBuffer>,
    counter = 0,
  ): PacketRecord => ({
    kind,
    counter,
    peer,
    length_bytes: bytes.length,
    bytes,
    time: { seconds, nanoseconds: seconds },
  });
  assertEquals(reader.take(100), [
    record(RECORD.sent, 3, 1, join(arena(100, 20), arena(1000, 33))),
    record(RECORD.sent, 3, 1, join(arena(164, 20), arena(1033, 33))),
    record(RECORD.received, 7, 2, arena(500, 41)),
    record(RECORD.received, 7, 2, arena(541, 41)),
    record(RECORD.droppedOut, -1, 3, arena(200, 28), COUNTER.no_route),
    record(RECORD.droppedIn, 2, 4, arena(300, 29), COUNTER.spoofed_source),
    record(RECORD.answered, -1, 5, arena(400, 56)),
  ]);
  assertEquals(reader.take(100), []);
  assertEquals(reader.takeLost(), 0);
});

Deno.test("ring: only the first bytes of a long packet, with its true length", () => {
  const { writer, reader } = ring(8192, 64);
  writer.sent(runOf({ head_bytes: 40 }));
  writer.sent(runOf({ head_bytes: 100 }));
  writer.received(VIEW, 0, 0, 1500, 1);
  const taken = reader.take(3);
  assertEquals(taken.map(({ length_bytes }) => length_bytes), [1040, 1100, 1500]);
  assertEquals(taken.map(({ bytes }) => bytes.length), [64, 64, 64]);
  assertEquals(taken[0]!.bytes.subarray(40), arena(1000, 24));
});

Deno.test("ring: a reader that sleeps costs packets, which are counted, and never garbles one", () => {
  const { writer, reader } = ring(1024);
  for (let i = 0; i < 100; i++) writer.received(VIEW, i, i, 50, 1);
  const taken = reader.take(1000);
  assert(taken.length >= 10 && taken.length < 13, `${taken.length}`);
  assertEquals(taken.map(({ peer }) => peer), [...taken.keys()]);
  assertEquals(reader.takeLost(), 100 - taken.length);
  assertEquals(reader.takeLost(), 0);
  // A packet that can never fit is lost, too, and the next one goes on.
  writer.received(VIEW, 1, 0, 2000, 1);
  writer.received(VIEW, 2, 0, 20, 1);
  assertEquals(reader.take(9).map(({ peer }) => peer), [2]);
  assertEquals(reader.takeLost(), 1);
});

Deno.test("ring: random writing and reading against a queue, across the 32-bit positions' wrap", () => {
  const dice = random(0x419);
  const memory = ringMemory(4096);
  // Both positions are shortly before 2^32.
  new Int32Array(memory, 0, 2).fill(-2048);
  const writer = new RingWriter(memory, new FakeClock());
  const reader = new RingReader(memory);
  reader.want(300);
  const queue: { peer: number; bytes: Uint8Array; length: number }[] = [];
  let lost = 0;
  let peer = 0;
  let seen = 0;
  for (let i = 0; i < 50_000 * fuzzMultiplier(); i++) {
    if (dice.below(3) > 0) {
      const [offset, length] = [dice.below(2000), dice.below(600)];
      writer.received(VIEW, peer, offset, length, 1);
      queue.push({ peer: peer++, bytes: arena(offset, Math.min(300, length)), length });
    } else {
      for (const record of reader.take(dice.below(20))) {
        // What was lost is missing from the middle, and nothing else is.
        let next = queue.shift()!;
        while (next.peer !== record.peer) {
          lost++;
          next = queue.shift()!;
        }
        assertEquals(record.bytes, next.bytes);
        assertEquals(record.length_bytes, next.length);
        seen++;
      }
    }
  }
  const rest = reader.take(Infinity).length;
  assertEquals(seen + rest + reader.takeLost(), peer);
  assert(lost > 100 && seen > 1000, `${seen} seen, ${lost} lost`);
});

Deno.test("ring: a Worker writes while this thread reads", async () => {
  const memory = ringMemory(1 << 16);
  const reader = new RingReader(memory);
  reader.want(65_535);
  const url = new URL("./ring_writer.ts", import.meta.url).href;
  const worker = new Worker(url, { type: "module" });
  const done = new Promise<void>((resolve) => worker.onmessage = () => resolve());
  worker.postMessage(memory);
  let ended = false;
  void done.then(() => ended = true);
  let next = 0;
  let gaps = 0;
  const take = () => {
    const records = reader.take(1000);
    for (const { peer, bytes, length_bytes } of records) {
      assert(peer >= next, "in order");
      gaps += peer - next;
      next = peer + 1;
      assertEquals(length_bytes, bytes.length);
      assertEquals(length_bytes, peer % 400);
      assert(bytes.every((byte) => byte === (peer & 0xff)), `record ${peer} is garbled`);
    }
    return records.length;
  };
  while (!ended) {
    take();
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  while (take() > 0);
  gaps += 200_000 - next;
  assertEquals(reader.takeLost(), gaps);
  assert(gaps < 200_000, "some came through");
  worker.terminate();
});
