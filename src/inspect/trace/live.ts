/**
 * Packets of a running node for whoever asks: lines, or a capture, over HTTP. A reader who is too
 * slow loses packets, which are counted, and a few may look at a time.
 */

import {
  LATE_DROPS_INTERVAL_MS,
  LINES_QUEUE_BYTES,
  LIVE_CAPTURE_QUEUE_BYTES,
  PACKET_MAX_BYTES,
  TRACE_WATCHERS_MAX,
} from "../../base/limits.ts";
import { OutputQueue } from "../../base/output_queue.ts";
import type { Time } from "../../base/time.ts";
import type { ErrorParts } from "../../base/errors.ts";
import { answer } from "../../status/handler.ts";
import type { HttpAnswer, HttpStream, WriteSome } from "../../status/http/answer.ts";
import type { LivePackets } from "../../status/live.ts";
import { decodePacket, type LinkKind } from "../decode/decode.ts";
import { colourPaint, plainPaint } from "../decode/line.ts";
import { CaptureBlocks } from "../pcap/blocks.ts";
import { EVERYTHING, readTraceFilter, type TraceFilter } from "./filter.ts";
import type { TraceHub, TraceSink } from "./hub.ts";
import { type Totals, TraceLines } from "./lines.ts";
import { capturedPacket, INTERFACE, interfacesOf } from "./packet.ts";
import type { Verdict } from "./render.ts";
import type { PacketRecord } from "./ring.ts";

/** What the service needs of its node. */
export interface LiveParts {
  readonly hub: TraceHub;
  readonly device: string;
  readonly link: LinkKind;
  readonly application: string;
  /** Names of the other nodes. */
  readonly peers: () => readonly string[];
  readonly totals: Totals;
  readonly time: Time;
}

/** One who looks, while its connection is open. */
interface Watcher {
  readonly sink: TraceSink;
  /** Called twice a second. */
  tick(): void;
}

/** Makes a watcher that writes to a queue. */
type Watch = (queue: OutputQueue) => Watcher;

const encoder = new TextEncoder();

/** Whether the packet is one that a filter lets through. */
function accepts(
  filter: TraceFilter,
  link: LinkKind,
  { bytes, length_bytes }: PacketRecord,
  { peer, drop }: Verdict,
): boolean {
  if (filter === EVERYTHING) return true;
  if (!filter.acceptsDrop(drop)) return false;
  const decoded = decodePacket(new DataView(bytes.buffer), 0, bytes.length, length_bytes, link);
  return filter.accepts({ decoded, peer: peer?.name, drop });
}

/** The service of one node. */
export class LiveTrace implements LivePackets {
  #watchers = 0;

  constructor(readonly parts: LiveParts) {}

  /** A line of JSON for each packet, with its line of text, and `{"lost":N}` whenever N grows. */
  lines(query: URLSearchParams): HttpAnswer | HttpStream {
    return this.#answer(query, "application/x-ndjson", LINES_QUEUE_BYTES, (filter) => (queue) => {
      const { device, link, totals, time } = this.parts;
      const lines = new TraceLines({
        ...{ filter, device, link, totals },
        form: "both",
        paint: query.has("colour") ? colourPaint : plainPaint,
        now: () => new Date(time.wall_ms()),
        push: (line) => void queue.push(line),
      });
      let told = 0;
      const tick = () => {
        lines.tellLateDrops();
        const lost = lines.missing + queue.dropped;
        if (lost > told && queue.push(encoder.encode(`{"lost":${lost}}\n`))) told = lost;
      };
      return { sink: lines, tick };
    });
  }

  /** A pcapng capture; statistics tell what is missing whenever more is. */
  capture(query: URLSearchParams): HttpAnswer | HttpStream {
    const type = "application/octet-stream";
    return this.#answer(query, type, LIVE_CAPTURE_QUEUE_BYTES, (filter) => (queue) => {
      const { device, link, application, time } = this.parts;
      const blocks = new CaptureBlocks(interfacesOf(device, link), application);
      queue.push(blocks.head);
      let missing = 0;
      let told = 0;
      const sink: TraceSink = {
        snap_bytes: PACKET_MAX_BYTES,
        packet: (record, verdict) => {
          if (!accepts(filter, link, record, verdict)) return;
          blocks.packet(capturedPacket(record, verdict), (block) => queue.push(block));
        },
        lost: (packets) => {
          missing += packets;
          blocks.lost(INTERFACE.device, packets);
        },
      };
      const tick = () => {
        const lost = missing + queue.dropped;
        if (lost === told) return;
        for (const block of blocks.statistics(time.wall_ms())) queue.push(block);
        told = missing + queue.dropped;
      };
      return { sink, tick };
    });
  }

  #answer(
    query: URLSearchParams,
    type: string,
    queue_bytes: number,
    make: (filter: TraceFilter) => Watch,
  ): HttpAnswer | HttpStream {
    const text = query.get("filter") ?? "";
    const filter = text.trim() === ""
      ? { value: EVERYTHING, problem: undefined }
      : readTraceFilter(text, this.parts.peers());
    if (filter.problem) return refusal(filter.problem, 400);
    if (this.#watchers >= TRACE_WATCHERS_MAX) {
      const what = `${TRACE_WATCHERS_MAX} are looking already`;
      return refusal({ what, how: "again when one of them has ended" }, 503);
    }
    const watch = make(filter.value);
    return {
      headers: answer("", type).headers,
      start: (write, close) => this.#start(queue_bytes, watch, write, close),
    };
  }

  #start(queue_bytes: number, watch: Watch, write: WriteSome, close: () => void): () => void {
    const { hub, time } = this.parts;
    this.#watchers++;
    const queue = new OutputQueue(write, queue_bytes, close);
    const { sink, tick } = watch(queue);
    const remove = hub.add(sink);
    const timer = time.every(LATE_DROPS_INTERVAL_MS, tick);
    return () => {
      this.#watchers--;
      timer.cancel();
      remove();
    };
  }
}

/** Says what is wrong with a request, in parts that a client makes an error of. */
function refusal(parts: ErrorParts, status: number): HttpAnswer {
  return answer(JSON.stringify(parts) + "\n", "application/json", status);
}
