import { FakeControl } from "../fakes/control.ts";
import { assert, assertEquals } from "../assert.ts";
import { FakeDevice } from "../fakes/device.ts";
import { acquired, publishedTable } from "../fakes/table.ts";
import { slowChecksum } from "../fakes/packets.ts";
import { FakeSocket } from "../fakes/socket.ts";
import { random } from "../fuzz/random.ts";
import type { Burst } from "../../src/io/arena.ts";
import { LANE_COUNTERS_BYTES, laneCounters } from "../../src/forwarding/counters.ts";
import { Transmit } from "../../src/dataplane/transmit.ts";
import { PacketAdmission } from "../../src/dataplane/admit.ts";
import { Inbound } from "../../src/dataplane/inbound.ts";
import { foldChecksum, sum16 } from "../../src/net/checksum.ts";
import { isSimd, plainArena, SIMD_TURN_BYTES, simdArena, simdSum } from "../../src/net/simd.ts";

/** The arenas of a lane, egress and ingress, made as a lane makes them: the first of this thread. */
function laneBursts(): readonly [Burst, Burst] {
  const counters = laneCounters(new SharedArrayBuffer(LANE_COUNTERS_BYTES));
  let received: Burst | undefined;
  const socket = new class extends FakeSocket {
    override receive(burst: Burst): number {
      received = burst;
      return super.receive(burst);
    }
  }();
  const { burst } = new Transmit(socket, counters, undefined, () => 0);
  const inbound = new Inbound(
    new FakeDevice(),
    socket,
    counters,
    new PacketAdmission(),
    new FakeControl(),
    () => 0,
  );
  inbound.useTable(acquired(publishedTable([{ address: "192.0.2.1", subnets: ["172.2.0.0/16"] }])));
  inbound.turn();
  return [burst, received!];
}

const [OUT, IN] = laneBursts();

Deno.test("simd: the arenas of a lane fit, what comes later is in plain memory", () => {
  assertEquals([OUT, IN].map(({ view }) => isSimd(view)), [true, true]);
  assert(OUT.extraOffset < IN.offset(0), "they overlap");
  assertEquals([OUT.offset(0) % 16, IN.offset(0) % 16], [0, 0]);
  const later = simdArena(8 * 1024 * 1024);
  assertEquals([isSimd(later.view), later.start], [false, 0]);
  assert(!isSimd(plainArena(64).view));
});

Deno.test("simd: ranges of every length and alignment, against the slow and obvious way", () => {
  const { view, bytes } = IN;
  const dice = random(0x51d);
  for (let length = 0; length < 400; length++) {
    const offset = IN.offset(1) + dice.below(40);
    // Its neighbours must not count.
    bytes.fill(0xa5, offset - 64, offset + length + 64);
    bytes.set(dice.bytes(length), offset);
    const expected = slowChecksum([...bytes.subarray(offset, offset + length)]);
    assertEquals(foldChecksum(sum16(view, offset, length)), expected, `${offset} ${length}`);
  }
});

Deno.test("simd: all ones, up to twice what a checksum is asked for", () => {
  const { view, bytes } = IN;
  const at = IN.offset(0);
  bytes.fill(0xff, at, at + 524_288);
  for (const length of [64, 65_535, 65_536, 262_144]) {
    assertEquals(foldChecksum(sum16(view, at, length)), length % 2 === 0 ? 0 : 0x00ff);
  }
  for (const length of [SIMD_TURN_BYTES, 524_288]) {
    const sum = simdSum(at, at + length);
    assertEquals([sum % 65_535, sum < 2 ** 20], [0, true]);
  }
});
