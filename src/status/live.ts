/** Packets of a running node as they go by: who serves them, and who asks for them. */

import { type ErrorParts, RunError, UsageError } from "../base/errors.ts";
import { STATUS_TIMEOUT_MS } from "../base/limits.ts";
import { connectNode, failure } from "./client.ts";
import type { HttpAnswer, HttpStream } from "./http/answer.ts";

/** Answers of packets; `inspect/trace/live.ts` has the real ones. The query has `filter`. */
export interface LivePackets {
  readonly lines: (query: URLSearchParams) => HttpAnswer | HttpStream;
  readonly capture: (query: URLSearchParams) => HttpAnswer | HttpStream;
}

/** What is asked for. */
export interface LiveRequest {
  readonly what: "trace" | "pcap";
  readonly filter: string;
  readonly colour: boolean;
  readonly signal: AbortSignal;
}

function readParts(body: string): ErrorParts {
  try {
    const { what, why, how } = JSON.parse(body);
    if (typeof what === "string") return { what, why, how };
  } catch {
    // It is another server's, or an older node's.
  }
  return { what: "the node does not show its packets", how: "a node of this version" };
}

/**
 * Asks the node behind a socket for its packets, until the signal. Throws a RunError where there is
 * no right answer, a UsageError for a filter that means nothing.
 */
export async function* askPackets(
  path: string,
  { what, filter, colour, signal }: LiveRequest,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const query = new URLSearchParams({
    ...(filter ? { filter } : {}),
    ...(colour ? { colour: "1" } : {}),
  });
  try {
    using client = await connectNode(path);
    const response = await fetch(`http://127.0.0.1/${what}?${query}`, { client, signal });
    if (response.status !== 200) {
      const parts = readParts(await response.text());
      throw response.status === 400 ? new UsageError(parts) : new RunError(parts);
    }
    for await (const chunk of response.body ?? []) yield chunk;
  } catch (error) {
    if (signal.aborted) return;
    if (error instanceof UsageError || error instanceof RunError) throw error;
    return failure(error, path, STATUS_TIMEOUT_MS);
  }
}
