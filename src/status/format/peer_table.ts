/** The table of peers: the columns that fit, the most telling ones first. Pure. */

import type { PeerStatus, Status } from "../model/types.ts";
import { formatBytes, formatDuration, formatRate, formatRtt, sparkline } from "./units.ts";
import { COLOUR, type Paint } from "./paint.ts";

/** Widest sparkline: half a minute. */
export const SPARKLINE_WIDTH = 30;
/** Narrowest one that is worth its place. */
const SPARKLINE_MIN_WIDTH = 8;

const GAP = 2;

const STATE_COLOUR = {
  up: COLOUR.green,
  plain: COLOUR.yellow,
  silent: COLOUR.red,
  down: COLOUR.red,
  "one-way": COLOUR.red,
} as const;

/** What the table is drawn with. */
export interface TableOptions {
  readonly paint: Paint;
  /** Traffic of each peer in the past, the latest last; none: no sparklines. */
  readonly history?: ReadonlyMap<string, readonly number[]> | undefined;
  /** Columns of the terminal; undefined: all columns of the table. */
  readonly width?: number | undefined;
}

/** A column. */
interface Column {
  readonly head: string;
  readonly text: (peer: PeerStatus, status: Status) => string;
  readonly colour?: (peer: PeerStatus) => number;
  /** Whether it is lined up on the left. */
  readonly left?: true;
  /** As wide as its usual values while it is watched, so that it does not jump. */
  readonly usual?: number;
}

function age({ time: now }: Status, time: string | null): string {
  return time === null ? "never" : formatDuration(Date.parse(now) - Date.parse(time));
}

function addressOf({ address, host, port }: PeerStatus): string {
  const known = address ?? host;
  return known.includes(":") ? `[${known}]:${port}` : `${known}:${port}`;
}

const COLUMNS: readonly Column[] = [
  {
    head: "PEER",
    text: ({ name, is_default }) => name + (is_default ? " (default)" : ""),
    colour: () => COLOUR.bold,
    left: true,
  },
  {
    head: "STATE",
    text: ({ state }) => state,
    colour: ({ state }) => STATE_COLOUR[state],
    left: true,
    usual: 6,
  },
  { head: "SINCE", text: ({ since }, status) => age(status, since), usual: 7 },
  {
    head: "RTT",
    text: ({ rtt_ms, state }) => rtt_ms === null || state !== "up" ? "-" : formatRtt(rtt_ms),
    usual: 7,
  },
  { head: "LOSS", text: ({ loss }) => loss === null ? "-" : `${Math.round(loss * 100)} %` },
  { head: "SEEN", text: ({ last_seen }, status) => age(status, last_seen), usual: 6 },
  { head: "OUT", text: ({ outbound }) => formatRate(outbound.bits_per_second), usual: 11 },
  { head: "IN", text: ({ inbound }) => formatRate(inbound.bits_per_second), usual: 11 },
  { head: "TRAFFIC", text: () => "", left: true, usual: SPARKLINE_MIN_WIDTH },
  { head: "SENT", text: ({ outbound }) => formatBytes(outbound.bytes), usual: 7 },
  { head: "RECEIVED", text: ({ inbound }) => formatBytes(inbound.bytes) },
  { head: "ADDRESS", text: addressOf, colour: () => COLOUR.dim, left: true },
];

/** What is left out where the terminal is too narrow, the first one first. */
const LEFT_OUT = ["ADDRESS", "RECEIVED", "SENT", "SEEN", "LOSS", "SINCE", "RTT", "TRAFFIC"];

/** A column with its texts, and how wide it is. */
interface Filled {
  readonly column: Column;
  readonly texts: readonly string[];
  readonly width: number;
}

const widthOf = (columns: readonly Filled[]): number =>
  columns.reduce((sum, { width }) => sum + width, GAP * (columns.length - 1));

function cut(text: string, width: number): string {
  return text.length > width ? `${text.slice(0, Math.max(0, width - 1))}…` : text;
}

/** Leaves out columns until the rest fits, and gives what is left over to the sparkline. */
function fit(columns: readonly Filled[], width: number): readonly Filled[] {
  let kept = columns;
  for (const head of LEFT_OUT) {
    if (widthOf(kept) <= width) break;
    kept = kept.filter(({ column }) => column.head !== head);
  }
  const spare = width - widthOf(kept);
  return kept.map((one) => {
    const { head } = one.column;
    if (head === "TRAFFIC" && spare > 0) {
      return { ...one, width: Math.min(SPARKLINE_WIDTH, one.width + spare) };
    }
    // The names are the last to give way.
    return head === "PEER" && spare < 0 ? { ...one, width: Math.max(4, one.width + spare) } : one;
  });
}

/** Lines of the table, the heading first. */
export function peerTable(
  status: Status,
  peers: readonly PeerStatus[],
  { paint, history, width }: TableOptions,
): readonly string[] {
  const filled = COLUMNS.filter(({ head }) => history !== undefined || head !== "TRAFFIC")
    .map((column): Filled => {
      const texts = peers.map((peer) => column.text(peer, status));
      const usual = history === undefined ? 0 : column.usual ?? 0;
      const widths = [column.head, ...texts].map((text) => text.length);
      return { column, texts, width: Math.max(usual, ...widths) };
    });
  const shown = fit(filled, width ?? widthOf(filled) + SPARKLINE_WIDTH);
  const line = (cell: (one: Filled) => { text: string; colour?: number | undefined }) =>
    shown.map((one) => {
      const { text, colour } = cell(one);
      const kept = cut(text, one.width);
      const padding = " ".repeat(one.width - kept.length);
      const painted = colour === undefined ? kept : paint(colour, kept);
      return one.column.left ? painted + padding : padding + painted;
    }).join(" ".repeat(GAP)).trimEnd();
  return [
    line(({ column }) => ({ text: column.head, colour: COLOUR.dim })),
    ...peers.map((peer, i) =>
      line(({ column, texts, width }) => ({
        text: column.head === "TRAFFIC"
          ? sparkline(history?.get(peer.name) ?? [], width)
          : texts[i]!,
        colour: column.colour?.(peer),
      }))
    ),
  ];
}
