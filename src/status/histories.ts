/** The past as it is served. Pure. */

import { HISTORY_SKETCH_VALUES, HISTORY_WHOLE_PEERS_MAX } from "../base/limits.ts";
import { bodyBytes } from "./http/answer.ts";
import type { History, Past, Values, Way } from "./model/history.ts";
import { type Clock, TOTAL } from "./model/snapshot.ts";

/** Seconds that can be asked for. */
export const HISTORY_SPANS = [300, 900, 3600] as const;

/** One way and the other. */
type BothWays = Readonly<Record<Way, Values>>;

/** A peer's past: bits and dropped packets a second, the latest last. */
export interface PeerHistory extends BothWays {
  readonly dropped: BothWays;
}

/** What /history.json answers. */
export interface HistoryAnswer {
  readonly format: "tunnet-history/1";
  /** When the last value's time ended, ISO 8601. */
  readonly time: string;
  readonly span_seconds: number;
  readonly interval_seconds: number;
  /** Bits a second of all peers; null: not known, as of a node that stood still. */
  readonly total: BothWays;
  readonly drops: readonly { direction: Way; reason: string; packets: Values }[];
  /** By name: all of up to HISTORY_WHOLE_PEERS_MAX, or the one that was asked for. */
  readonly peers: Readonly<Record<string, PeerHistory>>;
  /** By name, of more: the bits a second both ways, in few values. */
  readonly sketches: Readonly<Record<string, readonly number[]>>;
}

const both = (of: (way: Way) => Values): BothWays => ({
  outbound: of("outbound"),
  inbound: of("inbound"),
});

function peerHistory(past: Past, name: string): PeerHistory {
  return {
    ...both((way) => past.bits(name, way)),
    dropped: both((way) => past.dropped(name, way)),
  };
}

/**
 * Answers of the past. One for each span is kept until there is more to tell, so that they are made
 * once in the time of a value, however many ask; that of one peer is small.
 */
export class Histories {
  readonly #kept = new Map<number, { readonly end_ms: number; readonly body: Uint8Array }>();

  constructor(readonly history: History, readonly clock: () => Clock) {}

  /** The body of an answer; undefined for a query that has no right span. */
  json(query: URLSearchParams): Uint8Array | undefined {
    const span_seconds = Number(query.get("span") ?? HISTORY_SPANS[0]);
    if (!(HISTORY_SPANS as readonly number[]).includes(span_seconds)) return undefined;
    const peer = query.get("peer");
    const past = this.history.of(span_seconds * 1000);
    if (peer !== null) return this.#body(span_seconds, past, past.has(peer) ? [peer] : [], true);
    const kept = this.#kept.get(span_seconds);
    if (kept?.end_ms === past.end_ms) return kept.body;
    const body = this.#body(span_seconds, past, past.peers(), false);
    this.#kept.set(span_seconds, { end_ms: past.end_ms, body });
    return body;
  }

  #body(span_seconds: number, past: Past, names: readonly string[], alone: boolean): Uint8Array {
    const { wall_ms, monotonic_ms } = this.clock();
    const whole = names.length <= HISTORY_WHOLE_PEERS_MAX;
    const byName = <T>(of: (name: string) => T) =>
      Object.fromEntries(names.map((name) => [name, of(name)]));
    const answer: HistoryAnswer = {
      format: "tunnet-history/1",
      time: new Date(wall_ms - (monotonic_ms - past.end_ms)).toISOString(),
      span_seconds,
      interval_seconds: past.interval_ms / 1000,
      total: alone ? both(() => []) : both((way) => past.bits(TOTAL, way)),
      drops: alone ? [] : past.drops(),
      peers: whole ? byName((name) => peerHistory(past, name)) : {},
      sketches: whole ? {} : byName((name) => past.sketch(name, HISTORY_SKETCH_VALUES)),
    };
    return bodyBytes(`${JSON.stringify(answer)}\n`);
  }
}
