/** Has the running node read its config again, over its status socket. */

import { RELOAD_TIMEOUT_MS } from "../base/limits.ts";
import type { ReloadOutcome } from "../peers/source/source.ts";
import { askNode } from "./client.ts";
import { answer } from "./handler.ts";
import type { HttpAnswer } from "./http/answer.ts";
import type { HttpRequest } from "./http/request.ts";

/** Path of the request, which is to be a POST. */
const RELOAD_PATH = "/reload";

/** Whether a request asks for a reload. */
export function isReload({ method, path }: HttpRequest): boolean {
  return method === "POST" && path === RELOAD_PATH;
}

/** The answer to a reload. */
export function reloadAnswer(outcome: ReloadOutcome): HttpAnswer {
  return answer(JSON.stringify(outcome), "application/json");
}

function readOutcome(body: string): ReloadOutcome {
  const outcome: ReloadOutcome = JSON.parse(body);
  if (typeof outcome?.ok !== "boolean" || !Array.isArray(outcome.lines)) {
    throw new Error("its answer is not what became of a reload");
  }
  return outcome;
}

/** Asks the node behind a socket to reload. Throws a RunError when there is no right answer. */
export async function askReload(path: string): Promise<ReloadOutcome> {
  return await askNode(path, "POST", RELOAD_PATH, RELOAD_TIMEOUT_MS, readOutcome);
}
