/** Configs that are made to cost much: each ends soon, in a few lines. */

import { assert, assertThrows } from "../assert.ts";
import { cpuTime_ms } from "../cpu_time.ts";
import { ConfigError } from "../../src/base/errors.ts";
import { CONFIG_PROBLEMS_MAX } from "../../src/base/limits.ts";
import { parseConfig } from "../../src/config/parse.ts";

const SIZE = 1024 * 1024;
/** A hundredth of this alone; many things run at once when all is tested. */
const TIME_MAX_MS = 4_000;
/** A line names its place, and quotes at most 60 characters of the file, six each when escaped. */
const LINE_MAX = 600;

const GOOD = "nodes: [{name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}]\n";

/** As many pieces as make up the size. */
function fill(piece: (i: number) => string, before = "", after = ""): string {
  const pieces = [before];
  for (let i = 0, size = 0; size < SIZE; i++) size += pieces[pieces.push(piece(i)) - 1]!.length;
  return pieces.join("") + after;
}

/** Lists of ten of the one before. */
function laughs(levels: number): string {
  const level = (i: number) => `a${i}: &a${i} [${Array(10).fill(`*a${i - 1}`).join()}]\n`;
  return "a0: &a0 [x]\n" + Array.from({ length: levels }, (_, i) => level(i + 1)).join("");
}

const node = (inner: string) => `x: &n {name: a, address: 10.0.0.1, ${inner}}\n`;
const repeated = (inner: string, count: number) =>
  `${node(inner)}nodes: [${Array(count).fill("*n").join()}]\n`;
const mac = (i: number) =>
  `"02:00:00:00:${(i >> 8).toString(16).padStart(2, "0")}:${
    (i & 255).toString(16).padStart(2, "0")
  }"`;

const BOMBS: Readonly<Record<string, () => string>> = {
  "aliases of aliases": () => `${laughs(11)}nodes: *a11\n`,
  "aliases of aliases that nobody reads": () => laughs(40),
  "a list that holds itself": () => "nodes: &a [*a]\n",
  "a mapping that holds itself": () => "nodes: &a {name: *a}\n",
  "a chain of anchors": () => fill((i) => `- &a${i + 1} [*a${i}]\n`, "- &a0 x\n"),
  "a node many times": () => fill(() => "*n,", `${node("subnets: []")}nodes: [`, "*n]\n"),
  "many subnets of many nodes": () =>
    repeated(`subnets: [${Array(30_000).fill("172.1.0.0/16").join()}]`, 4_096),
  "many MAC addresses of many nodes": () =>
    "mode: tap\n" +
    repeated(`macs: [${Array.from({ length: 4_000 }, (_, i) => mac(i)).join()}]`, 4_096),
  "many unknown keys of many nodes": () =>
    repeated(Array.from({ length: 50_000 }, (_, i) => `k${i}: 1`).join(), 4_096),
  "unknown keys": () => fill((i) => `k${i}: 1\n`) + GOOD,
  "nodes of unknown keys": () => fill((i) => `  - {nam: n${i}, subnet: []}\n`, "nodes:\n"),
  "nodes that are empty": () => fill(() => "{},", "nodes: [", "{}]"),
  "one subnet over and over": () =>
    fill(
      () => "172.1.0.0/16,",
      "nodes: [{name: a, address: 10.0.0.1, subnets: [",
      "172.1.0.0/16]}]",
    ),
  "prefixes with host bits": () =>
    "x: 1\n" +
    `nodes: [{name: a, address: 10.0.0.1, subnets: [${
      Array.from({ length: 40_000 }, (_, i) => `172.${i >> 8 & 255}.${i & 255}.1/24`).join()
    }]}]`,
  "nodes that are all the same": () =>
    fill(() => "  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n", "nodes:\n")
      .split("\n").slice(0, 4_000).join("\n"),
  "lists in lists": () => fill(() => "["),
  "mappings in mappings": () => fill(() => "{a: "),
  "dashes": () => fill(() => "- "),
  "ever deeper": () => fill((i) => `${" ".repeat(i)}a:\n`),
  "deep ones, side by side": () =>
    fill(() => `${"[".repeat(500)}${"]".repeat(500)},`, "nodes: [", "]"),
  "anchors": () => fill((i) => `- &a${i} x\n`),
  "documents": () => fill(() => "---\n"),
  "comments": () => fill(() => "#\n"),
  "spaces": () => fill(() => " "),
  "tabs": () => fill(() => "\t", "a:\n"),
  "spaces and tabs": () => fill(() => `${" ".repeat(100)}\t`),
  "carriage returns": () => fill(() => "\r"),
  "byte order marks": () => fill(() => "\ufeff"),
  "line ends behind backslashes": () => fill(() => "\\\n", 'a: "'),
  "the same, closed": () => fill(() => "\\\n", 'a: "', '"'),
  "the same, as Windows has them": () => fill(() => "\\\r\n", 'a: "', '"'),
  "escapes": () => fill(() => "\\u001b", 'device: "', '"'),
  "folded lines": () => fill(() => " x\n", "a: >\n"),
  "lines of a plain value": () => fill(() => "x\n ", "a: "),
  "a long key": () => fill(() => "a", "? "),
  "a long number": () => fill(() => "9", "port: ", `\n${GOOD}`),
  "a long name": () => fill(() => "a", "default: ", `\n${GOOD}`),
  "a long address": () => fill(() => "1.", "nodes: [{name: a, address: ", "}]"),
  "colons in an address": () => fill(() => ":", 'nodes: [{name: a, address: "', '"}]'),
  "a key over many lines": () => fill(() => "x\n", "[a\n", ": b]"),
  "tag directives": () => fill((i) => `%TAG !a${i}! b\n`, "", "---\nx"),
  "keys of objects": () => "__proto__: {nodes: 1}\nconstructor: {prototype: {x: 1}}\n" + GOOD,
};

for (const [name, make] of Object.entries(BOMBS)) {
  Deno.test(`config bomb: ${name}`, () => {
    const text = make();
    const begin_ms = cpuTime_ms();
    const error = assertThrows(() => parseConfig(text, "t.yaml"), ConfigError);
    const took_ms = cpuTime_ms() - begin_ms;
    assert(took_ms < TIME_MAX_MS, `${took_ms} ms`);
    const lines = error.message.split("\n");
    assert(lines.length <= CONFIG_PROBLEMS_MAX + 1, `${lines.length} lines`);
    for (const line of lines) {
      assert(line.length <= LINE_MAX, line.slice(0, 2 * LINE_MAX));
      // deno-lint-ignore no-control-regex
      assert(!/[\x00-\x1f\x7f-\x9f\u202a-\u202e]/.test(line), JSON.stringify(line));
    }
  });
}

Deno.test("config bomb: warnings are as few, on one line each", () => {
  const subnets = Array.from({ length: 1_000 }, (_, i) => `172.${i >> 8}.${i & 255}.1/24`).join();
  const text = `nodes: [{name: a, address: 10.0.0.1, subnets: [${subnets}]}]`;
  const { warnings } = parseConfig(text, "t\n\x1b\x9b2J.yaml");
  assert(warnings.length === CONFIG_PROBLEMS_MAX + 1, `${warnings.length}`);
  assert(warnings.at(-1) === "t\\n\\u001b\\u009b2J.yaml: and 980 more warnings", warnings.at(-1));
  // deno-lint-ignore no-control-regex
  for (const warning of warnings) assert(!/[\x00-\x1f\x7f-\x9f]/.test(warning), warning);
});
