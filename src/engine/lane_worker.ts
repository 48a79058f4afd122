/** Entry of a lane's Worker: wires the real device and socket into the loop. */

/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />

import { dropPrivileges } from "../service/privileges.ts";
import { RingWriter } from "../trace/ring.ts";
import { LinuxTun } from "../tun/linux.ts";
import { BatchSocket } from "../udp/batch.ts";
import { MacTable } from "../switch/mac_table.ts";
import { WallClock } from "./clock.ts";
import { laneCounters } from "./counters.ts";
import { makeInbound, makeOutbound } from "./directions.ts";
import { Fib } from "./fib.ts";
import type { ControlDatagram } from "./inbound.ts";
import { runLane } from "./lane.ts";
import { LANE_DIRECTIONS, type LaneMessage, type LaneSetup } from "./lane_protocol.ts";
import { PollWait } from "./wait.ts";

const say = (message: LaneMessage) => self.postMessage(message);

function run(setup: LaneSetup): void {
  const device = new LinuxTun(setup.device, setup.queue);
  const socket = new BatchSocket(setup.socketFd, setup.ipVersion, setup.gso);
  const macs = setup.macs && new MacTable(setup.macs);
  const parts = { device, socket, macs, now_ms: () => performance.now() };
  const onControl = (datagram: ControlDatagram) => say({ type: "control", datagram });
  const { observer } = setup;
  const ring = observer && new RingWriter(observer.memory, observer.snap_bytes, new WallClock());
  const directions = setup.directions.map((name) => {
    const counters = laneCounters(setup.counters[LANE_DIRECTIONS.indexOf(name)]!, ring);
    return name === "outbound"
      ? makeOutbound(parts, counters)
      : makeInbound(parts, counters, onControl);
  });
  const sources = setup.directions.map((name) => name === "outbound" ? device.fd : setup.socketFd);
  // It reads what comes from anywhere, and all it does from now on is read and write.
  dropPrivileges([]);
  say({ type: "running" });
  const reason = runLane({
    lane: setup.lane,
    directions,
    fib: new Fib(setup.fib),
    wait: new PollWait(sources, setup.eventFd),
    stop: new Int32Array(setup.stop),
  });
  say({ type: "ended", reason });
}

self.onmessage = ({ data }: MessageEvent<LaneSetup>) => {
  try {
    run(data);
  } catch (error) {
    say({ type: "failed", message: error instanceof Error ? error.message : String(error) });
  }
  self.close();
};
