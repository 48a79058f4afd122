/** The checks as text and as JSON. Pure. */

import type { NodeConfig } from "../../config/types.ts";
import type { Check, Status } from "./check.ts";

/** Version of the JSON: raised when a field changes its meaning or goes. */
const REPORT_VERSION = 1;

const SIGNS: Readonly<Record<Status, readonly [text: string, colour: number]>> = {
  ok: ["ok  ", 32],
  warn: ["warn", 33],
  fail: ["FAIL", 31],
  skip: ["skip", 90],
};

function count(checks: readonly Check[], status: Status): number {
  return checks.filter((check) => check.status === status).length;
}

/** Whether nothing would stop tunnet: no check failed. */
export function allWell(checks: readonly Check[]): boolean {
  return count(checks, "fail") === 0;
}

/** A line for each check, and below what is wrong the command that fixes it. */
export function reportText(
  self: Pick<NodeConfig, "name">,
  checks: readonly Check[],
  colour: boolean,
): string {
  const paint = (code: number, text: string) => colour ? `\x1b[${code}m${text}\x1b[0m` : text;
  const lines = checks.flatMap(({ title, status, why, fix, lasting, fixOn }) => {
    const [text, code] = SIGNS[status];
    const line = `${paint(code, text)} ${title}: ${why}`;
    if (fix === undefined) return [line];
    const on = fixOn ? ` on ${fixOn}` : "";
    const rest = lasting === undefined ? [] : [`     for good${on}: ${lasting}`];
    return [line, `     ${paint(1, `fix${on}: ${fix}`)}`, ...rest];
  });
  const fails = count(checks, "fail");
  const others = (["warn", "skip"] as const).map((status) => [count(checks, status), status])
    .filter(([found]) => found !== 0)
    .map(([found, status]) => `${found} ${status === "warn" ? "to look at" : "not looked at"}`);
  const runs = !checks.some(({ id, status }) => id === "running" && status !== "ok");
  const well = runs ? "all is well" : "nothing is in its way, but it does not run";
  const result = `${self.name}: ${fails === 0 ? well : `${fails} to fix`}`;
  return [...lines, "", [result, ...others].join(", ")].join("\n") + "\n";
}

/** For programs. */
export function reportJson(self: Pick<NodeConfig, "name">, checks: readonly Check[]) {
  return {
    version: REPORT_VERSION,
    node: self.name,
    ok: allWell(checks),
    checks: checks.map(({ id, title, status, why, fix, lasting, fixOn }) => ({
      id,
      title,
      status,
      why,
      fix: fix ?? null,
      fix_for_good: lasting ?? null,
      fix_on: fix === undefined ? null : fixOn ?? self.name,
    })),
  };
}
