import { assertEquals } from "../../assert.ts";
import { COUNTS, EVENTS, sumOfProcessors } from "../../../src/kernel_path/maps/records.ts";
import { type Carried, type Counts, Tally } from "../../../src/kernel_path/maps/tally.ts";

/** Counts of two processors. */
class FakeCounts implements Counts {
  readonly #records = new Map<string, BigUint64Array>();

  constructor(readonly size: number) {}

  add(key: number, offset: number, count: number, processor = 0): void {
    const name = `${key},0,0,0`;
    const record = this.#records.get(name) ?? new BigUint64Array(2 * this.size / 8);
    record[processor * this.size / 8 + offset / 8]! += BigInt(count);
    this.#records.set(name, record);
  }

  remove(key: number): void {
    this.#records.delete(`${key},0,0,0`);
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const record = this.#records.get(`${key}`);
    return record && new Uint8Array(record.buffer);
  }
}

const make = () => {
  const counts = new FakeCounts(COUNTS.size);
  const events = new FakeCounts(EVENTS.size);
  return { counts, events, tally: new Tally(counts, events) };
};

const carried = (out: number, inbound: number): Carried => ({
  outbound: { packets: out, bytes: 0 },
  inbound: { packets: inbound, bytes: 0 },
});

Deno.test("tally: the sum of all processors, and a row that is cut", () => {
  const two = new Uint8Array(new BigUint64Array([1n, 2n, 30n, 40n]).buffer);
  assertEquals(sumOfProcessors(two, 16), [31, 42]);
  assertEquals(sumOfProcessors(two.subarray(0, 24), 16), [1, 2]);
});

Deno.test("tally: what each peer carried since the last time, from every processor", () => {
  const { counts, tally } = make();
  counts.add(3, COUNTS.packetsOut, 5);
  counts.add(3, COUNTS.packetsOut, 2, 1);
  counts.add(9, COUNTS.packetsIn, 1);
  assertEquals([3, 9, 4].map((peer) => tally.carried(peer)), [
    carried(7, 0),
    carried(0, 1),
    undefined,
  ]);
  counts.add(9, COUNTS.packetsIn, 10, 1);
  assertEquals([3, 9].map((peer) => tally.carried(peer)), [carried(0, 0), carried(0, 10)]);
});

Deno.test("tally: an index that another peer gets begins at nothing", () => {
  const { counts, tally } = make();
  counts.add(3, COUNTS.packetsOut, 50);
  tally.carried(3);
  counts.remove(3);
  tally.forget(3);
  counts.add(3, COUNTS.packetsOut, 4);
  assertEquals(tally.carried(3), carried(4, 0));
});

Deno.test("tally: what is under way is not lost, what has not come by the next look is", () => {
  const { events, tally } = make();
  const look = (entered: number, arrived: number) => {
    events.add(0, EVENTS.entered, entered);
    events.add(0, EVENTS.arrived, arrived);
    const lost = tally.lost();
    return [lost.overflow, tally.isStuck(lost)];
  };
  assertEquals(look(100, 90), [0, false]);
  assertEquals(look(0, 10), [0, false]);
  assertEquals(look(50, 20), [0, false]);
  assertEquals(look(50, 0), [30, true], "30 of 50 are lost, and none arrived since");
  assertEquals(look(0, 50), [0, false]);
  assertEquals(look(10, 10), [0, false], "what is known to be lost is not lost again");
  assertEquals(look(100, 70), [0, false]);
  assertEquals(look(10, 10), [20, false], "some are lost, but most arrive");
});

Deno.test("tally: drops by reason, each told once", () => {
  const { events, tally } = make();
  events.add(0, EVENTS.sendFailed, 1);
  events.add(0, EVENTS.rejected, 2, 1);
  events.add(0, EVENTS.foreign, 3);
  assertEquals(tally.lost(), { sendFailed: 1, rejected: 2, overflow: 0, foreign: 3 });
  assertEquals(tally.lost(), { sendFailed: 0, rejected: 0, overflow: 0, foreign: 0 });
});

Deno.test("tally: self-tests are told in all, and are no loss", () => {
  const { events, tally } = make();
  assertEquals(tally.selfTests(), 0);
  events.add(0, EVENTS.selfTest, 1);
  events.add(0, EVENTS.selfTest, 2, 1);
  assertEquals([tally.selfTests(), tally.selfTests()], [3, 3]);
  assertEquals(tally.lost(), { sendFailed: 0, rejected: 0, overflow: 0, foreign: 0 });
});
