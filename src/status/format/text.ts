/** The status as a table that a person reads at a glance. Pure. */

import {
  formatBytes,
  formatCount,
  formatDuration,
  formatRate,
  formatRtt,
  sparkline,
} from "./units.ts";
import type { PeerStatus, Status, TotalFlow } from "../model/types.ts";

/** How the table is drawn. */
export interface TextOptions {
  readonly colour: boolean;
  /** Traffic of each peer in the past, the latest last; none: no sparklines. */
  readonly history?: ReadonlyMap<string, readonly number[]>;
}

/** Width of a sparkline: half a minute. */
export const SPARKLINE_WIDTH = 30;

const GREEN = 32;
const YELLOW = 33;
const RED = 31;
const DIM = 2;
const BOLD = 1;

const STATE_COLOUR = { up: GREEN, plain: YELLOW, silent: RED, down: RED } as const;

/** Paints text, or leaves it as it is. */
type Paint = (code: number, text: string) => string;

/** A cell: its text, how it is painted, and whether numbers line up on the right. */
interface Cell {
  readonly text: string;
  readonly colour?: number;
  readonly right?: true;
}

function cell(text: string, colour?: number): Cell {
  return colour === undefined ? { text } : { text, colour };
}

function number(text: string): Cell {
  return { text, right: true };
}

/** Rows as columns: padded by their text, painted afterwards. */
function columns(rows: readonly (readonly Cell[])[], paint: Paint): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach(({ text }, i) => widths[i] = Math.max(widths[i] ?? 0, text.length));
  }
  return rows.map((row) =>
    row.map(({ text, colour, right }, i) => {
      const padding = " ".repeat(widths[i]! - text.length);
      const painted = colour === undefined ? text : paint(colour, text);
      return right ? padding + painted : painted + padding;
    }).join("  ").trimEnd() + "\n"
  ).join("");
}

function age(status: Status, time: string | null): string {
  return time === null ? "never" : formatDuration(Date.parse(status.time) - Date.parse(time));
}

function peerRow(status: Status, peer: PeerStatus, { history }: TextOptions): readonly Cell[] {
  const { state, rtt_ms, loss, outbound, inbound } = peer;
  const address = peer.address ?? peer.host;
  return [
    cell(peer.name + (peer.is_default ? " (default)" : ""), BOLD),
    cell(state, STATE_COLOUR[state]),
    number(age(status, peer.since)),
    number(rtt_ms === null || state !== "up" ? "-" : formatRtt(rtt_ms)),
    number(loss === null ? "-" : `${Math.round(loss * 100)} %`),
    number(age(status, peer.last_seen)),
    number(formatRate(outbound.bits_per_second)),
    number(formatRate(inbound.bits_per_second)),
    number(formatBytes(outbound.bytes)),
    number(formatBytes(inbound.bytes)),
    ...(history ? [cell(sparkline(history.get(peer.name) ?? [], SPARKLINE_WIDTH))] : []),
    cell(address.includes(":") ? `[${address}]:${peer.port}` : `${address}:${peer.port}`, DIM),
  ];
}

const HEAD = ["PEER", "STATE", "SINCE", "RTT", "LOSS", "SEEN", "OUT", "IN", "SENT", "RECEIVED"];

function peerTable(status: Status, options: TextOptions, paint: Paint): string {
  const left = new Set(["PEER", "STATE"]);
  const head = [
    ...HEAD.map((text) => ({
      text,
      colour: DIM,
      ...(left.has(text) ? {} : { right: true as const }),
    })),
    ...(options.history ? [cell("TRAFFIC", DIM)] : []),
    cell("ADDRESS", DIM),
  ];
  const rows = status.peers.map((peer) => peerRow(status, peer, options));
  return columns([head, ...rows], paint);
}

/** What deserves a sentence: each peer's trouble, and the node's own. */
function remarks(status: Status, paint: Paint): string {
  const own = status.node.problems.map((text) => `${paint(RED, "!")} ${text}\n`);
  const peers = status.peers.flatMap(({ name, why, problems, state }) => {
    const texts = [...(why === null ? [] : [`${state}: ${why}`]), ...problems];
    return texts.map((text) => `${paint(state === "down" ? RED : YELLOW, "!")} ${name} ${text}\n`);
  });
  const all = [...own, ...peers];
  return all.length > 0 ? `\n${all.join("")}` : "";
}

function dropLine(status: Status): string {
  const parts = (["outbound", "inbound"] as const).flatMap((direction) =>
    Object.entries(status[direction].drops).filter(([, packets]) => packets > 0)
      .map(([reason, packets]) => `${direction} ${reason} ${formatCount(packets)}`)
  );
  return `dropped   ${parts.join(", ") || "nothing"}\n`;
}

function totalLine({ outbound, inbound }: Status): string {
  const of = (way: TotalFlow) =>
    `${formatRate(way.bits_per_second)}, ${formatBytes(way.bytes)} in ` +
    `${formatCount(way.packets)} packets`;
  return `out       ${of(outbound)}\nin        ${of(inbound)}\n`;
}

/** The whole text; ends with a newline. */
export function statusText(status: Status, options: TextOptions): string {
  const paint: Paint = (code, text) => options.colour ? `\x1b[${code}m${text}\x1b[0m` : text;
  const { node, device, engine } = status;
  const head = `${paint(BOLD, node.name)}: up ${formatDuration(node.uptime_seconds * 1000)}, ` +
    `tunnet ${node.version}, process ${node.pid}, ${node.config}\n`;
  const features = engine.features.length > 0 ? engine.features.join(", ") : "none";
  const state = device.state === "up" ? "" : ` ${paint(RED, device.state)}`;
  const lines = `device    ${device.name}${state}, ${device.mode}, MTU ${device.mtu_bytes}\n` +
    `engine    ${engine.name}, ${engine.lanes} ${
      engine.lanes === 1 ? "lane" : "lanes"
    }, kernel features: ${features}\n` +
    `listens   UDP ${node.listen}\n`;
  return head + lines + totalLine(status) + dropLine(status) + "\n" +
    peerTable(status, options, paint) + remarks(status, paint);
}
