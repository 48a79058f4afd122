import { assertEquals } from "../assert.ts";
import { COUNTER, LANE_COUNTERS_BYTES, laneCounters } from "../../src/forwarding/counters.ts";
import { Sampler } from "../../src/node/sampler.ts";
import { TOTAL } from "../../src/status/model/snapshot.ts";
import { logged, registryOf } from "../fakes/peers.ts";
import { FakeTime } from "../fakes/time.ts";

Deno.test("sampler: only a sample takes over what the kernel has counted; a reader never does", async () => {
  const registry = registryOf({ b: "10.0.0.2" });
  const counters = laneCounters(new ArrayBuffer(LANE_COUNTERS_BYTES));
  const time = new FakeTime();
  const state = { kernel: 100, broken: false };
  const sampler = new Sampler({
    ...{ registry, time, log: logged().log },
    lanes: { countersOf: () => counters },
    kernel: {
      sample() {
        counters.peerPackets[0]! += state.kernel;
        counters.totals[COUNTER.packets]! += state.kernel;
      },
    },
    drops: {
      read() {
        if (state.broken) throw new Error("the device has gone");
      },
    },
  });
  const packets = () => {
    const { counts } = sampler.counts();
    return [counts.get("b")!.inbound.packets, counts.get(TOTAL)!.outbound.packets];
  };
  for (let reads = 0; reads < 3; reads++) assertEquals(packets(), [0, 0]);
  sampler.sample();
  for (let reads = 0; reads < 3; reads++) assertEquals(packets(), [100, 100]);
  await time.advance(1_000);
  state.broken = true;
  sampler.sample();
  assertEquals(packets(), [200, 200], "what could be read is there");
  assertEquals(sampler.rates.rate("b").inbound.packets_per_second, 100);
});
