/** What lanes have sent and received becomes events, in the order of time. */

import { assertEquals } from "../assert.ts";
import {
  ActivityReader,
  LANE_ACTIVITY_BYTES,
  laneActivity,
} from "../../src/forwarding/session_activity.ts";

function setUp(lanes = 2) {
  const cells = Array.from(
    { length: lanes },
    () => laneActivity(new SharedArrayBuffer(LANE_ACTIVITY_BYTES)),
  );
  const reader = new ActivityReader(cells);
  const poll = () => {
    const events: string[] = [];
    reader.poll(10, {
      sent: (peer, at_ms) => events.push(`${peer} sent ${at_ms}`),
      received: (peer, at_ms, data, index) =>
        events.push(`${peer} ${data ? "data" : "keepalive"} ${at_ms} by ${index}`),
    });
    return events;
  };
  const receive = (lane: number, peer: number, at_ms: number, data: boolean, index: number) => {
    cells[lane]!.received_ms[peer] = at_ms;
    if (data) cells[lane]!.dataReceived_ms[peer] = at_ms;
    cells[lane]!.receivedBy[peer] = index | 0;
  };
  return { cells, reader, poll, receive };
}

Deno.test("activity: nothing, then each event once", () => {
  const { cells, poll, receive } = setUp();
  assertEquals(poll(), []);
  cells[0]!.sent_ms[3] = 100;
  assertEquals(poll(), ["3 sent 100"]);
  assertEquals(poll(), []);
  receive(1, 3, 200, true, 0xffff_fff0);
  assertEquals(poll(), [`3 data 200 by ${0xffff_fff0}`]);
  receive(1, 3, 300, false, 7);
  assertEquals(poll(), ["3 keepalive 300 by 7"]);
  assertEquals(poll(), []);
});

Deno.test("activity: in the order of time, sent first where that is the same", () => {
  for (
    const [sent_ms, data_ms, wanted] of [
      [10, 20, ["0 sent 10", "0 data 20 by 1"]],
      [20, 10, ["0 data 10 by 1", "0 sent 20"]],
      [20, 20, ["0 sent 20", "0 data 20 by 1"]],
    ] as const
  ) {
    const { cells, poll, receive } = setUp();
    cells[0]!.sent_ms[0] = sent_ms;
    receive(0, 0, data_ms, true, 1);
    assertEquals(poll(), [...wanted]);
  }
});

Deno.test("activity: the latest of all lanes", () => {
  const { cells, poll, receive } = setUp(3);
  cells[0]!.sent_ms[1] = 50;
  cells[2]!.sent_ms[1] = 40;
  receive(1, 1, 60, true, 5);
  receive(2, 1, 55, true, 4);
  assertEquals(poll(), ["1 sent 50", "1 data 60 by 5"]);
  cells[2]!.sent_ms[1] = 45;
  assertEquals(poll(), [], "older than what was told");
});

Deno.test("activity: a number that is somebody else's now", () => {
  const { cells, reader, poll } = setUp();
  cells[0]!.sent_ms[2] = 100;
  reader.forget(2, 150);
  assertEquals(poll(), []);
  cells[0]!.sent_ms[2] = 160;
  assertEquals(poll(), ["2 sent 160"]);
});
