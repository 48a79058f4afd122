/** Entry of a lane's Worker: wires the real device and socket into the loop. */

/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />

import { LinuxTun } from "../tun/linux.ts";
import { BatchSocket } from "../udp/batch.ts";
import { laneCounters } from "./counters.ts";
import { Fib } from "./fib.ts";
import { Inbound } from "./inbound.ts";
import { runLane } from "./lane.ts";
import type { LaneMessage, LaneSetup } from "./lane_protocol.ts";
import { Outbound } from "./outbound.ts";
import { PollWait } from "./wait.ts";

const say = (message: LaneMessage) => self.postMessage(message);

function run(setup: LaneSetup): void {
  const device = new LinuxTun(setup.device);
  const socket = new BatchSocket(setup.socketFd, setup.ipVersion);
  const counters = laneCounters(setup.counters);
  const now_ms = () => performance.now();
  const outbound = setup.direction === "outbound";
  const direction = outbound ? new Outbound(device, socket, counters, now_ms) : new Inbound(
    device,
    socket,
    counters,
    (datagram) => say({ type: "control", datagram }),
    now_ms,
  );
  say({ type: "running" });
  const reason = runLane({
    lane: setup.lane,
    directions: [direction],
    fib: new Fib(setup.fib),
    wait: new PollWait([outbound ? setup.device.fd : setup.socketFd], setup.eventFd),
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
