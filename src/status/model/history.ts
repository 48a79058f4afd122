/**
 * What was carried and dropped in the last hour, for the page. This file owns all of its memory: two
 * rings for each series, of a length that is fixed here; what never moved has none. Pure.
 */

import { type CounterName, DROPS } from "../../forwarding/counters.ts";
import {
  HISTORY_COARSE_MS,
  HISTORY_COARSE_SLOTS,
  HISTORY_FILL_SLOTS,
  HISTORY_FINE_MS,
  HISTORY_FINE_SLOTS,
} from "../../base/limits.ts";
import type { Sample } from "./rates.ts";
import { TOTAL } from "./snapshot.ts";

/** Both ways of a packet. */
export const WAYS = ["outbound", "inbound"] as const;
/** One of them. */
export type Way = typeof WAYS[number];

/** What the history takes in, once a second or so. */
export interface HistorySample extends Sample {
  /** Packets that went no further for a reason, since the start. */
  readonly dropsFor: (way: Way, reason: CounterName) => number;
  /** Those of a key of `counts`; nothing of all together. */
  readonly dropsOf: (way: Way, key: string) => number;
}

/** Values, the oldest first, the last one of the time that has just ended; null: not known. */
export type Values = readonly (number | null)[];

/** A part of the past. */
export interface Span {
  /** Time of one value. */
  readonly interval_ms: number;
  /** When the last value's time ended, on the samples' clock. */
  readonly end_ms: number;
}

/** Drops for one reason. */
export interface DropHistory {
  readonly direction: Way;
  readonly reason: CounterName;
  /** In a second. */
  readonly packets: Values;
}

/** How much a count grows, over time. */
class Series {
  #last: number;
  #ring: Float32Array | undefined;

  constructor(first: number) {
    this.#last = first;
  }

