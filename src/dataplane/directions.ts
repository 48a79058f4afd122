/** The two directions of a lane: of packets, or of frames where there is a switch (mode tap). */

import type { MacTable } from "../forwarding/macs.ts";
import type { PacketDevice } from "../io/device.ts";
import type { PacketSocket } from "../io/socket.ts";
import type { LaneRecord } from "./observer.ts";
import { FrameAdmission, FrameLookup } from "./tap.ts";
import { PacketAdmission } from "./admit.ts";
import { PacketLookup } from "./lookup.ts";
import { type ControlSink, Inbound } from "./inbound.ts";
import type { Direction } from "./lanes/lane.ts";
import { Outbound } from "./outbound.ts";
import type { LaneSealing } from "./sealing.ts";

/** What both directions are made of. */
export interface DirectionParts {
  readonly device: PacketDevice;
  readonly socket: PacketSocket;
  /** The switch's table; absent in mode tun. */
  readonly macs?: MacTable | undefined;
  readonly now_ms: () => number;
  /** Absent where no peer has a key. */
  readonly sealing?: LaneSealing | undefined;
}

/** From the device to the peers. */
export function makeOutbound(
  { device, socket, macs, now_ms, sealing }: DirectionParts,
  counters: LaneRecord,
): Direction {
  const lookup = macs ? new FrameLookup(macs, counters, now_ms) : new PacketLookup();
  return new Outbound(device, socket, counters, lookup, now_ms, sealing);
}

/** From the peers to the device. */
export function makeInbound(
  { device, socket, macs, now_ms, sealing }: DirectionParts,
  counters: LaneRecord,
  control: ControlSink,
): Direction {
  const admission = macs ? new FrameAdmission(macs, counters, now_ms) : new PacketAdmission();
  return new Inbound(device, socket, counters, admission, control, now_ms, sealing);
}
