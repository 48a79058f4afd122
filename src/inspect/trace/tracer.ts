/** Shows what the lanes show: a line per packet on standard output, a capture, or both. */

import { decodePacket, type LinkKind } from "../decode/decode.ts";
import { clockText, colourPaint, type Met, plainPaint } from "../decode/line.ts";
import type { CounterName } from "../../forwarding/counters.ts";
import type { LaneDirection, ObserverSetup } from "../../dataplane/lanes/protocol.ts";
import {
  CAPTURE_RING_BYTES,
  DRAIN_TIMEOUT_MS,
  LATE_DROPS_INTERVAL_MS,
  LINES_QUEUE_BYTES,
  PACKET_MAX_BYTES,
  TRACE_BATCH_PACKETS,
  TRACE_INTERVAL_MS,
  TRACE_RING_BYTES,
  TRACE_SNAP_BYTES,
} from "../../base/limits.ts";
import type { Log } from "../../base/log.ts";
import { OutputQueue } from "../../base/output_queue.ts";
import { Capture, type CaptureOptions } from "../pcap/capture.ts";
import { LINK_TYPE } from "../pcap/pcapng.ts";
import type { TraceFilter } from "./filter.ts";
import {
  type ShownPeer,
  traceJson,
  traceLine,
  type Verdict,
  verdictOf,
  verdictText,
} from "./render.ts";
import { type PacketRecord, ringMemory, RingReader } from "./ring.ts";
import { completeChecksum } from "./checksum.ts";

/** What is to be shown. */
export interface TraceOptions {
  /** Lines for the packets that it lets through; undefined: no lines. */
  readonly lines: TraceFilter | undefined;
  readonly pcap: CaptureOptions | undefined;
  /** Objects instead of lines. */
  readonly json: boolean;
}

/** What a tracer needs to know of its node. */
export interface TracerParts {
  readonly options: TraceOptions;
  readonly device: string;
  readonly link: LinkKind;
  readonly application: string;
  readonly peer: (index: number) => ShownPeer | undefined;
  /** Totals of one direction, to tell of drops that nobody saw as a packet. */
  readonly totals: (direction: LaneDirection) => Readonly<Record<CounterName, number>>;
  readonly log: Log;
}

/** Interfaces of a capture. */
const INTERFACE = { device: 0, udp: 1 } as const;

/** Drops that happen after a packet's verdict, when the kernel is asked: told as numbers. */
const LATE_DROPS: readonly (readonly [LaneDirection, CounterName])[] = [
  ["outbound", "send_queue_full"],
  ["outbound", "send_failed"],
  ["inbound", "device_rejected"],
  ["inbound", "device_down"],
];

/** The main thread's end of `--trace` and `--pcap`. */
export class Tracer {
  readonly #paint = Deno.stdout.isTerminal() && !Deno.noColor ? colourPaint : plainPaint;
  readonly #encoder = new TextEncoder();
  readonly #lines: OutputQueue | undefined;
  #capture: Capture | undefined;
  #rings: RingReader[] = [];
  #timers: ReturnType<typeof setInterval>[] = [];
  /** Packets that the lanes had to leave out. */
  #lost = 0;
  #late = LATE_DROPS.map(() => 0);
  #silent = false;

