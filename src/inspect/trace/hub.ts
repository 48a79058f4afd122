/** Hands what the lanes show of their packets to all who look: any number of rings, a few sinks. Pure. */

import { TRACE_BATCH_PACKETS, TRACE_BUDGET_MS, TRACE_INTERVAL_MS } from "../../base/limits.ts";
import type { Time, Timer } from "../../base/time.ts";
import type { LinkKind } from "../decode/decode.ts";
import { completeChecksum } from "./checksum.ts";
import { type ShownPeer, type Verdict, verdictOf } from "./render.ts";
import { type PacketRecord, type RingMemory, ringMemory, RingReader } from "./ring.ts";

/** Who looks. */
export interface TraceSink {
  /** How much of each packet it wants to see. */
  readonly snap_bytes: number;
  packet(record: PacketRecord, verdict: Verdict): void;
  /** Packets that came too fast were left out. */
  lost(packets: number): void;
}

/** What a hub needs to know of its node. */
export interface HubParts {
  readonly link: LinkKind;
  /** Size of a lane's ring, a power of two. */
  readonly ring_bytes: number;
  readonly peer: (index: number) => ShownPeer | undefined;
  /** The lanes are to look again whether anybody wants their packets. */
  readonly lookAgain: () => void;
  /** Called when the first one begins to look (true), and when the last one ends (false). */
  readonly onLooked: (looked: boolean) => void;
  readonly time: Pick<Time, "now_ms" | "every">;
}

/** The rings of one node's lanes. While nobody looks it costs nothing but their address space. */
export class TraceHub {
  #rings: RingReader[] = [];
  readonly #sinks = new Set<TraceSink>();
  /** Packets that were taken from the rings and wait for their turn, in the order of time. */
  #pending: PacketRecord[] = [];
  #timer: Timer | undefined;

  constructor(readonly parts: HubParts) {}

  /** Whether anybody looks. */
  get looked(): boolean {
    return this.#sinks.size > 0;
  }

  /** A new ring for a lane that is about to start. */
  openRing(): RingMemory {
    const memory = ringMemory(this.parts.ring_bytes);
    const ring = new RingReader(memory);
    ring.want(this.#snap_bytes());
    this.#rings.push(ring);
    return memory;
  }

  /** The lanes have ended: shows what they left, and forgets their rings. */
  closeRings(): void {
    while (this.looked && this.#drain(Infinity) > 0);
    this.#rings = [];
    this.#pending = [];
  }

  /** Shows packets to a sink from now on; the result ends it. */
  add(sink: TraceSink): () => void {
    const first = !this.looked;
    if (first) { for (const ring of this.#rings) ring.clear(); }
    this.#sinks.add(sink);
    this.#timer ??= this.parts.time.every(TRACE_INTERVAL_MS, () => this.#drain(TRACE_BUDGET_MS));
    this.#want();
    if (first) this.parts.onLooked(true);
    return () => this.#remove(sink);
  }

  #remove(sink: TraceSink): void {
    if (!this.#sinks.delete(sink)) return;
    this.#want();
    if (this.looked) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#pending = [];
    this.parts.onLooked(false);
  }

  #snap_bytes(): number {
    return Math.max(0, ...[...this.#sinks].map((sink) => sink.snap_bytes));
  }

  #want(): void {
    const snap_bytes = this.#snap_bytes();
    for (const ring of this.#rings) ring.want(snap_bytes);
    this.parts.lookAgain();
  }

  /** Takes a batch from each ring, and shows of it what the time allows. Returns how many. */
  #drain(budget_ms: number): number {
    const { time } = this.parts;
    if (this.#pending.length === 0) this.#take();
    const begin_ms = time.now_ms();
    let shown = 0;
    for (const record of this.#pending) {
      this.#show(record);
      // A clock costs as much as a short packet.
      if ((++shown & 15) === 0 && time.now_ms() - begin_ms >= budget_ms) break;
    }
    this.#pending.splice(0, shown);
    return shown;
  }

  #take(): void {
    let lost = 0;
    this.#pending = this.#rings.flatMap((ring) => {
      lost += ring.takeLost();
      return ring.take(TRACE_BATCH_PACKETS);
    });
    this.#pending.sort((a, b) =>
      a.time.seconds - b.time.seconds || a.time.nanoseconds - b.time.nanoseconds
    );
    if (lost > 0) { for (const sink of this.#sinks) sink.lost(lost); }
  }

  #show(record: PacketRecord): void {
    const { link, peer } = this.parts;
    const verdict = verdictOf(record, record.peer < 0 ? undefined : peer(record.peer));
    if (record.bytes.length === record.length_bytes) completeChecksum(record.bytes, link);
    for (const sink of this.#sinks) sink.packet(record, verdict);
  }
}
