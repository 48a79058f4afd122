/** Splitting undoes merging, and merging undoes splitting. */

import { assert, assertEquals } from "../assert.ts";
import { fuzzMultiplier, random } from "../fuzz/random.ts";
import { arrivals, Flow, randomEthernet, randomShape } from "./flows.ts";
import { type Layout, merge } from "./coalescing.ts";
import { byFlow, join, packetsOf, partial, readWritten, UDP_SEGMENTS_MAX } from "./oracle.ts";
import { split } from "./segmenting.ts";

const RUNS = Math.round(150 * fuzzMultiplier());
const LAYOUTS: readonly Layout[] = ["slots", "one behind the other"];

Deno.test(`split, then merge: ${RUNS} super-packets come back, header and all`, () => {
  const dice = random(0x2b01);
  let followed = 0;
  for (let run = 0; run < RUNS; run++) {
    const shape = { ...randomShape(dice, 0, true), payload_bytes: 1 + dice.below(1000) };
    const flow = new Flow(dice, shape);
    const count = 2 + dice.below(UDP_SEGMENTS_MAX - 1);
    const packets = Array.from({ length: count }, (_, i) => {
      const last = i === count - 1;
      const size = last ? 1 + dice.below(shape.payload_bytes) : shape.payload_bytes;
      const flags = 0x10 | (i === 0 ? dice.pick([0, 0x80]) : 0) | (last ? dice.pick([0, 8, 1]) : 0);
      return flow.next(size, flags);
    });
    const whole = join(packets);
    const header = randomEthernet(dice);
    const ethernet = () => header;
    for (const completed of [true, false]) {
      const segments = split(whole, completed, header)!;
      const layout = dice.pick(LAYOUTS);
      const merged = merge(segments, { mayBePartial: !completed, layout, ethernet });
      assertEquals(merged.written.map(readWritten), [whole], `run ${run}`);
      followed += merged.followed;
    }
  }
  assert(followed > RUNS, "the short way is taken");
});

Deno.test(`merge, then split: ${RUNS} arrivals come back byte for byte`, () => {
  const dice = random(0x2b02);
  let superPackets = 0;
  for (let run = 0; run < RUNS; run++) {
    const packets = arrivals(dice, 1 + dice.below(80));
    const { written } = merge(packets, { layout: dice.pick(LAYOUTS), flushes: dice });
    const out = written.flatMap((write) => {
      const whole = readWritten(write);
      if (whole.virtio.gsoType === 0) return packetsOf(write);
      superPackets++;
      assertEquals(split(whole, false), packetsOf(write).map(partial));
      return split(whole, true)!;
    });
    assertEquals(byFlow(out), byFlow(packets), `run ${run}`);
  }
  assert(superPackets > RUNS);
});

Deno.test(`the short way for packets received as one changes nothing, ${RUNS} runs`, () => {
  const dice = random(0x2b03);
  let followed = 0;
  for (let run = 0; run < RUNS; run++) {
    const payload_bytes = 1 + dice.below(400);
    const flow = new Flow(dice, {
      ...randomShape(dice, 0, true),
      payload_bytes,
      protocol: "tcp",
    });
    const whole = dice.below(2) === 0;
    const packets = Array.from({ length: 2 + dice.below(60) }, () => {
      const packet = flow.next(payload_bytes, 0x10);
      return whole ? packet : partial(packet);
    });
    // One bit of one header differs: MAC addresses, tags, flags, options, sums, whatever it hits.
    // Payload is looked at where checksums are whole.
    const changed = dice.below(packets.length);
    const headerBytes = packets[0]!.length - (whole && dice.below(2) === 0 ? 0 : payload_bytes);
    const header = randomEthernet(dice);
    const other = [...header];
    if (header.length > 0 && dice.below(2) === 0) {
      other[dice.below(other.length)]! ^= 1 << dice.below(8);
    } else packets[changed]![dice.below(headerBytes)]! ^= 1 << dice.below(8);
    const ethernet = (i: number) => i === changed ? other : header;
    const options = { mayBePartial: !whole || dice.below(2) === 0, ethernet } as const;
    const short = merge(packets, { ...options, layout: "one behind the other" });
    const long = merge(packets, { ...options, layout: "slots" });
    assertEquals(short.written, long.written, `run ${run}`);
    assertEquals(short.ethernet, long.ethernet, `run ${run}`);
    followed += short.followed;
  }
  assert(followed > RUNS);
});
