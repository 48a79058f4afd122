/** Draws a lab with the results on it. Pure. */

import { formatBytes, formatRate } from "../../status/format/units.ts";
import type { PingResult } from "./pings.ts";
import type { Route, Throughput } from "./throughput.ts";
import type { LabNode, LabPlan } from "./topology.ts";

/** A node's box; `joint` is the line that the switch is joined to. */
interface Box {
  readonly lines: readonly string[];
  readonly width: number;
  readonly joint: number;
}

function boxOf({ name, address, subnets, podAddresses }: LabNode, bridge: string): Box {
  const column = Math.max("pod".length, bridge.length) + 3;
  const lines = [
    `${"pod".padEnd(column)}${podAddresses.join("  ") || "(no subnet with room for a pod)"}`,
    "  │",
    `${bridge.padEnd(column)}${subnets.join("  ") || "-"}`,
    "  │",
    `${name}: tunnet0 <-> UDP ${address}`,
  ];
  return {
    lines,
    width: Math.max(...lines.map((line) => line.length)),
    joint: lines.length - 1,
  };
}

/** A box of a width as text; on the side of the switch its frame has a joint. */
function frame({ lines, joint }: Box, width: number, side: "left" | "right"): string[] {
  const edge = (left: string, right: string) => left + "─".repeat(width + 2) + right;
  return [
    edge("┌", "┐"),
    ...lines.map((line, i) => {
      const left = i === joint && side === "left" ? "┤" : "│";
      const right = i === joint && side === "right" ? "├" : "│";
      return `${left} ${line.padEnd(width)} ${right}`;
    }),
    edge("└", "┘"),
  ];
}

/** All nodes on one switch, which runs down between two columns of them. */
export function drawLab({ nodes }: LabPlan, bridge: string): string {
  const boxes = nodes.map((node) => boxOf(node, bridge));
  const widthOf = (column: number) =>
    Math.max(0, ...boxes.filter((_, i) => i % 2 === column).map(({ width }) => width));
  const [left, right] = [widthOf(0), widthOf(1)];
  const rows = [" ".repeat(left + 4) + "switch"];
  for (let i = 0; i < boxes.length; i += 2) {
    const first = frame(boxes[i]!, left, "right");
    const other = boxes[i + 1] && frame(boxes[i + 1]!, right, "left");
    first.forEach((line, at) => {
      const joined = at === boxes[i]!.joint + 1;
      const wire = joined ? (other ? "──╫──" : "──╢") : "  ║";
      rows.push(line + (other ? wire.padEnd(5) + other[at] : wire));
    });
  }
  return rows.join("\n") + "\n";
}

/** What a lab has found out about its network. */
export interface LabResults {
  readonly pings: readonly PingResult[];
  /** Undefined where no two pods reach each other. */
  readonly throughput: Throughput | undefined;
  readonly route: Route | undefined;
  /** Why it is not the kernel path, where a node has said so. */
  readonly why: string | undefined;
  /** Whether the nodes have keys. */
  readonly sealed: boolean;
}

/** One line for each result; `colour` marks good and bad ones. */
export function drawResults(
  { pings, throughput, route, why, sealed }: LabResults,
  colour: boolean,
): string {
  const paint = (code: number, text: string) => colour ? `\x1b[${code}m${text}\x1b[0m` : text;
  const line = (good: boolean, text: string) =>
    `${paint(good ? 32 : 31, good ? "ok  " : "FAIL")} ${text}\n`;
  const lines = pings.map(({ from, to, address, sent, received, loss_pct, rtt_ms }) => {
    const rtt = rtt_ms === null ? "no reply" : `${rtt_ms.toFixed(3)} ms`;
    const result = `${received}/${sent} replies, ${Math.round(loss_pct)} % loss, ${rtt}`;
    return line(loss_pct === 0, `pod of ${from} -> pod of ${to} ${address}: ${result}`);
  });
  if (throughput) {
    const { from, to, address, bytes, seconds, bits_per_second } = throughput;
    const speed = `${formatRate(bits_per_second)}, ${formatBytes(bytes)} in ${
      seconds.toFixed(1)
    } s`;
    lines.push(line(bytes > 0, `pod of ${from} -> pod of ${to} ${address}: TCP ${speed}`));
  }
  const how = sealed
    ? "sealed: nobody between the nodes can read or forge anything"
    : "in the clear: nothing is encrypted (lab --encrypt shows it sealed)";
  const reason = why === undefined ? "" : ` (no kernel path: ${why})`;
  if (route) lines.push(line(true, `${ROUTES[route]}${reason}; ${how}`));
  return lines.join("");
}

const ROUTES: Readonly<Record<Route, string>> = {
  "kernel path": "packets take the kernel path: they never leave the kernel",
  lanes: "packets take the lanes: through the program",
};
