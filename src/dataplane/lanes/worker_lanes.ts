/** Starts and stops the lanes' Workers, and keeps what they share. */

import type { Mode } from "../../wire/mode.ts";
import { RunError } from "../../base/errors.ts";
import { LANES_MAX } from "../../base/limits.ts";
import type { IpVersion } from "../../net/prefix.ts";
import type { OpenTun } from "../../io/device.ts";
import type { ControlSink } from "../inbound.ts";
import type { LaneEnd } from "./lane.ts";
import type { LaneMessage, LaneSetup } from "./protocol.ts";
import { type LaneKeysSetup, Lanes } from "./lanes.ts";
import { type LanePlan, planLanes } from "./plan.ts";

/** Wakes lanes; `poll.ts` has the real one. */
export interface Waker {
  open(): number;
  signal(eventFd: number): void;
  close(eventFd: number): void;
}

/** What the lanes need and report to. */
export interface SupervisorParts {
  readonly workerUrl: () => string;
  readonly socketFd: number;
  /** Whether the kernel cuts a message into datagrams (UDP_SEGMENT). */
  readonly gso: boolean;
  readonly ipVersion: IpVersion;
  /** What the lanes carry: packets, or frames. */
  readonly mode: Mode;
  /** How many lanes to run (plan.ts). */
  readonly lanes: number;
  readonly waker: Waker;
  /** Whether lanes that start now keep their rights (LaneSetup). */
  readonly keepRights: () => boolean;
  /** Makes the ring in which a lane shows its packets (LaneSetup); absent: nobody ever looks. */
  readonly openRing?: (() => SharedArrayBuffer) | undefined;
  /** There are hellos in the mailbox; a datagram came from a peer's wrong port. */
  readonly control: Omit<ControlSink, "mailbox">;
  /** Set when peers have keys. */
  readonly keys?: LaneKeysSetup | undefined;
  /** The lanes ended without having been stopped. */
  readonly onEnd: (reason: LaneEnd | RunError) => void;
}

/** What ends the lanes, and counts the turns of each (see LaneParts.stop). */
const STOP_BYTES = 4 * (1 + LANES_MAX);

/** What a Worker takes at its start (10: its event loop, its module, libc), and some to spare. */
const WORKER_DESCRIPTORS = 16;

interface Lane {
  readonly worker: Worker;
  readonly eventFd: number;
  readonly ended: Promise<void>;
}

/** The lanes of one node, each a Worker. */
export class Supervisor extends Lanes {
  #stop = new SharedArrayBuffer(STOP_BYTES);
  #lanes: Lane[] = [];

  constructor(readonly parts: SupervisorParts) {
    super(parts.mode, parts.keys);
  }

  get laneCount(): number {
    return this.#lanes.length;
  }

  async start(device: OpenTun): Promise<void> {
    const stop = new SharedArrayBuffer(STOP_BYTES);
    this.#stop = stop;
    const plans = planLanes(this.parts.lanes, device.queues.length);
    this.#checkRoom(plans.length);
    const running = plans.map((plan, lane) =>
      new Promise<void>((resolve, reject) => {
        this.#lanes.push(this.#startLane(plan, lane, device, stop, resolve, reject));
      })
    );
    await Promise.all(running);
  }

  async stop(): Promise<void> {
    Atomics.store(new Int32Array(this.#stop), 0, 1);
    const lanes = this.#lanes;
    this.#lanes = [];
    for (const { eventFd } of lanes) this.parts.waker.signal(eventFd);
    await Promise.all(lanes.map(({ ended }) => ended));
    for (const { eventFd } of lanes) this.parts.waker.close(eventFd);
  }

  wake(): void {
    for (const { eventFd } of this.#lanes) this.parts.waker.signal(eventFd);
  }

  turns(): readonly number[] {
    const cells = new Int32Array(this.#stop);
    return this.#lanes.map((_, lane) => Atomics.load(cells, 1 + lane));
  }

  /**
   * Throws a SyscallError where there are too few descriptors for that many Workers: Deno ends the
   * whole process when one of its threads finds none.
   */
  #checkRoom(workers: number): void {
    const { waker } = this.parts;
    const taken: number[] = [];
    try {
      while (taken.length < workers * WORKER_DESCRIPTORS) taken.push(waker.open());
    } finally {
      for (const fd of taken) waker.close(fd);
    }
  }

  #startLane(
    { directions, queue }: LanePlan,
    lane: number,
    device: OpenTun,
    stop: SharedArrayBuffer,
    onRunning: () => void,
    onFailed: (error: RunError) => void,
  ): Lane {
    const { parts } = this;
    const eventFd = parts.waker.open();
    const name = directions.join("+");
    const worker = new Worker(parts.workerUrl(), { type: "module", name });
    const stopped = () => Atomics.load(new Int32Array(stop), 0) !== 0;
    const ended = new Promise<void>((resolve) => {
      const end = (reason: LaneEnd | RunError) => {
        worker.terminate();
        resolve();
        if (stopped()) return;
        if (reason instanceof RunError) onFailed(reason);
        parts.onEnd(reason);
      };
      worker.onmessage = ({ data }: MessageEvent<LaneMessage>) => {
        switch (data.type) {
          case "running":
            return onRunning();
          case "mail":
            return parts.control.onMail();
          case "wrong_port":
            return parts.control.onWrongPort(data.datagram);
          case "wrong_interface":
            return parts.control.onWrongInterface(data.peer);
          case "sealed":
            return parts.keys?.onSealed(data.event);
          case "ended":
            return end(data.reason);
          case "failed":
            return end(new RunError({ what: `the ${name} lane failed`, why: data.message }));
        }
      };
      worker.onerror = (event) => {
        event.preventDefault();
        end(new RunError({ what: `the ${name} lane failed`, why: event.message }));
      };
    });
    const setup: LaneSetup = {
      lane,
      directions,
      device,
      queue,
      socketFd: parts.socketFd,
      eventFd,
      gso: parts.gso,
      ipVersion: parts.ipVersion,
      table: this.table.memory,
      counters: this.countersOfLane(lane),
      mailbox: this.mailbox.memory,
      stop,
      keepsRights: parts.keepRights(),
      macs: this.macs?.memory,
      observer: parts.openRing?.(),
      sealing: this.sealingOfLane(lane),
    };
    worker.postMessage(setup);
    return { worker, eventFd, ended };
  }
}
