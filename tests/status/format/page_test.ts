import { assert, assertEquals, assertFalse, assertStringIncludes } from "../../assert.ts";
import { DROPS } from "../../../src/forwarding/counters.ts";
import { page, PAGE_SCRIPT, pagePolicy } from "../../../src/status/format/page/page.ts";
import PAGE_STYLE from "../../../src/status/format/page/style.css" with { type: "text" };

const HTML = page("n0nce");

Deno.test("page: what is inline bears the nonce that the policy names", () => {
  assertEquals(HTML.match(/<(script|style)\b[^>]*>/g), [
    '<style nonce="n0nce">',
    // Data, which is not run.
    '<script type="application/json" id="meanings">',
    '<script nonce="n0nce">',
  ]);
  assertStringIncludes(pagePolicy("n0nce"), "script-src 'nonce-n0nce'");
  assertStringIncludes(pagePolicy("n0nce"), "style-src 'nonce-n0nce'");
  assertFalse(pagePolicy("n0nce").includes("unsafe"));
});

Deno.test("page: style and script are in their places, and no place is left empty", () => {
  assertStringIncludes(HTML, PAGE_STYLE);
  assertStringIncludes(HTML, PAGE_SCRIPT);
  assertStringIncludes(HTML, 'data-interval-ms="1000"');
  assertFalse(/NONCE|="INTERVAL_MS"|\/\* (meanings|style|script)/.test(HTML));
});

Deno.test("page: refers to nothing but its own node", () => {
  const links = [...HTML.matchAll(/\b(?:href|src)="([^"]*)"/g)].map(([, link]) => link!);
  assert(links.length > 0);
  for (const link of links) assert(/^(data:image\/svg\+xml,|\/[a-z]|#)/.test(link), link);
  const addresses = new Set(HTML.match(/\b[a-z]+:\/\/[^\s"')]+/g) ?? []);
  // The name of a namespace, which is looked up nowhere.
  assertEquals([...addresses], ["http://www.w3.org/2000/svg"]);
  assertFalse(/url\(|@import/.test(PAGE_STYLE));
});

Deno.test("page: text of the status never becomes markup", () => {
  assertFalse(/innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b/.test(PAGE_SCRIPT));
  assertFalse(/<\/(script|style)/i.test(PAGE_SCRIPT + PAGE_STYLE));
  assertFalse(/\son[a-z]+=|\sstyle=/.test(HTML.replace(PAGE_SCRIPT, "").replace(PAGE_STYLE, "")));
});

Deno.test("page: knows what every drop means", () => {
  const [, text] = /id="meanings">([^<]*)</.exec(HTML)!;
  assertEquals(Object.keys(JSON.parse(text!)).sort(), [...DROPS].sort());
});

Deno.test("page: of the script's modules, none is one any more", () => {
  assertFalse(/^(import|export) /m.test(PAGE_SCRIPT));
});

Deno.test("page: the script parses", () => {
  // The constructor compiles the text, and does not run it.
  assert(new Function(PAGE_SCRIPT) instanceof Function);
});
