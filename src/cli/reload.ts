/** `tunnet reload`: has the running node read its config again, and tells what came of it. */

import { netnsName } from "../host/netns.ts";
import { findSocket } from "../status/client.ts";
import { askReload } from "../status/reload.ts";
import type { ReloadOptions } from "./parse/args.ts";
import { jsonText } from "./output.ts";

/** What the command prints, and how it ends. */
export interface ReloadOutput {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

/** Reloads a node. Throws a RunError when no node answers. */
export async function reload({ socket, device, json }: ReloadOptions): Promise<ReloadOutput> {
  const path = findSocket({ socket, device, netns: netnsName(), uid: Deno.uid() ?? 0 });
  const outcome = await askReload(path);
  const { ok, exitCode, lines } = outcome;
  if (json) return { stdout: jsonText(outcome), stderr: "", exitCode };
  const text = (prefix: string) => lines.map((line) => `${prefix}${line}\n`).join("");
  return ok
    ? { stdout: text(""), stderr: "", exitCode }
    : { stdout: "", stderr: text("tunnet: error: "), exitCode };
}
