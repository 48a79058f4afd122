import { assertAlmostEquals, assertEquals } from "../../assert.ts";
import { RateMeter } from "../../../src/status/model/rates.ts";
import { count, sampleOf } from "../parts.ts";

const NONE = { packets_per_second: 0, bits_per_second: 0 };
const at = (at_ms: number, packets: number, bytes: number, name = "b") =>
  sampleOf(at_ms, { [name]: [count(packets, bytes), count(2 * packets, 2 * bytes)] });

Deno.test("rates: over one to two intervals", () => {
  const meter = new RateMeter();
  assertEquals(meter.rate("b", at(0, 5, 5)).outbound, NONE, "no sample yet");
  meter.add(at(1000, 0, 0));
  assertEquals(meter.rate("b", at(1500, 10, 1000)).outbound, {
    packets_per_second: 20,
    bits_per_second: 16_000,
  });
  meter.add(at(2000, 20, 2000));
  meter.add(at(3000, 20, 2000));
  // From the sample at 2000: what was before does not count any more.
  assertEquals(meter.rate("b", at(3500, 20, 2000)).outbound, NONE);
  const { outbound, inbound } = meter.rate("b", at(3500, 50, 5000));
  assertAlmostEquals(outbound.packets_per_second, 20);
  assertAlmostEquals(inbound.bits_per_second, 2 * 3000 * 8 / 1.5);
});

Deno.test("rates: samples that come in a bunch do not shorten the time looked at", () => {
  const meter = new RateMeter();
  for (const at_ms of [1000, 2000, 2001, 2002]) meter.add(at(at_ms, 0, 0));
  assertEquals(meter.rate("b", at(3000, 10, 0)).outbound.packets_per_second, 5);
});

Deno.test("rates: a new peer, one that changed hands and no time at all have none", () => {
  const meter = new RateMeter();
  meter.add(at(1000, 100, 100));
  assertEquals(meter.rate("c", at(2000, 9, 9, "c")).outbound, NONE);
  assertEquals(meter.rate("b", at(2000, 9, 9)).outbound, NONE);
  assertEquals(meter.rate("b", at(1000, 200, 200)).outbound, NONE);
});
