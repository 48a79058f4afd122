/**
 * The page that --http shows: one self-contained document. It asks its node again and again and
 * draws what it gets; nothing else is loaded, from here or from elsewhere, and its policy would not
 * let it. Its script is written as modules and put together here. Pure.
 */

import { STATUS_WATCH_INTERVAL_MS } from "../../../base/limits.ts";
import { DROP_MEANINGS } from "../../model/drop_meaning.ts";
import CHART from "./chart.js" with { type: "text" };
import DOM from "./dom.js" with { type: "text" };
import DROPS from "./drops.js" with { type: "text" };
import EVENTS from "./events.js" with { type: "text" };
import FRAME from "./frame.html" with { type: "text" };
import MAIN from "./main.js" with { type: "text" };
import PEERS from "./peers.js" with { type: "text" };
import PROBLEMS from "./problems.js" with { type: "text" };
import STYLE from "./style.css" with { type: "text" };
import TOPOLOGY from "./topology.js" with { type: "text" };
import TRACE from "./trace.js" with { type: "text" };
import UNITS from "./units.js" with { type: "text" };
import WAY from "./way.js" with { type: "text" };

/** Each module after those that it imports from; no two export the same name. */
const MODULES = [DOM, UNITS, CHART, PROBLEMS, WAY, TOPOLOGY, PEERS, TRACE, DROPS, EVENTS, MAIN];

const IMPORT = /^import [^;]*;\n/gm;
const EXPORT = /^export ((?:async )?(?:function|class|const) ([\w$]+))/gm;

/** A module as a function that is run at once and returns what it exports. */
function inline(module: string): string {
  const names = [...module.matchAll(EXPORT)].map(([, , name]) => name);
  const body = module.replaceAll(IMPORT, "").replaceAll(EXPORT, "$1");
  return `const { ${names.join(", ")} } = (() => {\n${body}return { ${
    names.join(", ")
  } };\n})();\n`;
}

/** The script of the page. */
export const PAGE_SCRIPT = ['"use strict";\n', ...MODULES.map(inline)].join("");

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
    "/* meanings */": JSON.stringify(DROP_MEANINGS).replaceAll("<", "\\u003c"),
    "/* style.css */": STYLE,
    "/* script */": PAGE_SCRIPT,
  };
  return FRAME.replace(
    /NONCE|(?<==")INTERVAL_MS|\/\* (?:meanings|style\.css|script) \*\//g,
    (name) => parts[name] ?? name,
  );
}
