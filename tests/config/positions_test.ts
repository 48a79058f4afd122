/** Lines of values: each scalar of a random text is a word of its own, which a naive search finds. */

import { findLines, findUnclosed } from "../../src/config/positions.ts";
import { readYaml, type YamlValue } from "../../src/config/yaml.ts";
import { assert, assertEquals } from "../assert.ts";
import { type Random, random } from "../fuzz/random.ts";

const TEXTS = 400;

/** Writes random values as YAML, in any style; scalars are w0, w1 and so on. */
class Writer {
  #words = 0;
  constructor(readonly random: Random) {}

  #pick = (count: number) => this.random.below(count);

  #scalar(): string {
    const word = `w${this.#words++}`;
    return [word, `"${word}"`, `'${word}'`, `${word} # [c`][this.#pick(4)]!;
  }

  /** In brackets, on one line or on several. */
  flow(depth: number): string {
    const gap = () => [" ", "\n      ", " # {c\n     "][this.#pick(3)];
    const kind = depth > 2 ? 2 : this.#pick(3);
    if (kind === 2) return `"w${this.#words++}"`;
    const entries = Array.from(
      { length: this.#pick(4) },
      (_, i) => kind === 0 ? this.flow(depth + 1) : `"k${i}": ${this.flow(depth + 1)}`,
    );
    const inner = entries.map((entry) => gap() + entry).join(",");
    return kind === 0 ? `[${inner}${gap()}]` : `{${inner}${gap()}}`;
  }

  /** Lines of an entry whose head (`key:` or `-`) ends just before. */
  #below(indent: number, depth: number): string {
    const kind = depth > 3 ? 0 : this.#pick(6);
    if (kind === 0) return ` ${this.#scalar()}\n`;
    if (kind === 1) return ` ${this.flow(1)}\n`;
    if (kind === 2) return ` |\n${" ".repeat(indent + 2)}k9: [x\n`;
    return `\n\n${" ".repeat(indent)}# k0: c\n${this.block(indent + 2, depth + 1)}`;
  }

  block(indent: number, depth: number): string {
    const list = depth > 0 && this.#pick(2) === 0;
    return Array.from({ length: 1 + this.#pick(3) }, (_, i) => {
      const pad = " ".repeat(indent);
      if (!list) return `${pad}k${i}:${this.#below(indent, depth)}`;
      // The first key of a mapping beside the dash.
      return this.#pick(2) === 0
        ? `${pad}- k0: ${this.#scalar()}\n${pad}  k1:${this.#below(indent + 2, depth + 1)}`
        : `${pad}-${this.#below(indent, depth)}`;
    }).join("");
  }
}

/** Paths of the scalars that are words. */
function words(value: YamlValue, path: string): [path: string, word: string][] {
  if (typeof value === "string") return /^w\d+$/.test(value) ? [[path, value]] : [];
  if (value === null) return [];
  const list = Array.isArray(value);
  return Object.entries(value).flatMap(([key, inner]) =>
    words(inner, list ? `${path}[${key}]` : path === "" ? key : `${path}.${key}`)
  );
}

Deno.test("positions: the line of every scalar of random texts, in block and flow style and JSON", () => {
  const numbers = random(13);
  let seen = 0;
  for (let i = 0; i < TEXTS; i++) {
    const writer = new Writer(numbers);
    const text = i % 4 === 0 ? `{"k0": ${writer.flow(0)}}` : writer.block(0, 0);
    const { value, problem } = readYaml(text) as { value: YamlValue; problem?: unknown };
    assertEquals(problem, undefined, text);
    const all = words(value, "");
    const line = findLines(text, all.map(([path]) => path));
    for (const [path, word] of all) {
      const naive = text.split("\n").findIndex((one) => new RegExp(`\\b${word}\\b`).test(one)) + 1;
      // In flow style the value may be on a line below its key.
      const key = text.split("\n")[line(path)! - 1]!;
      assert(line(path) === naive || key.includes(`${path.split(".").at(-1)}`), `${path}\n${text}`);
      seen++;
    }
  }
  assert(seen > 1_000);
});

const CASES: readonly (readonly [text: string, path: string, line: number | undefined])[] = [
  ["a: 1\r\nb: 2\r\n", "b", 2],
  ["---\n# c\na: 1\n", "a", 3],
  ["a:\n- x\n- y\nb: 1\n", "a[1]", 3],
  ["a:\n- x\n- y\nb: 1\n", "b", 4],
  ["a: &x [1,\n 2]\nb: *x\n", "a[1]", 2],
  ["a: &x [1,\n 2]\nb: *x\n", "b[1]", 3],
  ["nodes: [{}]\n", "nodes[0].name", 1],
  ["'a.b': 1\n\na: {b: 1}\n", "a.b", 3],
  ["a: one\n  b: two\nc: 3\n", "a.b", 1],
  ["? a\n: b\n", "a", undefined],
  ["", "a", undefined],
];

for (const [text, path, line] of CASES) {
  Deno.test(`positions: ${path} in ${JSON.stringify(text)}`, () => {
    assertEquals(findLines(text, [path])(path), line);
  });
}

const UNCLOSED: readonly (readonly [text: string, opening: string | undefined])[] = [
  ["a: [1, 2]\nb: {c: 'd'}\n", undefined],
  ["a: [1, 2\nb: [3]\n", "[1"],
  ["a: {b: [1}\n", "[1"],
  ['a: "b\nc: "d"\n', '"b'],
  ["a: it's\n", undefined],
];

for (const [text, opening] of UNCLOSED) {
  Deno.test(`positions: what is not closed in ${JSON.stringify(text)}`, () => {
    const offset = findUnclosed(text);
    assertEquals(offset, opening === undefined ? undefined : text.indexOf(opening));
  });
}
