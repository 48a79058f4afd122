/**
 * The page that --http shows: one self-contained document. It asks for
 * /status.json every second and draws what it gets; nothing else is loaded,
 * from here or from elsewhere, and its policy would not let it. Pure.
 */

import { PAGE_SCRIPT } from "./page_script.ts";
import { PAGE_STYLE } from "./page_style.ts";

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
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>tunnet</title>
<link rel="icon" href="data:image/svg+xml,${ICON}">
<style nonce="${nonce}">${PAGE_STYLE}</style>
</head>
<body>
<header>
  <div class="title">
    <span id="health" class="dot" aria-hidden="true"></span>
    <h1 id="name">tunnet</h1>
    <p id="summary" role="status">asking the node ...</p>
  </div>
  <dl id="facts" class="facts"></dl>
</header>
<main>
  <p id="alarm" class="alarm" role="alert" hidden></p>
  <section class="tiles" aria-label="Totals" id="tiles"></section>
  <section class="panel" aria-labelledby="topology-title">
    <h2 id="topology-title">Topology
      <span class="legend"><i class="out"></i>out <i class="in"></i>in</span>
    </h2>
    <svg id="topology" role="img" aria-label="This node and its peers"></svg>
  </section>
  <section aria-labelledby="peers-title">
    <h2 id="peers-title">Peers</h2>
    <div id="peers" class="cards"></div>
  </section>
  <section class="panel" aria-labelledby="drops-title">
    <h2 id="drops-title">Dropped packets</h2>
    <div id="drops"></div>
  </section>
</main>
<footer>
  <a href="/status.json">/status.json</a>
  <a href="/metrics">/metrics</a>
  <a href="/healthz">/healthz</a>
</footer>
<script nonce="${nonce}">${PAGE_SCRIPT}</script>
</body>
</html>
`;
}

/** Two nodes and what joins them. */
const ICON = encodeURIComponent(
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><path d="M3 8h10" stroke="#3b82f6" ` +
    `stroke-width="2"/><circle cx="3" cy="8" r="3" fill="#3b82f6"/><circle cx="13" cy="8" r="3" ` +
    `fill="#f59e0b"/></svg>`,
);
