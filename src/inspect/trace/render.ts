/** A traced packet as a line, as JSON, and as a packet of a capture. Pure. */

import type { Decoded } from "../decode/types.ts";
import { type Met, packetJson, packetLine, type Paint } from "../decode/line.ts";
import { COUNTERS } from "../../forwarding/counters.ts";
import { type PacketRecord, RECORD } from "./ring.ts";

/** A peer as it is shown. */
export interface ShownPeer {
  readonly name: string;
  /** Where it is reached: `192.168.0.7:3009`. */
  readonly endpoint: string;
}

/** What became of a packet, and where it was met. */
export interface Verdict {
  /** `device`, or the UDP side for what never reached the device. */
  readonly side: "device" | "udp";
  readonly direction: "in" | "out";
  /** Where it went or came from. */
  readonly peer: ShownPeer | undefined;
  /** `to` or `from` the peer. */
  readonly way: "to" | "from" | undefined;
  readonly drop: string | undefined;
}

/** The verdict of a record. */
export function verdictOf(record: PacketRecord, peer: ShownPeer | undefined): Verdict {
  const { kind } = record;
  const dropped = kind === RECORD.droppedOut || kind === RECORD.droppedIn;
  const outward = kind === RECORD.sent || kind === RECORD.droppedOut;
  return {
    side: kind === RECORD.droppedIn ? "udp" : "device",
    direction: kind === RECORD.received || kind === RECORD.answered ? "out" : "in",
    peer,
    way: peer && (outward ? "to" : "from"),
    drop: dropped ? COUNTERS[record.counter] ?? "unknown" : undefined,
  };
}

/** `-> node-b 192.168.0.7:3009`, `<- node-b`, `dropped: no_route`; what tunnet itself says: `answer`. */
export function verdictText({ peer, way, drop }: Verdict): string {
  const where = !peer
    ? undefined
    : way === "from"
    ? `<- ${peer.name}`
    : drop
    ? `-> ${peer.name}`
    : `-> ${peer.name} ${peer.endpoint}`;
  const what = drop === undefined ? undefined : `dropped: ${drop}`;
  return [where, what].filter((word) => word !== undefined).join(" ") || "answer of tunnet";
}

/** The line of a trace, without its newline. */
export function traceLine(met: Met, decoded: Decoded, verdict: Verdict, paint: Paint): string {
  const style = verdict.drop === undefined ? "good" : "bad";
  return `${packetLine(met, decoded, paint)} ${paint(style, verdictText(verdict))}`;
}

/** The same as an object. */
export function traceJson(met: Met, decoded: Decoded, verdict: Verdict): Record<string, unknown> {
  const { peer, way, drop } = verdict;
  return {
    ...packetJson(met, decoded),
    ...(peer && way ? { [way]: peer.name, endpoint: peer.endpoint } : {}),
    ...(drop === undefined ? {} : { dropped: drop }),
  };
}
