import { assertEquals } from "../assert.ts";
import { FakeDevice } from "../fakes/device.ts";
import { publishedFib } from "../fakes/fib.ts";
import { ipv4 } from "../fakes/packets.ts";
import { FakeSocket } from "../fakes/socket.ts";
import {
  COUNTER,
  type CounterName,
  LANE_COUNTERS_BYTES,
  laneCounters,
} from "../../src/engine/counters.ts";
import { Inbound } from "../../src/engine/inbound.ts";
import { runLane } from "../../src/engine/lane.ts";
import { Outbound } from "../../src/engine/outbound.ts";
import { WRITE, type WriteResult } from "../../src/tun/device.ts";
import type { LaneCounters } from "../../src/engine/counters.ts";

const PACKETS = 1_000;
const OUT = ipv4("172.1.0.2", "172.2.0.2");
const BACK = ipv4("172.2.0.2", "172.1.0.2");

/** A socket whose queue is full: what is sent is dropped, as batch.ts does after its one wait. */
class FullSocket extends FakeSocket {
  override flush({ totals }: LaneCounters): void {
    const before = this.sent.length;
    super.flush(laneCounters(new SharedArrayBuffer(LANE_COUNTERS_BYTES)));
    totals[COUNTER.send_queue_full]! += this.sent.length - before;
    this.sent.length = before;
  }
}

/** Runs a lane of both directions until there is nothing to do. */
function run(device: FakeDevice, socket: FakeSocket) {
  const counters = {
    outbound: laneCounters(new SharedArrayBuffer(LANE_COUNTERS_BYTES)),
    inbound: laneCounters(new SharedArrayBuffer(LANE_COUNTERS_BYTES)),
  };
  device.waiting = Array.from({ length: PACKETS }, () => OUT);
  socket.waiting = Array.from({ length: PACKETS }, () => ({ peer: 0, bytes: BACK }));
  const stop = new Int32Array(2);
  const end = runLane({
    lane: 0,
    directions: [
      new Outbound(device, socket, counters.outbound, () => 0),
      new Inbound(device, socket, counters.inbound, () => {}, () => 0),
    ],
    fib: publishedFib([{ address: "192.168.0.7", subnets: ["172.2.0.0/16"] }]),
    wait: {
      sleep: () => {
        stop[0] = 1;
        return true;
      },
    },
    stop,
  });
  const count = (direction: "outbound" | "inbound", name: CounterName) =>
    counters[direction].totals[COUNTER[name]]!;
  return { end, count };
}

Deno.test("lane: a device that takes nothing does not hold up the way out", () => {
  for (
    const [result, name] of [["rejected", "device_rejected"], ["down", "device_down"]] as const
  ) {
    const device = new FakeDevice();
    device.result = WRITE[result] satisfies WriteResult;
    const { end, count } = run(device, new FakeSocket());
    assertEquals(end, "stopped");
    assertEquals(count("outbound", "packets"), PACKETS);
    assertEquals(count("inbound", name), PACKETS);
  }
});

Deno.test("lane: a socket that sends nothing does not hold up the way in", () => {
  const device = new FakeDevice();
  const { end, count } = run(device, new FullSocket());
  assertEquals(end, "stopped");
  assertEquals(count("outbound", "send_queue_full"), PACKETS);
  assertEquals([count("inbound", "packets"), device.written.length], [PACKETS, PACKETS]);
});
