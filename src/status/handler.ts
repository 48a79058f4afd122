/** The requests that a node answers, over its status socket and --http alike. Pure. */

import { METRICS_TYPE } from "./format/metrics.ts";
import { page, pagePolicy } from "./format/page/page.ts";
import { HISTORY_SPANS } from "./histories.ts";
import type { LogEntry } from "../base/log.ts";
import { bodyBytes, type HttpAnswer, type HttpStream } from "./http/answer.ts";
import { type HttpRequest, OURS } from "./http/request.ts";
import type { LivePackets } from "./live.ts";
import type { Snapshots } from "./snapshots.ts";

/** What the handler is given. */
export interface HandlerParts {
  readonly snapshots: Snapshots;
  /**
   * Whether a request for this host (the Host header without its port) is meant for us. A page
   * elsewhere can point a name of its own at our address (DNS rebinding), and then read what it
   * asks for: such a name is not ours.
   */
  readonly isOurs: (host: string) => boolean;
  /** The last log lines, the oldest first. */
  readonly events: () => readonly LogEntry[];
  /** The past as JSON; undefined for a query that means nothing. */
  readonly history: (query: URLSearchParams) => Uint8Array | undefined;
  /** What the node finds wrong, as JSON. */
  readonly findings: () => Uint8Array;
  /** Who shows packets; undefined: they are not shown here. */
  readonly packets: Pick<LivePackets, "lines"> | undefined;
}

/** Nothing of ours is to be kept, guessed at, framed or read by other sites' pages. */
const SAFE_HEADERS = {
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
} as const;

/** An answer of ours. */
export function answer(
  body: string | Uint8Array,
  type: string,
  status = 200,
  headers: Readonly<Record<string, string>> = {},
): HttpAnswer {
  return {
    status,
    headers: { ...SAFE_HEADERS, "content-type": type, ...headers },
    body: typeof body === "string" ? bodyBytes(body) : body,
  };
}

/** What an answer in words is. */
export const TEXT = "text/plain; charset=utf-8";

/** The name or address in a Host header, without brackets and port; empty if it has none. */
export function hostOf(header: string | null): string {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+))(?::[0-9]{1,5})?$/.exec(header ?? "");
  return (match?.[1] ?? match?.[2] ?? "").toLowerCase();
}

const NO_PACKETS =
  "Packets are not shown here: that takes --http-trace, or `http_trace: true` in " +
  "the config. `tunnet trace` on the host shows them.\n";

const NOTHING =
  "Nothing here. Try / /status.json /metrics /healthz /history.json /findings.json /events.json\n";

const NO_SPAN = `A span of ${HISTORY_SPANS.join(", ")} seconds: /history.json?span=900\n`;

/** Answers one request. */
export function handle(
  { method, path, query, ours, host }: HttpRequest,
  { snapshots, isOurs, events, history, findings, packets }: HandlerParts,
): HttpAnswer | HttpStream {
  if (!isOurs(hostOf(host))) {
    return answer(
      "This node is not known by that name: ask for it by its address, or name it with --http-host.\n",
      TEXT,
      421,
    );
  }
  if (method !== "GET" && method !== "HEAD") {
    return answer("Only GET.\n", TEXT, 405, { allow: "GET, HEAD" });
  }
  switch (path) {
    case "/": {
      const nonce = crypto.randomUUID();
      return answer(page(nonce), "text/html; charset=utf-8", 200, {
        "content-security-policy": pagePolicy(nonce),
      });
    }
    case "/status.json":
      return answer(snapshots.json(), "application/json");
    case "/metrics":
      return answer(snapshots.metrics(), METRICS_TYPE);
    case "/healthz": {
      const { problems } = snapshots.status().node;
      const healthy = problems.length === 0;
      return answer(healthy ? "ok\n" : `${problems.join("\n")}\n`, TEXT, healthy ? 200 : 503);
    }
    case "/events.json":
      return answer(JSON.stringify(events()) + "\n", "application/json");
    case "/history.json": {
      const body = history(new URLSearchParams(query));
      return body ? answer(body, "application/json") : answer(NO_SPAN, TEXT, 400);
    }
    case "/findings.json":
      return answer(findings(), "application/json");
    case "/trace":
      if (!packets) return answer(NO_PACKETS, TEXT, 403);
      // A page elsewhere could not read it, but could slow the node down by asking.
      if (!ours || method !== "GET") {
        return answer(`Only GET with the header ${OURS}.\n`, TEXT, 403);
      }
      return packets.lines(new URLSearchParams(query));
    default:
      return answer(NOTHING, TEXT, 404);
  }
}
