import { FakeControl } from "../../fakes/control.ts";
import { assertEquals } from "../../assert.ts";
import { FakeDevice } from "../../fakes/device.ts";
import { acquired, publishedTable } from "../../fakes/table.ts";
import { ipv4 } from "../../fakes/packets.ts";
import { FakeSocket } from "../../fakes/socket.ts";
import {
  COUNTER,
  type CounterName,
  LANE_COUNTERS_BYTES,
  laneCounters,
} from "../../../src/forwarding/counters.ts";
import { PacketAdmission } from "../../../src/dataplane/admit.ts";
import { Inbound } from "../../../src/dataplane/inbound.ts";
import { LaneTable } from "../../../src/forwarding/lane_table.ts";
import { type Direction, runLane } from "../../../src/dataplane/lanes/lane.ts";
import { type Wait, WAIT_BROKEN } from "../../../src/io/wait.ts";
import { PacketLookup } from "../../../src/dataplane/lookup.ts";
import { OUTCOME } from "../../../src/io/send_results.ts";
import { Outbound } from "../../../src/dataplane/outbound.ts";
import { DEVICE_GONE, WRITE, type WriteResult } from "../../../src/io/device.ts";

const PACKETS = 1_000;
const OUT = ipv4("172.1.0.2", "172.2.0.2");
const BACK = ipv4("172.2.0.2", "172.1.0.2");

const TABLE = publishedTable(
  [{ address: "192.168.0.7", subnets: ["172.2.0.0/16"] }],
  ["172.1.0.0/16"],
);

/** The table of a lane that has not looked at it yet. */
const laneTable = () => new LaneTable(TABLE.memory, 0);

/** Runs a lane of both directions until there is nothing to do. */
function run(device: FakeDevice, socket: FakeSocket) {
  const counters = {
    outbound: laneCounters(new SharedArrayBuffer(LANE_COUNTERS_BYTES)),
    inbound: laneCounters(new SharedArrayBuffer(LANE_COUNTERS_BYTES)),
  };
  socket.table = acquired(TABLE);
  device.waiting = Array.from({ length: PACKETS }, () => OUT);
  socket.waiting = Array.from({ length: PACKETS }, () => ({ peer: 0, bytes: BACK }));
  const stop = new Int32Array(2);
  const end = runLane({
    directions: [
      new Outbound(device, socket, counters.outbound, new PacketLookup(), () => 0),
      new Inbound(
        device,
        socket,
        counters.inbound,
        new PacketAdmission(),
        new FakeControl(),
        () => 0,
      ),
    ],
    table: laneTable(),
    wait: {
      poll: () => {
        const ready = (device.waiting.length > 0 ? 1 : 0) | (socket.waiting.length > 0 ? 2 : 0);
        if (ready === 0) stop[0] = 1;
        return ready;
      },
    },
    stop,
  });
  const count = (direction: "outbound" | "inbound", name: CounterName) =>
    counters[direction].totals[COUNTER[name]]!;
  return { end, count };
}

Deno.test("lane: a device that takes nothing does not hold up outbound", () => {
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

Deno.test("lane: a socket that sends nothing does not hold up inbound", () => {
  const device = new FakeDevice();
  const socket = new FakeSocket();
  socket.outcome = OUTCOME.queueFull;
  const { end, count } = run(device, socket);
  assertEquals(end, "stopped");
  assertEquals(count("outbound", "send_queue_full"), PACKETS);
  assertEquals([count("inbound", "packets"), device.written.length], [PACKETS, PACKETS]);
});

/** Runs a lane on a script: what each direction's turns return, and what the waits find. */
function runScript(turns: readonly (readonly number[])[], waits: readonly number[]) {
  const said: string[] = [];
  const stop = new Int32Array(2);
  const left = turns.map((counts) => [...counts]);
  const directions = left.map((counts, i): Direction => ({
    useTable: () => void said.push(`table ${i}`),
    turn: () => {
      said.push(`turn ${i}`);
      return counts.shift() ?? 0;
    },
  }));
  const found = [...waits];
  const wait: Wait = {
    poll() {
      said.push("sleep");
      const ready = found.shift();
      if (ready === undefined) Atomics.store(stop, 0, 1);
      return ready ?? 0;
    },
  };
  const end = runLane({ directions, table: laneTable(), wait, stop });
  return { end, said: said.filter((word) => !word.startsWith("table")), turns: stop[1] };
}

Deno.test("lane: looks everywhere at first, then only where something waits", () => {
  const { end, said, turns } = runScript([[0], [0, 2, 0, 1]], [0b10, 0b01, 0b11, 0]);
  assertEquals(end, "stopped");
  assertEquals(
    said.join(" "),
    "turn 0 turn 1 sleep turn 1 sleep turn 0 sleep turn 0 turn 1 sleep sleep",
  );
  assertEquals(turns, 5);
});

Deno.test("lane: what one direction moved may be answered to the next, which looks at once", () => {
  const { said } = runScript([[0, 3, 64], [0, 1]], [0b01, 0b01, 0b10]);
  assertEquals(
    said.join(" "),
    "turn 0 turn 1 sleep turn 0 turn 1 sleep turn 0 turn 1 sleep turn 1 sleep",
  );
});

Deno.test("lane: ends with its device, seen by a turn or by the wait", () => {
  assertEquals(runScript([[0, DEVICE_GONE]], [0b01]).end, "device_gone");
  assertEquals(runScript([[0]], [WAIT_BROKEN]).end, "device_gone");
});
