/** Takes counters of one session as fast as it can, beside others; see send_counters_test.ts. */

/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />

import { SendCounters } from "../../src/forwarding/send_counters.ts";

/** Marks each counter in `seen`, by its distance from `firstLow` of `firstHigh`. */
self.onmessage = ({ data: { memory, seen, place, firstLow, firstHigh, count } }) => {
  const counters = new SendCounters(memory);
  const marks = new Int32Array(seen);
  for (let i = 0; i < count; i++) {
    if (!counters.take(place)) break;
    const [low, high] = [counters.low >>> 0, counters.high >>> 0];
    const distance = (high - firstHigh) * 2 ** 32 + low - firstLow;
    if (distance < 0 || distance >= marks.length) {
      self.postMessage(`far off: ${high} ${low}`);
      return;
    }
    Atomics.add(marks, distance, 1);
  }
  self.postMessage("done");
};
