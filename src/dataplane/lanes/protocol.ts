/** What the main thread and a lane's Worker say to each other. */

import type { IpVersion } from "../../net/prefix.ts";
import type { OpenTun } from "../../io/device.ts";
import type { WrongPortDatagram } from "../inbound.ts";
import type { SealedEvent, SealingSetup } from "./sealing_setup.ts";
import type { LaneEnd } from "./lane.ts";

/** The two ways of a packet. */
export const LANE_DIRECTIONS = ["outbound", "inbound"] as const;
/** One of LANE_DIRECTIONS. */
export type LaneDirection = typeof LANE_DIRECTIONS[number];

/** Main thread to lane, once. Everything later goes through the shared memory and the eventfd. */
export interface LaneSetup {
  /** Number of the lane, from 0. */
  readonly lane: number;
  /** The ways it moves packets: one, or both in turn. */
  readonly directions: readonly LaneDirection[];
  readonly device: OpenTun;
  /** Index of the device's queue that the outbound direction reads. */
  readonly queue: number;
  readonly socketFd: number;
  readonly eventFd: number;
  /** Whether the kernel cuts a message into datagrams (UDP_SEGMENT). */
  readonly gso: boolean;
  /** IP version of the socket. */
  readonly ipVersion: IpVersion;
  /** The forwarding table. */
  readonly table: SharedArrayBuffer;
  /** This lane's counters of each direction, in the order of LANE_DIRECTIONS. */
  readonly counters: readonly SharedArrayBuffer[];
  /** Where hellos go (forwarding/mailbox.ts). */
  readonly mailbox: SharedArrayBuffer;
  readonly stop: SharedArrayBuffer;
  /**
   * Whether the lane leaves its rights to the main thread, which is about to take root from all
   * threads: libc ends the process if one of them cannot follow.
   */
  readonly keepsRights: boolean;
  /** The switch's table; absent in mode tun. */
  readonly macs?: SharedArrayBuffer | undefined;
  /** Where it shows its packets while somebody looks: a ring (inspect/trace/ring.ts). */
  readonly observer?: SharedArrayBuffer | undefined;
  /** Set when peers have keys. */
  readonly sealing?: SealingSetup | undefined;
}

/** Lane to main thread. */
export type LaneMessage =
  | { readonly type: "running" }
  | { readonly type: "mail" }
  | { readonly type: "wrong_port"; readonly datagram: WrongPortDatagram }
  | { readonly type: "wrong_interface"; readonly peer: number }
  | { readonly type: "sealed"; readonly event: SealedEvent }
  | { readonly type: "ended"; readonly reason: LaneEnd }
  | { readonly type: "failed"; readonly message: string };
