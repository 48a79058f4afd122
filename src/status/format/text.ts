/** The status as a person reads it at a glance, in a terminal of any size. Pure. */

import type { EtcdStatus, PeerStatus, Status, TotalFlow } from "../model/types.ts";
import { COLOUR, type Paint, wrap } from "./paint.ts";
import { peerTable } from "./peer_table.ts";
import { formatBytes, formatCount, formatDuration, formatRate } from "./units.ts";

/** How it is drawn. */
export interface TextOptions {
  readonly colour: boolean;
  /** Traffic of each peer in the past, the latest last; none: no sparklines. */
  readonly history?: ReadonlyMap<string, readonly number[]>;
  /** Size of the terminal; undefined: as much as there is to say. */
  readonly width?: number;
  readonly height?: number;
}

/** Peers that a remark names. */
const NAMED_MAX = 8;

/** Where the texts of the first lines begin. */
const INDENT = 10;

function dropText(status: Status): string {
  const parts = (["outbound", "inbound"] as const).flatMap((direction) =>
    Object.entries(status[direction].drops).filter(([, packets]) => packets > 0)
      .map(([reason, packets]) => `${direction} ${reason} ${formatCount(packets)}`)
  );
  return parts.join(", ") || "nothing";
}

function flowText({ bits_per_second, bytes, packets }: TotalFlow): string {
  return `${formatRate(bits_per_second)}, ${formatBytes(bytes)} in ${formatCount(packets)} packets`;
}

/** How it stands with etcd. */
function etcdText(etcd: EtcdStatus): string {
  const { endpoint, connected, problem, revision, subnet, records, refused } = etcd;
  const age = etcd.lease_age_seconds === null
    ? "never confirmed"
    : `confirmed ${formatDuration(etcd.lease_age_seconds * 1000)} ago`;
  const lease = etcd.lease_held ? `${subnet} by a lease, ${age}` : `${subnet} without a lease`;
  const left_out = Object.entries(refused).filter(([, count]) => count > 0)
    .map(([name, count]) => `, ${formatCount(count)} left out: ${name}`).join("");
  const state = connected ? `revision ${revision}` : `away (${problem})`;
  return `${endpoint} ${state}; ${lease}; ${formatCount(records)} records${left_out}`;
}

/** The node itself: who it is, and what it carries and drops. */
function headLines(status: Status, width: number, paint: Paint): readonly string[] {
  const { node, device, engine } = status;
  const first = `${node.name}: up ${formatDuration(node.uptime_seconds * 1000)}, ` +
    `tunnet ${node.version}, process ${node.pid}, ${node.config}`;
  const [one, ...rest] = wrap(first, width, INDENT);
  const features = engine.features.length > 0 ? engine.features.join(", ") : "none";
  const state = device.state === "up" ? "" : ` ${device.state}`;
  const lanes = `${engine.lanes} ${engine.lanes === 1 ? "lane" : "lanes"}`;
  const rows: readonly (readonly [name: string, text: string])[] = [
    ["device", `${device.name}${state}, ${device.mode}, MTU ${device.mtu_bytes}`],
    ["engine", `${engine.name}, ${lanes}, kernel features: ${features}`],
    ["listens", `UDP ${node.listen}`],
    ...(status.etcd ? [["etcd", etcdText(status.etcd)] as const] : []),
    ["out", flowText(status.outbound)],
    ["in", flowText(status.inbound)],
    ["dropped", dropText(status)],
  ];
  return [
    paint(COLOUR.bold, node.name) + one!.slice(node.name.length),
    ...rest,
    ...rows.flatMap(([name, text]) => wrap(name.padEnd(INDENT) + text, width, INDENT))
      .map((line) =>
        state === "" ? line : line.replace(`${state},`, ` ${paint(COLOUR.red, device.state)},`)
      ),
  ];
}

/** Names in one phrase, no more than NAMED_MAX. */
function namesText(names: readonly string[]): string {
  const more = names.length - NAMED_MAX;
  return names.slice(0, NAMED_MAX).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

/** What deserves a sentence: the node's own trouble, and the peers', each trouble once. */
function remarks(status: Status, width: number, paint: Paint): readonly string[] {
  const lines = (text: string, colour: number) =>
    wrap(`! ${text}`, width, 2).map((line, i) => i > 0 ? line : paint(colour, "!") + line.slice(1));
  const troubles = new Map<string, PeerStatus[]>();
  for (const peer of status.peers) {
    const { state, why, problems } = peer;
    for (const text of [...(why === null ? [] : [`${state}: ${why}`]), ...problems]) {
      const known = troubles.get(text);
      if (known) known.push(peer);
      else troubles.set(text, [peer]);
    }
  }
  return [
    ...status.node.problems.flatMap((text) => lines(text, COLOUR.red)),
    ...[...troubles].flatMap(([text, peers]) => {
      const colour = peers.some(({ state }) => state === "down") ? COLOUR.red : COLOUR.yellow;
      const names = namesText(peers.map(({ name }) => name));
      return lines(peers.length === 1 ? `${names} ${text}` : `${names}: ${text}`, colour);
    }),
  ];
}

/** As many lines as there is room for; the last one tells how many are missing. */
function shorten(lines: readonly string[], room: number, what: string): readonly string[] {
  if (lines.length <= room) return lines;
  const kept = Math.max(0, room - 1);
  return [...lines.slice(0, kept), `... ${lines.length - kept} more ${what}`];
}

/** The whole text; ends with a newline. Where height is short, peers in trouble come first. */
export function statusText(status: Status, options: TextOptions): string {
  const { colour, history, width, height = Infinity } = options;
  const paint: Paint = (code, text) => colour ? `\x1b[${code}m${text}\x1b[0m` : text;
  const head = headLines(status, width ?? Infinity, paint);
  const all = remarks(status, width ?? Infinity, paint);
  // A line each: before and behind the table, its heading, and the terminal's last one.
  const room = height - head.length - 4;
  const said = shorten(all, Math.max(room - status.peers.length, Math.floor(room / 2)), "lines");
  const rows = Math.max(1, room - said.length);
  const peers = rows >= status.peers.length
    ? status.peers
    : status.peers.toSorted((a, b) => Number(a.state === "up") - Number(b.state === "up"));
  const [heading, ...table] = peerTable(status, peers, { paint, history, width });
  return [
    ...[...head, "", heading!, ...shorten(table, rows, "peers")],
    ...(said.length > 0 ? ["", ...said] : []),
  ].map((line) => `${line}\n`).join("");
}