  constructor(readonly parts: TracerParts) {
    if (!parts.options.lines) return;
    this.#lines = new OutputQueue(
      (bytes) => Deno.stdout.write(bytes),
      LINES_QUEUE_BYTES,
      (error) => this.#quiet("trace", error),
    );
  }

  /** Opens the capture and begins to look. Throws a RunError or UsageError. */
  async start(): Promise<void> {
    const { options: { pcap }, device, link, application } = this.parts;
    if (pcap) {
      const linkType = link === "ethernet" ? LINK_TYPE.ethernet : LINK_TYPE.raw;
      const interfaces = [
        { name: device, description: "what crosses the device", linkType, snap_bytes: 0 },
        {
          name: "udp",
          description: "datagrams that were dropped before the device",
          linkType,
          snap_bytes: 0,
        },
      ];
      this.#capture = await Capture.open(
        pcap,
        interfaces,
        application,
        (error) => this.#quiet("pcap", error),
      );
    }
    this.#timers = [
      setInterval(() => this.#drain(), TRACE_INTERVAL_MS),
      setInterval(() => this.#tellLateDrops(), LATE_DROPS_INTERVAL_MS),
    ];
  }

  /** A new ring for a lane that is about to start. */
  openRing(): ObserverSetup {
    const whole = this.parts.options.pcap !== undefined;
    const memory = ringMemory(whole ? CAPTURE_RING_BYTES : TRACE_RING_BYTES);
    this.#rings.push(new RingReader(memory));
    return { memory, snap_bytes: whole ? PACKET_MAX_BYTES : TRACE_SNAP_BYTES };
  }

  /** The lanes have ended: takes what they left, and forgets their rings. */
  closeRings(): void {
    while (this.#drain() > 0);
    this.#rings = [];
  }

  /** Ends it all, and says what is missing. */
  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.closeRings();
    this.#tellLateDrops();
    this.#capture?.lost(INTERFACE.device, this.#lost);
    await this.#lines?.drain(DRAIN_TIMEOUT_MS);
    await this.#capture?.close();
    const missing = [
      [this.#lost, "packets came too fast"],
      [this.#lines?.dropped ?? 0, "lines found a reader too slow"],
      [this.#capture?.dropped ?? 0, "packets of the capture found a writer too slow"],
    ] as const;
    const said = missing.filter(([count]) => count > 0).map(([count, text]) => `${count} ${text}`);
    if (said.length > 0) {
      this.parts.log.warn("trace_lost", `left out: ${said.join(", ")}`, {
        packets: this.#lost,
        lines: this.#lines?.dropped ?? 0,
        captured: this.#capture?.dropped ?? 0,
      });
    }
  }

  /** Takes a batch from each ring, and shows them in the order of time. Returns how many. */
  #drain(): number {
    const records = this.#rings.flatMap((ring) => {
      this.#lost += ring.takeLost();
      return ring.take(TRACE_BATCH_PACKETS);
    });
    records.sort((a, b) =>
      a.time.seconds - b.time.seconds || a.time.nanoseconds - b.time.nanoseconds
    );
    for (const record of records) this.#show(record);
    return records.length;
  }

  #show(record: PacketRecord): void {
    const { link, peer: peerOf, options: { lines } } = this.parts;
    const peer = record.peer < 0 ? undefined : peerOf(record.peer);
    const verdict = verdictOf(record, peer);
    if (record.bytes.length === record.length_bytes) completeChecksum(record.bytes, link);
    this.#capture?.packet({
      interface: INTERFACE[verdict.side],
      time: record.time,
      direction: verdict.direction,
      bytes: record.bytes,
      length_bytes: record.length_bytes,
      comment: verdictText(verdict),
    });
    if (lines && this.#lines && !this.#silent) this.#line(record, verdict, lines, this.#lines);
  }

  #line(record: PacketRecord, verdict: Verdict, filter: TraceFilter, queue: OutputQueue): void {
    const { device, link, options: { json } } = this.parts;
    if (!filter.acceptsDrop(verdict.drop)) return;
    const { bytes, length_bytes, time: { seconds, nanoseconds } } = record;
    const view = new DataView(bytes.buffer);
    const decoded = decodePacket(view, 0, bytes.length, length_bytes, link);
    if (!filter.accepts({ decoded, peer: verdict.peer?.name, drop: verdict.drop })) return;
    const met: Met = {
      time: new Date(seconds * 1000 + Math.floor(nanoseconds / 1e6)),
      device: verdict.side === "device" ? device : "udp",
      direction: verdict.direction,
      length_bytes,
    };
    const text = json
      ? JSON.stringify(traceJson(met, decoded, verdict))
      : traceLine(met, decoded, verdict, this.#paint);
    queue.push(this.#encoder.encode(`${text}\n`));
  }

  #tellLateDrops(): void {
    const { options: { lines, json }, totals, device } = this.parts;
    if (!lines || !this.#lines || this.#silent) return;
    LATE_DROPS.forEach(([direction, reason], i) => {
      const total = totals(direction)[reason];
      const packets = total - this.#late[i]!;
      if (packets === 0) return;
      this.#late[i] = total;
      if (lines.needsPacket || !lines.acceptsDrop(reason)) return;
      const time = new Date();
      const text = json
        ? JSON.stringify({ time: time.toISOString(), device, packets, dropped: reason })
        : `${this.#paint("time", clockText(time))} ${this.#paint("device", device)} ` +
          this.#paint("bad", `${packets} packets dropped: ${reason}`);
      this.#lines!.push(this.#encoder.encode(`${text}\n`));
    });
  }

  /** Whoever read has gone, or the disk is full: the node goes on without. */
  #quiet(what: "trace" | "pcap", error: unknown): void {
    const why = error instanceof Error ? error.message : String(error);
    if (what === "trace") this.#silent = true;
    else this.#capture = undefined;
    const gone = error instanceof Deno.errors.BrokenPipe;
    this.parts.log.warn(`${what}_ended`, gone ? `--${what}: its reader has gone` : why);
  }
}
