/** Counters of messages: each once, close together, and none at the limit. */

import { assert, assertEquals, assertFalse } from "../assert.ts";
import {
  NONCE_BLOCK,
  REJECT_AFTER_MESSAGES_HIGH,
  REJECT_AFTER_MESSAGES_LOW,
  REPLAY_WINDOW,
} from "../../src/base/limits.ts";
import { SendCounters } from "../../src/forwarding/send_counters.ts";
import {
  PLACE,
  PLACE_WORDS,
  SESSIONS_BYTES,
  sessionViews,
} from "../../src/forwarding/session_layout.ts";
import { random } from "../fuzz/random.ts";

const PLACE_OF_TEST = 77;

/** Memory whose session has given out the counters below (high, low). */
function memoryAt(high: number, low: number): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(SESSIONS_BYTES);
  const { places } = sessionViews(memory);
  places[PLACE_OF_TEST * PLACE_WORDS + PLACE.counterLow] = low | 0;
  places[PLACE_OF_TEST * PLACE_WORDS + PLACE.counterHigh] = high | 0;
  return memory;
}

const taken = (counters: SendCounters): bigint | undefined =>
  counters.take(PLACE_OF_TEST)
    ? BigInt(counters.high >>> 0) << 32n | BigInt(counters.low >>> 0)
    : undefined;

Deno.test("counters: from 0 on, one after the other", () => {
  const counters = new SendCounters(memoryAt(0, 0));
  for (let i = 0n; i < 1_000n; i++) assertEquals(taken(counters), i);
});

Deno.test("counters: over 2^31, 2^32 and 2^53", () => {
  for (
    const [high, low] of [[0, 2 ** 31], [0, 2 ** 32 - 64], [1, 0], [2 ** 21 - 1, 2 ** 32 - 64]]
  ) {
    const counters = new SendCounters(memoryAt(high!, low!));
    const first = BigInt(high!) << 32n | BigInt(low!);
    for (let i = 0n; i < 300n; i++) assertEquals(taken(counters), first + i);
  }
});

Deno.test("counters: the last one is below the limit of messages; at the limit and beyond, none", () => {
  const limit = 2n ** 64n - 2n ** 13n - 1n;
  assertEquals(
    BigInt(REJECT_AFTER_MESSAGES_HIGH) << 32n | BigInt(REJECT_AFTER_MESSAGES_LOW),
    limit,
  );
  const begin = REJECT_AFTER_MESSAGES_LOW - REJECT_AFTER_MESSAGES_LOW % NONCE_BLOCK -
    2 * NONCE_BLOCK;
  const memory = memoryAt(REJECT_AFTER_MESSAGES_HIGH, begin);
  const counters = new SendCounters(memory);
  let last: bigint | undefined;
  let count = 0;
  for (let next = taken(counters); next !== undefined; next = taken(counters)) {
    last = next;
    count++;
    assert(count < 1_000);
  }
  assertEquals(last, limit - 1n);
  assertEquals(count, REJECT_AFTER_MESSAGES_LOW - begin);
  for (let again = 0; again < 200; again++) assertFalse(counters.take(PLACE_OF_TEST));
  assertFalse(new SendCounters(memory).take(PLACE_OF_TEST), "another lane");
  // At the limit, one beyond, and far beyond.
  for (const low of [REJECT_AFTER_MESSAGES_LOW, REJECT_AFTER_MESSAGES_LOW + 1, 0xffff_ffc0]) {
    const other = new SendCounters(memoryAt(REJECT_AFTER_MESSAGES_HIGH, low));
    assertFalse(other.take(PLACE_OF_TEST), `${low}`);
  }
});

Deno.test("counters: several lanes in turn use each once, and stay within a receiver's window", () => {
  for (let seed = 0; seed < 20; seed++) {
    const dice = random(seed);
    const memory = memoryAt(0, 2 ** 32 - 100 * NONCE_BLOCK);
    const lanes = Array.from({ length: 4 }, () => new SendCounters(memory));
    const seen = new Set<bigint>();
    let greatest = 0n;
    for (let step = 0; step < 40_000; step++) {
      // Some lanes send hardly ever.
      const lane = lanes[dice.below(dice.below(4) + 1)]!;
      const counter = taken(step % 10_000 === 0 ? lanes[3]! : lane)!;
      assertFalse(seen.has(counter), `seed ${seed}: ${counter} twice`);
      seen.add(counter);
      if (counter > greatest) greatest = counter;
      assert(greatest - counter < BigInt(REPLAY_WINDOW), `seed ${seed}: ${counter} too late`);
    }
  }
});

Deno.test("counters: a new session in the place begins at 0", () => {
  const memory = memoryAt(0, 0);
  const counters = new SendCounters(memory);
  for (let i = 0; i < 10; i++) counters.take(PLACE_OF_TEST);
  sessionViews(memory).places[PLACE_OF_TEST * PLACE_WORDS + PLACE.counterLow] = 0;
  counters.reset(PLACE_OF_TEST);
  assertEquals(taken(counters), 0n);
});

Deno.test("counters: threads at once, over the carry into the high word", async () => {
  const [firstHigh, firstLow] = [5, 2 ** 32 - 1_000 * NONCE_BLOCK];
  const memory = memoryAt(firstHigh, firstLow);
  const count = 100_000;
  const workers = Array.from(
    { length: 3 },
    () => new Worker(new URL("./counter_worker.ts", import.meta.url), { type: "module" }),
  );
  try {
    const seen = new SharedArrayBuffer(4 * (workers.length * (count + NONCE_BLOCK * 200)));
    const ends = await Promise.all(
      workers.map((worker) =>
        new Promise<string>((resolve, reject) => {
          worker.onmessage = ({ data }) => resolve(data);
          worker.onerror = (event) => reject(new Error(event.message));
          worker.postMessage({ memory, seen, place: PLACE_OF_TEST, firstLow, firstHigh, count });
        })
      ),
    );
    assertEquals(ends, workers.map(() => "done"));
    const marks = new Int32Array(seen);
    let total = 0;
    for (const [distance, mark] of marks.entries()) {
      if (mark > 1) assertEquals(mark, 1, `counter ${distance} was used ${mark} times`);
      total += mark;
    }
    assertEquals(total, workers.length * count);
  } finally {
    for (const worker of workers) worker.terminate();
  }
});
