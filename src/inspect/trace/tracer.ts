/** `--trace` and `--pcap`: lines on standard output, a capture, or both, from start to end. */

import {
  DRAIN_TIMEOUT_MS,
  LATE_DROPS_INTERVAL_MS,
  LINES_QUEUE_BYTES,
  PACKET_MAX_BYTES,
  TRACE_SNAP_BYTES,
} from "../../base/limits.ts";
import type { Log } from "../../base/log.ts";
import { OutputQueue } from "../../base/output_queue.ts";
import type { LinkKind } from "../decode/decode.ts";
import { colourPaint, plainPaint } from "../decode/line.ts";
import { Capture, type CaptureOptions } from "../pcap/capture.ts";
import type { TraceFilter } from "./filter.ts";
import type { TraceHub, TraceSink } from "./hub.ts";
import { type Totals, TraceLines } from "./lines.ts";
import { capturedPacket, INTERFACE, interfacesOf } from "./packet.ts";
import type { Verdict } from "./render.ts";
import type { PacketRecord } from "./ring.ts";

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
  readonly totals: Totals;
  readonly log: Log;
}

/** The main thread's end of `--trace` and `--pcap`. */
export class Tracer implements TraceSink {
  readonly snap_bytes: number;
  #queue: OutputQueue | undefined;
  #lines: TraceLines | undefined;
  #capture: Capture | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;
  #remove = () => {};
  /** Packets that the lanes had to leave out. */
  #lost = 0;

  constructor(readonly parts: TracerParts) {
    this.snap_bytes = parts.options.pcap === undefined ? TRACE_SNAP_BYTES : PACKET_MAX_BYTES;
  }

  /** Opens the capture and begins to look. Throws a RunError or UsageError. */
  async start(hub: TraceHub): Promise<void> {
    const { options: { lines: filter, pcap }, device, link, application } = this.parts;
    if (filter) this.#lines = this.#openLines(filter);
    if (pcap) {
      this.#capture = await Capture.open(
        pcap,
        interfacesOf(device, link),
        application,
        (error) => this.#quiet("pcap", error),
      );
    }
    this.#remove = hub.add(this);
    this.#timer = setInterval(() => this.#lines?.tellLateDrops(), LATE_DROPS_INTERVAL_MS);
  }

  packet(record: PacketRecord, verdict: Verdict): void {
    this.#capture?.packet(capturedPacket(record, verdict));
    this.#lines?.packet(record, verdict);
  }

  lost(packets: number): void {
    this.#lost += packets;
  }

  /** Ends it all, and says what is missing. The lanes have ended. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#remove();
    this.#lines?.tellLateDrops();
    this.#capture?.lost(INTERFACE.device, this.#lost);
    await this.#queue?.drain(DRAIN_TIMEOUT_MS);
    await this.#capture?.close();
    const missing = [
      [this.#lost, "packets came too fast"],
      [this.#queue?.dropped ?? 0, "lines found a reader too slow"],
      [this.#capture?.dropped ?? 0, "packets of the capture found a writer too slow"],
    ] as const;
    const said = missing.filter(([count]) => count > 0).map(([count, text]) => `${count} ${text}`);
    if (said.length > 0) {
      this.parts.log.warn("trace_lost", `left out: ${said.join(", ")}`, {
        packets: this.#lost,
        lines: this.#queue?.dropped ?? 0,
        captured: this.#capture?.dropped ?? 0,
      });
    }
  }

  #openLines(filter: TraceFilter): TraceLines {
    const { options: { json }, device, link, totals } = this.parts;
    const queue = new OutputQueue(
      (bytes) => Deno.stdout.write(bytes),
      LINES_QUEUE_BYTES,
      (error) => this.#quiet("trace", error),
    );
    this.#queue = queue;
    return new TraceLines({
      ...{ filter, device, link, totals },
      form: json ? "json" : "text",
      paint: Deno.stdout.isTerminal() && !Deno.noColor ? colourPaint : plainPaint,
      now: () => new Date(),
      push: (line) => void queue.push(line),
    });
  }

  /** Whoever read has gone, or the disk is full: the node goes on without. */
  #quiet(what: "trace" | "pcap", error: unknown): void {
    const why = error instanceof Error ? error.message : String(error);
    if (what === "trace") this.#lines = undefined;
    else this.#capture = undefined;
    const gone = error instanceof Deno.errors.BrokenPipe;
    this.parts.log.warn(`${what}_ended`, gone ? `--${what}: its reader has gone` : why);
  }
}
