/**
 * The page that --http shows: one self-contained document. It asks for
 * /status.json every second and draws what it gets; nothing else is loaded,
 * from here or from elsewhere, and its policy would not let it. Pure.
 */

import { STATUS_WATCH_INTERVAL_MS } from "../../base/limits.ts";
import STYLE from "./page.css" with { type: "text" };
import FRAME from "./page.html" with { type: "text" };
import SCRIPT from "./page.js" with { type: "text" };

/** The page's content security policy (https://www.w3.org/TR/CSP3): its own style and script only. */
export function pagePolicy(nonce: string): string {
  return [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    `style-src 'nonce-${nonce}'`,
    "connect-src 'self'",
    // The icon, without which a browser asks for /favicon.ico.
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
}

/** The page. `nonce` is new for each answer, and the same as in its policy. */
export function page(nonce: string): string {
  const parts: Readonly<Record<string, string>> = {
    NONCE: nonce,
    INTERVAL_MS: String(STATUS_WATCH_INTERVAL_MS),
    "/* page.css */": STYLE,
    "/* page.js */": SCRIPT,
  };
  return FRAME.replace(
    /NONCE|INTERVAL_MS|\/\* page\.(css|js) \*\//g,
    (name) => parts[name] ?? name,
  );
}
