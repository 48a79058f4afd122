/** What a running node has for those who ask another process, which serves its page. */

import { RunError, UsageError } from "../base/errors.ts";
import { STATUS_TIMEOUT_MS } from "../base/limits.ts";
import { askNode } from "./client.ts";
import { answer } from "./handler.ts";
import { bodyBytes, type WriteSome } from "./http/answer.ts";
import type { HttpRequest } from "./http/request.ts";
import { askPackets, type LivePackets } from "./live.ts";

/** What is forwarded as it comes; what else a node has is made of its status. */
const FORWARDED: ReadonlySet<string> = new Set(["/history.json", "/findings.json"]);

/**
 * Asks the node behind a socket for the body of such an answer; undefined for other requests. Throws
 * a RunError where there is no right one.
 */
export async function forwardedBody(
  path: string,
  { path: wanted, query }: HttpRequest,
): Promise<Uint8Array | undefined> {
  if (!FORWARDED.has(wanted)) return undefined;
  const resource = query ? `${wanted}?${query}` : wanted;
  return bodyBytes(await askNode(path, "GET", resource, STATUS_TIMEOUT_MS, (body) => body));
}

/**
 * Asks the node behind a socket for what is asked for here. A stream has begun before the node
 * answers: what it refuses is a line of its own, `{"problem":{"what":...}}`.
 */
export function forwardedPackets(path: string): Pick<LivePackets, "lines"> {
  return {
    lines: (query) => ({
      headers: answer("", "application/x-ndjson").headers,
      start(write, close) {
        const ended = new AbortController();
        void pipe(path, query.get("filter") ?? "", ended.signal, write).finally(close);
        return () => ended.abort();
      },
    }),
  };
}

async function pipe(
  path: string,
  filter: string,
  signal: AbortSignal,
  write: WriteSome,
): Promise<void> {
  const writeAll = async (bytes: Uint8Array<ArrayBuffer>) => {
    for (let at = 0; at < bytes.length;) at += await write(bytes.subarray(at));
  };
  try {
    const asked = { what: "trace", filter, colour: false, signal } as const;
    for await (const chunk of askPackets(path, asked)) await writeAll(chunk);
  } catch (error) {
    // Whoever asked here has gone, or the node refuses.
    if (!(error instanceof UsageError || error instanceof RunError)) return;
    const line = `${JSON.stringify({ problem: error.parts })}\n`;
    await writeAll(new TextEncoder().encode(line)).catch(() => {});
  }
}
