/** A lane's Worker: wires the real device and socket into the loop. */

/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />

import { dropPrivileges } from "../host/privileges.ts";
import { RingWriter } from "../inspect/trace/ring.ts";
import { LinuxTun } from "../io/tun_linux.ts";
import { BatchSocket } from "../io/udp_batch.ts";
import { MacTable } from "../forwarding/macs.ts";
import { WallClock } from "../io/clock.ts";
import { Mailbox } from "../forwarding/mailbox.ts";
import { laneCounters } from "../forwarding/counters.ts";
import { makeInbound, makeOutbound } from "../dataplane/directions.ts";
import { LaneTable } from "../forwarding/lane_table.ts";
import type { LaneRecord } from "../dataplane/observer.ts";
import type { ControlSink } from "../dataplane/inbound.ts";
import { runLane } from "../dataplane/lanes/lane.ts";
import { LANE_DIRECTIONS, type LaneMessage, type LaneSetup } from "../dataplane/lanes/protocol.ts";
import { PollWait } from "../io/poll.ts";
import { openSealing } from "./open_sealing.ts";

const say = (message: LaneMessage) => self.postMessage(message);

function run(setup: LaneSetup): void {
  const device = new LinuxTun(setup.device, setup.queue);
  const socket = new BatchSocket(setup.socketFd, setup.ipVersion, setup.gso);
  const macs = setup.macs && new MacTable(setup.macs);
  const sealing = setup.sealing &&
    openSealing(
      setup.sealing,
      setup.lane,
      macs ? "tap" : "tun",
      (event) => say({ type: "sealed", event }),
    );
  const parts = { device, socket, macs, now_ms: () => performance.now(), sealing };
  const control: ControlSink = {
    mailbox: new Mailbox(setup.mailbox),
    onMail: () => say({ type: "mail" }),
    onWrongPort: (datagram) => say({ type: "wrong_port", datagram }),
    onWrongInterface: (peer) => say({ type: "wrong_interface", peer }),
  };
  const ring = setup.observer && new RingWriter(setup.observer, new WallClock());
  const records: LaneRecord[] = setup.directions.map((name) => ({
    ...laneCounters(setup.counters[LANE_DIRECTIONS.indexOf(name)]!),
    observer: undefined,
  }));
  const directions = setup.directions.map((name, i) =>
    name === "outbound"
      ? makeOutbound(parts, records[i]!)
      : makeInbound(parts, records[i]!, control)
  );
  const sources = setup.directions.map((name) => name === "outbound" ? device.fd : setup.socketFd);
  // It reads what comes from anywhere, and all it does from now on is read and write.
  if (!setup.keepsRights) dropPrivileges([]);
  say({ type: "running" });
  const reason = runLane({
    directions,
    table: new LaneTable(setup.table, setup.lane),
    onTable: () => {
      for (const record of records) record.observer = ring?.wanted ? ring : undefined;
    },
    wait: new PollWait(sources, setup.eventFd),
    stop: new Int32Array(setup.stop),
    sealing,
  });
  say({ type: "ended", reason });
}

/** Runs the lane that the first message describes; the Worker ends with it. */
export function serveLane(): void {
  self.onmessage = ({ data }: MessageEvent<LaneSetup>) => {
    try {
      run(data);
    } catch (error) {
      say({ type: "failed", message: error instanceof Error ? error.message : String(error) });
    }
    self.close();
  };
}
