/** The two directions of a lane: of packets, or of frames where there is a switch (mode tap). */

import type { MacTable } from "../forwarding/macs.ts";
import type { PacketDevice } from "../io/device.ts";
import type { PacketSocket } from "../io/socket.ts";
import type { LaneRecord } from "./observer.ts";
import { FrameGate } from "./admit_frame.ts";
import { FrameOutbound } from "./tap_outbound.ts";
import { Inbound, type OnControl } from "./inbound.ts";
import type { Direction } from "./lanes/lane.ts";
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
  counters: LaneRecord,
): Direction {
  return macs
    ? new FrameOutbound(device, socket, counters, macs, now_ms)
    : new Outbound(device, socket, counters, now_ms);
}

/** The way in. */
export function makeInbound(
  { device, socket, macs, now_ms }: DirectionParts,
  counters: LaneRecord,
  onControl: OnControl,
): Direction {
  const gate = macs && new FrameGate(macs, counters, now_ms);
  return new Inbound(device, socket, counters, onControl, now_ms, gate);
}
