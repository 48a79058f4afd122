/**
 * The engine `datagram`: one lane on the main thread that uses Deno's own
 * receive() and send(), and reads and writes the device packet by packet. For a
 * host where the fast lanes do not work, and to tell their faults from others.
 */

import { RunError } from "../../base/errors.ts";
import { UDP_PAYLOAD_MAX_BYTES } from "../../base/limits.ts";
import { DEVICE_GONE, type OpenTun, type PacketDevice } from "../../io/device.ts";
import { type Connection, type DatagramPaths, DatagramSocket } from "../../io/udp_deno.ts";
import { laneCounters } from "../../forwarding/counters.ts";
import { LaneTable } from "../../forwarding/lane_table.ts";
import type { Mode } from "../../wire/mode.ts";
import { makeInbound, makeOutbound } from "../directions.ts";
import type { ControlSink } from "../inbound.ts";
import type { Direction, LaneEnd } from "./lane.ts";
import type { LaneRecord, Observer } from "../observer.ts";
import { type LaneKeysSetup, Lanes } from "./lanes.ts";
import type { LaneSealing } from "../sealing.ts";
import type { SealingSetup } from "./sealing_setup.ts";

/** Sleeps until the device has something to read; `poll_async.ts` has the real one. */
export interface AsyncWait {
  /** Resolves when there is something to read, or after `wake`. False: the device is gone. */
  sleep(): Promise<boolean>;
  /** Ends this sleep and every later one at once. */
  wake(): void;
  close(): void;
}

/** What the lane needs and reports to. */
export interface DatagramParts {
  readonly connection: Connection;
  readonly paths: DatagramPaths;
  /** What the lane carries: packets (if left out), or frames. */
  readonly mode?: Mode;
  readonly openDevice: (device: OpenTun) => PacketDevice;
  readonly openWait: (fd: number) => AsyncWait;
  /** Makes who is shown the lane's packets while it is wanted; absent: nobody ever looks. */
  readonly openObserver?: (() => Observer & { readonly wanted: boolean }) | undefined;
  /** There are hellos in the mailbox; a datagram came from a peer's wrong port. */
  readonly control: Omit<ControlSink, "mailbox">;
  /** Set when peers have keys. */
  readonly keys?: LaneKeysSetup | undefined;
  /** Makes what the lane seals and opens by of its set-up. */
  readonly openSealing?: ((setup: SealingSetup) => LaneSealing) | undefined;
  /** The lane ended without having been stopped. */
  readonly onEnd: (reason: LaneEnd | RunError) => void;
}

/** A lane on one device, between `start` and `stop`. */
interface Running {
  readonly table: LaneTable;
  readonly inbound: Direction;
  readonly outbound: Direction;
  /** Looks whether anybody wants to see the lane's packets. */
  readonly show: () => void;
  readonly wait: AsyncWait;
  readonly sealing: LaneSealing | undefined;
  stopped: boolean;
  ended: Promise<void>;
}

/** The lane of a node whose packets go by Deno's own calls. */
export class DatagramLanes extends Lanes {
  readonly #socket: DatagramSocket;
  #receiving = false;
  #run: Running | undefined;
  #turns = 0;

  constructor(readonly parts: DatagramParts) {
    super(parts.mode ?? "tun", parts.keys);
    this.#socket = new DatagramSocket(parts.connection, parts.paths);
  }

  get laneCount(): number {
    return this.#run ? 1 : 0;
  }

  start(open: OpenTun): Promise<void> {
    const { parts } = this;
    const way = {
      device: parts.openDevice(open),
      socket: this.#socket,
      macs: this.macs,
      now_ms: () => performance.now(),
      sealing: this.#openSealing(),
    };
    const observer = parts.openObserver?.();
    const records = this.countersOfLane(0).map((one): LaneRecord => ({
      ...laneCounters(one),
      observer: undefined,
    }));
    const [outbound, inbound] = records;
    const run: Running = {
      table: new LaneTable(this.table.memory, 0),
      inbound: makeInbound(way, inbound!, { ...parts.control, mailbox: this.mailbox }),
      outbound: makeOutbound(way, outbound!),
      show: () => {
        for (const record of records) record.observer = observer?.wanted ? observer : undefined;
      },
      wait: parts.openWait(open.queues[0]!),
      sealing: way.sealing,
      stopped: false,
      ended: Promise.resolve(),
    };
    this.#run = run;
    this.wake();
    run.ended = this.#send(run);
    if (!this.#receiving) void this.#receive();
    return Promise.resolve();
  }

  #openSealing(): LaneSealing | undefined {
    const setup = this.sealingOfLane(0);
    return setup && this.parts.openSealing?.(setup);
  }

  async stop(): Promise<void> {
    const run = this.#run;
    if (!run) return;
    this.#run = undefined;
    run.stopped = true;
    run.wait.wake();
    await run.ended;
    run.wait.close();
  }

  /** Takes over the published table at once: this is the lane's own thread, and it is between turns. */
  wake(): void {
    if (!this.#run) return;
    const { table, outbound, inbound, show, sealing } = this.#run;
    sealing?.turn();
    table.acquire();
    outbound.useTable(table);
    inbound.useTable(table);
    show();
  }

  turns(): readonly number[] {
    return this.#run ? [this.#turns] : [];
  }

  async #send(run: Running): Promise<void> {
    while (!run.stopped) {
      this.#turns = (this.#turns + 1) >>> 0;
      run.sealing?.turn();
      const moved = run.outbound.turn();
      if (moved === DEVICE_GONE) return this.#end(run, "device_gone");
      await this.#socket.sent();
      if (moved === 0 && !run.stopped && !await run.wait.sleep()) {
        return this.#end(run, "device_gone");
      }
    }
  }

  /** Goes on for as long as the connection is open: a receive() that waits cannot be called off. */
  async #receive(): Promise<void> {
    this.#receiving = true;
    const buffer = new Uint8Array(UDP_PAYLOAD_MAX_BYTES);
    try {
      for (;;) {
        const [bytes, from] = await this.parts.connection.receive(buffer);
        this.#socket.arrive(bytes as Uint8Array<ArrayBuffer>, from);
        const run = this.#run;
        run?.sealing?.turn();
        if (run?.inbound.turn() === DEVICE_GONE) this.#end(run, "device_gone");
      }
    } catch (error) {
      // The node closes the connection when the lanes have been stopped.
      if (!this.#run) return;
      const why = error instanceof Error ? error.message : String(error);
      this.#end(this.#run, new RunError({ what: "receiving over UDP failed", why }));
    }
  }

  #end(run: Running, reason: LaneEnd | RunError): void {
    if (run.stopped) return;
    run.stopped = true;
    run.wait.wake();
    this.parts.onEnd(reason);
  }
}
