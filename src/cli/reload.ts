/** `tunnet reload`: has the running node read its config again, and tells what came of it. */

import { askReload } from "../status/reload.ts";
import type { Options } from "./commands.ts";
import { jsonText, show } from "./output.ts";
import { socketOf } from "./running.ts";

/** Reloads a node; resolves to the exit status. Throws a RunError when no node answers. */
export async function runReload(options: Options["reload"]): Promise<number> {
  const outcome = await askReload(socketOf(options));
  const { ok, exitCode, lines } = outcome;
  if (options.json) return show({ stdout: jsonText(outcome), exitCode });
  const text = (prefix: string) => lines.map((line) => `${prefix}${line}\n`).join("");
  return ok
    ? show({ stdout: text(""), exitCode })
    : show({ stdout: "", stderr: text("tunnet: error: "), exitCode });
}
