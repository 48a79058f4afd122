/** The two directions of a lane: of packets, or of frames where there is a switch (mode tap). */

import type { MacTable } from "../switch/mac_table.ts";
import type { PacketDevice } from "../tun/device.ts";
import type { PacketSocket } from "../udp/socket.ts";
import type { LaneCounters } from "./counters.ts";
import { FrameGate } from "./frame_gate.ts";
import { FrameOutbound } from "./frame_outbound.ts";
import { Inbound, type OnControl } from "./inbound.ts";
import type { Direction } from "./lane.ts";
import { Outbound } from "./outbound.ts";

/** What both directions are made of. */
export interface DirectionParts {
  readonly device: PacketDevice;
  readonly socket: PacketSocket;
  /** The switch's table; absent in mode tun. */
  readonly macs?: MacTable | undefined;
  readonly now_ms: () => number;
}

/** The way out. */
export function makeOutbound(
  { device, socket, macs, now_ms }: DirectionParts,
  counters: LaneCounters,
): Direction {
  return macs
    ? new FrameOutbound(device, socket, counters, macs, now_ms)
    : new Outbound(device, socket, counters, now_ms);
}

/** The way in. */
export function makeInbound(
  { device, socket, macs, now_ms }: DirectionParts,
  counters: LaneCounters,
  onControl: OnControl,
): Direction {
  const gate = macs && new FrameGate(macs, counters, now_ms);
  return new Inbound(device, socket, counters, onControl, now_ms, gate);
}
