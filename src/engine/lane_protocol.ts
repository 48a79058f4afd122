/** What the main thread and a lane's Worker say to each other. */

import type { IpVersion } from "../net/prefix.ts";
import type { OpenTun } from "../tun/device.ts";
import type { ControlDatagram } from "./inbound.ts";
import type { LaneEnd } from "./lane.ts";

/** Main thread to lane, once. Everything later goes through the shared memory and the eventfd. */
export interface LaneSetup {
  /** Number of the lane, from 0. */
  readonly lane: number;
  readonly direction: "outbound" | "inbound";
  readonly device: OpenTun;
  readonly socketFd: number;
  readonly eventFd: number;
  /** IP version of the socket. */
  readonly ipVersion: IpVersion;
  readonly fib: SharedArrayBuffer;
  readonly counters: SharedArrayBuffer;
  readonly stop: SharedArrayBuffer;
}

/** Lane to main thread. */
export type LaneMessage =
  | { readonly type: "running" }
  | { readonly type: "control"; readonly datagram: ControlDatagram }
  | { readonly type: "ended"; readonly reason: LaneEnd }
  | { readonly type: "failed"; readonly message: string };
