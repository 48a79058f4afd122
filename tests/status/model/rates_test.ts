import { assertAlmostEquals, assertEquals } from "../../assert.ts";
import { RateMeter } from "../../../src/status/model/rates.ts";
import { count, sampleOf } from "../parts.ts";

const NONE = { packets_per_second: 0, bits_per_second: 0 };
const at = (at_ms: number, packets: number, bytes: number, name = "b") =>
  sampleOf(at_ms, { [name]: [count(packets, bytes), count(2 * packets, 2 * bytes)] });

Deno.test("rates: between the last two samples", () => {
  const meter = new RateMeter();
  assertEquals(meter.rate("b").outbound, NONE, "no sample yet");
  meter.add(at(1000, 0, 0));
  assertEquals(meter.rate("b").outbound, NONE, "one sample");
  meter.add(at(2000, 20, 2000));
  assertEquals(meter.rate("b").outbound, { packets_per_second: 20, bits_per_second: 16_000 });
  meter.add(at(3500, 50, 5000));
  // From the sample at 2000: what was before does not count any more.
  const { outbound, inbound } = meter.rate("b");
  assertAlmostEquals(outbound.packets_per_second, 20);
  assertAlmostEquals(inbound.bits_per_second, 2 * 3000 * 8 / 1.5);
  meter.add(at(4500, 50, 5000));
  assertEquals(meter.rate("b").outbound, NONE);
});

Deno.test("rates: samples that come in a bunch do not shorten the time looked at", () => {
  const meter = new RateMeter();
  for (const at_ms of [1000, 1001, 1002]) meter.add(at(at_ms, 0, 0));
  for (const at_ms of [3000, 3001]) meter.add(at(at_ms, 10, 0));
  assertEquals(meter.rate("b").outbound.packets_per_second, 5);
});

Deno.test("rates: a new peer, and one that changed hands, have none", () => {
  const meter = new RateMeter();
  meter.add(at(1000, 100, 100));
  meter.add(at(2000, 9, 9));
  assertEquals(meter.rate("c").outbound, NONE);
  assertEquals(meter.rate("b").outbound, NONE);
});
