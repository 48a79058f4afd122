/** The requests that a node answers, over its status socket and --http alike. Pure. */

import { formatMetrics, METRICS_TYPE } from "./format/metrics.ts";
import { page, pagePolicy } from "./format/page.ts";
import type { Status } from "./model/types.ts";

/** What the handler is given. */
export interface HandlerParts {
  /** The status of this moment. */
  readonly status: () => Status;
  /**
   * Whether a request for this host (the Host header without its port) is meant for us. A page
   * elsewhere can point a name of its own at our address (DNS rebinding), and then read what it
   * asks for: such a name is not ours.
   */
  readonly isOurs: (host: string) => boolean;
}

/** Nothing of ours is to be kept, guessed at, framed or read by other sites' pages. */
const SAFE_HEADERS = {
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
} as const;

function answer(body: string, type: string, status = 200, headers: HeadersInit = {}): Response {
  return new Response(body, {
    status,
    headers: { ...SAFE_HEADERS, "content-type": type, ...headers },
  });
}

const TEXT = "text/plain; charset=utf-8";

/** The name or address in a Host header, without brackets and port; empty if it has none. */
export function hostOf(header: string | null): string {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+))(?::[0-9]{1,5})?$/.exec(header ?? "");
  return (match?.[1] ?? match?.[2] ?? "").toLowerCase();
}

/** Answers one request. */
export function handle(request: Request, { status, isOurs }: HandlerParts): Response {
  if (!isOurs(hostOf(request.headers.get("host")))) {
    return answer(
      "This node is not known by that name: ask for it by its address, or by the name given to --http.\n",
      TEXT,
      421,
    );
  }
  if (request.method !== "GET" && request.method !== "HEAD") {
    return answer("Only GET.\n", TEXT, 405, { allow: "GET, HEAD" });
  }
  const path = request.url.replace(/[?#].*$/s, "").replace(/^[a-z+]+:\/\/[^/]*/, "");
  switch (path) {
    case "/": {
      const nonce = crypto.randomUUID();
      return answer(page(nonce), "text/html; charset=utf-8", 200, {
        "content-security-policy": pagePolicy(nonce),
      });
    }
    case "/status.json":
      return answer(JSON.stringify(status()) + "\n", "application/json");
    case "/metrics":
      return answer(formatMetrics(status()), METRICS_TYPE);
    case "/healthz": {
      const { problems } = status().node;
      const healthy = problems.length === 0;
      return answer(healthy ? "ok\n" : `${problems.join("\n")}\n`, TEXT, healthy ? 200 : 503);
    }
    default:
      return answer("Nothing here. Try / /status.json /metrics /healthz\n", TEXT, 404);
  }
}