  /** Growth since the last call, by the second, is the value of these slots. */
  add(now: number, elapsed_ms: number, from: number, to: number, slots: number): void {
    // Fewer than before: the name has changed hands.
    const growth = Math.max(0, now - this.#last);
    this.#last = now;
    if (growth === 0 && !this.#ring) return;
    this.#ring ??= new Float32Array(slots);
    for (let slot = from; slot <= to; slot++) {
      this.#ring[slot % slots] = growth * 1000 / elapsed_ms;
    }
  }

  /** Whether it has ever grown. */
  get moved(): boolean {
    return this.#ring !== undefined;
  }

  at(slot: number, slots: number): number {
    return this.#ring === undefined ? 0 : this.#ring[slot % slots]!;
  }
}

/** The series of one key. */
interface Track {
  /** The first slot that it knows. */
  readonly from: number;
  readonly bytes: Readonly<Record<Way, Series>>;
  readonly drops: Readonly<Record<Way, Series>>;
}

/** All series by one length of their values. */
class Resolution {
  readonly #tracks = new Map<string, Track>();
  readonly #reasons: readonly (readonly [Way, CounterName, Series])[];
  /** Which slot each place of the rings holds; -1: none. */
  readonly #held: Int32Array;
  #slot = -1;
  #last_ms = 0;

  constructor(readonly interval_ms: number, readonly slots: number) {
    this.#held = new Int32Array(slots).fill(-1);
    // Counters begin at 0 with the process.
    this.#reasons = WAYS.flatMap((way) =>
      DROPS.map((reason) => [way, reason, new Series(0)] as const)
    );
  }

  /** When the time of the last value ended. */
  get end_ms(): number {
    return (this.#slot + 1) * this.interval_ms;
  }

  /** Takes in a sample if it is the first one of a new slot. */
  add({ at_ms, counts, dropsFor, dropsOf }: HistorySample): void {
    const slot = Math.floor(at_ms / this.interval_ms) - 1;
    if (slot <= this.#slot) return;
    const began = this.#slot >= 0;
    const elapsed_ms = Math.max(1, at_ms - this.#last_ms);
    // A timer that came late leaves no hole; a node that stood still does.
    const from = began && slot - this.#slot <= HISTORY_FILL_SLOTS ? this.#slot + 1 : slot;
    const put = (series: Series, now: number) =>
      series.add(now, elapsed_ms, from, slot, this.slots);
    for (const [key, { outbound, inbound }] of counts) {
      const dropped = { outbound: dropsOf("outbound", key), inbound: dropsOf("inbound", key) };
      const known = this.#tracks.get(key);
      if (!known) {
        this.#tracks.set(key, {
          from: slot + 1,
          bytes: { outbound: new Series(outbound.bytes), inbound: new Series(inbound.bytes) },
          drops: { outbound: new Series(dropped.outbound), inbound: new Series(dropped.inbound) },
        });
        continue;
      }
      put(known.bytes.outbound, outbound.bytes);
      put(known.bytes.inbound, inbound.bytes);
      put(known.drops.outbound, dropped.outbound);
      put(known.drops.inbound, dropped.inbound);
    }
    if (this.#tracks.size > counts.size) {
      for (const key of this.#tracks.keys()) if (!counts.has(key)) this.#tracks.delete(key);
    }
    for (const [way, reason, series] of this.#reasons) put(series, dropsFor(way, reason));
    for (let one = from; one <= slot; one++) this.#held[one % this.slots] = one;
    this.#slot = slot;
    this.#last_ms = at_ms;
  }

  /** Keys, but for all together. */
  keys(): string[] {
    return [...this.#tracks.keys()].filter((key) => key !== TOTAL);
  }

  /** Whether it has a past of this key. */
  has(key: string): boolean {
    return this.#tracks.has(key);
  }

  /** Both ways' bits a second in the last `length` slots, the mean of each `width` of them. */
  sketch(key: string, length: number, width: number): number[] {
    const { bytes: { outbound, inbound }, from } = this.#tracks.get(key)!;
    const means: number[] = [];
    const begin = Math.max(0, this.#slot + 1 - length);
    for (let first = begin; first <= this.#slot; first += width) {
      let sum = 0;
      for (let slot = Math.max(first, from); slot < first + width && slot <= this.#slot; slot++) {
        if (this.#held[slot % this.slots] !== slot) continue;
        sum += outbound.at(slot, this.slots) + inbound.at(slot, this.slots);
      }
      means.push(Math.round(sum * 8 / width));
    }
    return means;
  }

  /** Bits a second of a key, in the last `length` slots that it knows. */
  bits(key: string, way: Way, length: number): Values {
    const track = this.#tracks.get(key);
    return track ? this.#values(track.bytes[way], track.from, length, 8) : [];
  }

  /** Packets a second of a key that were dropped. */
  dropped(key: string, way: Way, length: number): Values {
    const track = this.#tracks.get(key);
    return track?.drops[way].moved ? this.#values(track.drops[way], track.from, length, 1) : [];
  }

  /** Reasons for which packets were dropped in the last `length` slots. */
  reasons(length: number): DropHistory[] {
    return this.#reasons.filter(([, , series]) => series.moved)
      .map(([direction, reason, series]) => ({
        ...{ direction, reason },
        packets: this.#values(series, 0, length, 1),
      }))
      .filter(({ packets }) => packets.some((value) => value !== null && value > 0));
  }

  #values(series: Series, from: number, length: number, factor: number): Values {
    const begin = Math.max(0, from, this.#slot + 1 - Math.min(length, this.slots));
    const known: (number | null)[] = [];
    for (let slot = begin; slot <= this.#slot; slot++) {
      const held = this.#held[slot % this.slots] === slot;
      // Nothing is known before the first value.
      if (!held && known.length === 0) continue;
      known.push(held ? rounded(series.at(slot, this.slots) * factor) : null);
    }
    return known;
  }
}

/** As precise as it is worth. */
const rounded = (value: number): number =>
  value >= 100 ? Math.round(value) : Number(value.toPrecision(3));

/** The past of one node. */
export class History {
  readonly #fine = new Resolution(HISTORY_FINE_MS, HISTORY_FINE_SLOTS);
  readonly #coarse = new Resolution(HISTORY_COARSE_MS, HISTORY_COARSE_SLOTS);

  /** Takes in a sample; most of them only move a count. */
  add(sample: HistorySample): void {
    this.#fine.add(sample);
    this.#coarse.add(sample);
  }

  /** The past of the last `span_ms`, as finely as it is known. */
  of(span_ms: number): Past {
    const fits = span_ms <= HISTORY_FINE_MS * HISTORY_FINE_SLOTS;
    const resolution = fits ? this.#fine : this.#coarse;
    return new Past(resolution, Math.ceil(span_ms / resolution.interval_ms));
  }
}

/** A part of the past, to read from; as of the time when it is read. */
export class Past implements Span {
  readonly interval_ms: number;
  readonly end_ms: number;

  constructor(readonly resolution: Resolution, readonly length: number) {
    this.interval_ms = resolution.interval_ms;
    this.end_ms = resolution.end_ms;
  }

  /** Names of the peers that have one. */
  peers(): string[] {
    return this.resolution.keys();
  }

  /** Whether a peer has one. */
  has(key: string): boolean {
    return this.resolution.has(key);
  }

  /** Bits a second both ways of a peer that has one, as `count` means. */
  sketch(key: string, count: number): readonly number[] {
    return this.resolution.sketch(key, this.length, Math.ceil(this.length / count));
  }

  /** Bits a second, of a peer or of TOTAL. */
  bits(key: string, way: Way): Values {
    return this.resolution.bits(key, way, this.length);
  }

  /** Packets a second to or from a peer that went no further; none if there never were any. */
  dropped(key: string, way: Way): Values {
    return this.resolution.dropped(key, way, this.length);
  }

  /** Drops by reason. */
  drops(): readonly DropHistory[] {
    return this.resolution.reasons(this.length);
  }
}
