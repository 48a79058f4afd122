/** Draws a lab with the results on it. Pure. */

import type { PingResult } from "./pings.ts";
import type { LabNode, LabPlan } from "./topology.ts";

function box(lines: readonly string[]): string[] {
  const width = Math.max(...lines.map((line) => line.length));
  const edge = (left: string, right: string) => left + "─".repeat(width + 2) + right;
  return [
    edge("┌", "┐"),
    ...lines.map((line) => `│ ${line.padEnd(width)} │`),
    edge("└", "┘"),
  ];
}

function nodeLines(
  { name, address, subnets, podAddresses }: LabNode,
  bridge: string,
): string[] {
  const width = Math.max("pod".length, bridge.length) + 3;
  return [
    `${"pod".padEnd(width)}${podAddresses.join("  ") || "(no subnet with room for a pod)"}`,
    "  │",
    `${bridge.padEnd(width)}${subnets.join("  ") || "-"}`,
    "  │",
    `${name}: tunnet0 <-> UDP ${address}`,
  ];
}

/** The nodes side by side, two in a row, over the switch that joins them. */
export function drawLab(plan: LabPlan, bridge: string): string {
  const rows: string[] = [];
  for (let i = 0; i < plan.nodes.length; i += 2) {
    const boxes = plan.nodes.slice(i, i + 2).map((node) => box(nodeLines(node, bridge)));
    const height = boxes[0]!.length;
    for (let line = 0; line < height; line++) {
      const joint = line === height - 2 && boxes.length === 2 ? "════" : "    ";
      rows.push(boxes.map((one) => one[line]!).join(joint).trimEnd());
    }
  }
  return rows.join("\n") + "\n";
}

/** One line for each ping; `colour` marks good and bad ones. */
export function drawPings(pings: readonly PingResult[], colour: boolean): string {
  const paint = (code: number, text: string) => colour ? `\x1b[${code}m${text}\x1b[0m` : text;
  return pings.map(({ from, to, address, sent, received, loss_pct, rtt_ms }) => {
    const good = loss_pct === 0;
    const rtt = rtt_ms === null ? "no reply" : `${rtt_ms} ms`;
    const verdict = paint(good ? 32 : 31, good ? "ok  " : "FAIL");
    const result = `${received}/${sent} replies, ${Math.round(loss_pct)} % loss, ${rtt}`;
    return `${verdict} pod of ${from} -> pod of ${to} ${address}: ${result}\n`;
  }).join("");
}
