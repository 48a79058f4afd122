/** What every engine is: lanes that follow a table and count what they do. */

import type { Mode } from "../../wire/mode.ts";
import { MAC_TABLE_BYTES, MacTable } from "../../forwarding/macs.ts";
import type { OpenTun } from "../../io/device.ts";
import {
  COUNTER,
  type CounterName,
  COUNTERS,
  LANE_COUNTERS_BYTES,
  type LaneCounters,
  laneCounters,
} from "../../forwarding/counters.ts";
import { Mailbox } from "../../forwarding/mailbox.ts";
import {
  LANE_ACTIVITY_BYTES,
  type LaneActivity,
  laneActivity,
} from "../../forwarding/session_activity.ts";
import { Sessions } from "../../forwarding/sessions.ts";
import { ForwardingTable } from "../../forwarding/table.ts";
import { LANE_DIRECTIONS, type LaneDirection } from "./protocol.ts";
import type { SealedEvent, SealingSetup } from "./sealing_setup.ts";

/** What lanes need where peers have keys. */
export interface LaneKeysSetup extends Pick<SealingSetup, "mac1Key" | "libcrypto"> {
  readonly onSealed: (event: SealedEvent) => void;
}

/** The lanes of one node; `worker_lanes.ts` is `batch`, `main_thread_lanes.ts` is `datagram`. */
export abstract class Lanes {
  /** The table that the lanes follow. */
  readonly table: ForwardingTable = new ForwardingTable();
  /** Where the lanes put hellos. */
  readonly mailbox: Mailbox = new Mailbox();
  /** Memory of each lane's counters: one for each direction, in the order of LANE_DIRECTIONS. */
  readonly #counters: (readonly SharedArrayBuffer[])[] = [];
  /** The same for what never comes to a lane: the main thread writes it. */
  readonly #carried = LANE_DIRECTIONS.map(() => new ArrayBuffer(LANE_COUNTERS_BYTES));

  /** The switch's table; undefined in mode tun. */
  readonly macs: MacTable | undefined;

  /** The sessions that the lanes seal and open by; undefined where no peer has a key. */
  readonly sessions: Sessions | undefined;
  readonly #activity: SharedArrayBuffer[] = [];

  constructor(readonly mode: Mode, readonly keys?: LaneKeysSetup) {
    if (keys) this.sessions = new Sessions();
    if (mode !== "tap") return;
    this.macs = new MacTable(new SharedArrayBuffer(MAC_TABLE_BYTES));
    this.macs.reset(crypto.getRandomValues(new Int32Array(1))[0]!);
  }

  /** Number of lanes that follow the table. */
  abstract get laneCount(): number;

  /** Starts all lanes on a device; resolves when every one is about to enter its loop. */
  abstract start(device: OpenTun): Promise<void>;

  /** Ends all lanes and waits for it. The device may be closed afterwards. */
  abstract stop(): Promise<void>;

  /** Makes the lanes look at the table that was published. */
  abstract wake(): void;

  /** Has them look whether anybody wants to see their packets. */
  lookAgain(): void {
    this.table.touch();
    this.wake();
  }

  /** How many turns each running lane has made, modulo 2^32: none while the device is away. */
  abstract turns(): readonly number[];

  /** Memory of a lane's counters; they go on counting when the lane is started again. */
  protected countersOfLane(lane: number): readonly SharedArrayBuffer[] {
    return this.#counters[lane] ??= LANE_DIRECTIONS.map(() =>
      new SharedArrayBuffer(LANE_COUNTERS_BYTES)
    );
  }

  /**
   * What a lane, or the main thread as MAIN_LANE, seals and opens by; its times of sending and
   * receiving go on as its counters do. Undefined where no peer has a key.
   */
  sealingOfLane(lane: number): SealingSetup | undefined {
    if (!this.keys || !this.sessions) return undefined;
    const { mac1Key, libcrypto } = this.keys;
    const activity = this.#activity[lane] ??= new SharedArrayBuffer(LANE_ACTIVITY_BYTES);
    return { sessions: this.sessions.memory, activity, mac1Key, libcrypto };
  }

  /** When each lane and the main thread have sent and received by sessions. */
  get activity(): readonly LaneActivity[] {
    return this.#activity.filter((memory) => memory !== undefined).map(laneActivity);
  }

  /** The counters of one direction now, all lanes together. */
  countersOf(direction: LaneDirection): LaneCounters {
    const sum = laneCounters(new ArrayBuffer(LANE_COUNTERS_BYTES));
    // Tens of thousands of numbers, every second: a loop takes a tenth of what forEach does.
    const add = (to: Float64Array, from: Float64Array) => {
      for (let i = 0; i < from.length; i++) to[i]! += from[i]!;
    };
    for (const lane of this.#live(direction)) {
      add(sum.totals, lane.totals);
      add(sum.peerPackets, lane.peerPackets);
      add(sum.peerBytes, lane.peerBytes);
      add(sum.peerDrops, lane.peerDrops);
    }
    return sum;
  }

  #live(direction: LaneDirection): readonly LaneCounters[] {
    const index = LANE_DIRECTIONS.indexOf(direction);
    return [...this.#counters, this.#carried].map((memory) => laneCounters(memory[index]!));
  }

  /** Totals of one direction by name. */
  totals(direction: LaneDirection): Record<CounterName, number> {
    const { totals } = this.countersOf(direction);
    return Object.fromEntries(COUNTERS.map((name, i) => [name, totals[i]!])) as Record<
      CounterName,
      number
    >;
  }

  /** Adds to a counter what only the kernel sees. */
  countForKernel(direction: LaneDirection, counter: CounterName, count: number): void {
    this.#kernel(direction).totals[COUNTER[counter]]! += count;
  }

  /** Adds what the kernel path has carried to or from a peer. */
  countCarried(
    direction: LaneDirection,
    peer: number,
    { packets, bytes }: { readonly packets: number; readonly bytes: number },
  ): void {
    const { totals, peerPackets, peerBytes } = this.#kernel(direction);
    totals[COUNTER.packets]! += packets;
    totals[COUNTER.bytes]! += bytes;
    peerPackets[peer]! += packets;
    peerBytes[peer]! += bytes;
  }

  #kernel(direction: LaneDirection): LaneCounters {
    return laneCounters(this.#carried[LANE_DIRECTIONS.indexOf(direction)]!);
  }

  /**
   * Starts a peer's counters from 0, and forgets the stations behind it. Only
   * while no lane knows the peer: lanes count without locks.
   */
  clearPeer(peer: number): void {
    for (const direction of LANE_DIRECTIONS) {
      for (const { peerPackets, peerBytes, peerDrops } of this.#live(direction)) {
        peerPackets[peer] = 0;
        peerBytes[peer] = 0;
        peerDrops[peer] = 0;
      }
    }
    this.macs?.forgetPeer(peer);
  }
}
