/** Traced packets as lines, for those that a filter lets through. Pure. */

import type { CounterName } from "../../forwarding/counters.ts";
import type { LaneDirection } from "../../dataplane/lanes/protocol.ts";
import { TRACE_SNAP_BYTES } from "../../base/limits.ts";
import { decodePacket, type LinkKind } from "../decode/decode.ts";
import { clockText, type Met, type Paint } from "../decode/line.ts";
import type { TraceFilter } from "./filter.ts";
import type { TraceSink } from "./hub.ts";
import { traceJson, traceLine, type Verdict } from "./render.ts";
import type { PacketRecord } from "./ring.ts";

/** Totals of one direction, to tell of drops that nobody saw as a packet. */
export type Totals = (direction: LaneDirection) => Readonly<Record<CounterName, number>>;

/** How lines are made, and where they go. */
export interface LineParts {
  readonly filter: TraceFilter;
  readonly device: string;
  readonly link: LinkKind;
  /** Text, objects as JSON, or objects that have the text as well. */
  readonly form: "text" | "json" | "both";
  readonly paint: Paint;
  readonly totals: Totals;
  readonly now: () => Date;
  /** Takes a line with its newline. */
  readonly push: (line: Uint8Array) => void;
}

/** Drops that happen after a packet's verdict, when the kernel is asked: told as numbers. */
const LATE_DROPS: readonly (readonly [LaneDirection, CounterName])[] = [
  ["outbound", "send_queue_full"],
  ["outbound", "send_failed"],
  ["inbound", "device_rejected"],
  ["inbound", "device_down"],
];

const encoder = new TextEncoder();

/** The lines of one trace. */
export class TraceLines implements TraceSink {
  readonly snap_bytes = TRACE_SNAP_BYTES;
  /** Packets that came too fast. */
  missing = 0;
  #late: number[];

  constructor(readonly parts: LineParts) {
    this.#late = LATE_DROPS.map(([direction, reason]) => parts.totals(direction)[reason]);
  }

  packet(record: PacketRecord, verdict: Verdict): void {
    const { device, link, filter, paint } = this.parts;
    if (!filter.acceptsDrop(verdict.drop)) return;
    const { bytes, length_bytes, time: { seconds, nanoseconds } } = record;
    const decoded = decodePacket(new DataView(bytes.buffer), 0, bytes.length, length_bytes, link);
    if (!filter.accepts({ decoded, peer: verdict.peer?.name, drop: verdict.drop })) return;
    const met: Met = {
      time: new Date(seconds * 1000 + Math.floor(nanoseconds / 1e6)),
      device: verdict.side === "device" ? device : "udp",
      direction: verdict.direction,
      length_bytes,
    };
    this.#push(
      () => traceJson(met, decoded, verdict),
      () => traceLine(met, decoded, verdict, paint),
    );
  }

  lost(packets: number): void {
    this.missing += packets;
  }

  /** Tells of drops since the last time that nobody saw as a packet. */
  tellLateDrops(): void {
    const { filter, totals, device, paint, now } = this.parts;
    LATE_DROPS.forEach(([direction, reason], i) => {
      const total = totals(direction)[reason];
      const packets = total - this.#late[i]!;
      if (packets === 0) return;
      this.#late[i] = total;
      if (filter.needsPacket || !filter.acceptsDrop(reason)) return;
      const time = now();
      this.#push(
        () => ({ time: time.toISOString(), device, packets, dropped: reason }),
        () =>
          `${paint("time", clockText(time))} ${paint("device", device)} ` +
          paint("bad", `${packets} packets dropped: ${reason}`),
      );
    });
  }

  #push(json: () => Record<string, unknown>, text: () => string): void {
    const { form, push } = this.parts;
    const line = form === "text"
      ? text()
      : JSON.stringify(form === "json" ? json() : { ...json(), text: text() });
    push(encoder.encode(`${line}\n`));
  }
}
