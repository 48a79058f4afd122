/** YAML text to plain values, with its errors in our words. Pure. */

// @ts-types="./yaml.d.ts"
import { parse, YamlSyntaxError } from "@std/yaml";
import type { ErrorParts } from "../base/errors.ts";
import {
  CONFIG_BRACKETS_MAX,
  CONFIG_ESCAPED_LINE_ENDS_MAX,
  CONFIG_VALUES_MAX,
} from "../base/limits.ts";
import { findUnclosed } from "./positions.ts";

/** What a YAML text holds: scalars stay the text that was written, an absent value is null. */
export type YamlValue = string | null | readonly YamlValue[] | YamlMapping;
/** A YAML mapping. Read it by Object.keys and Object.hasOwn only: keys come from the user. */
export interface YamlMapping {
  readonly [key: string]: YamlValue;
}

/** A value, or what is wrong with the text. */
export type YamlResult =
  | { readonly value: YamlValue; readonly problem?: undefined }
  | { readonly problem: ErrorParts };

/** `line L, column C` (both from 1) of an offset. */
function place(text: string, offset: number): string {
  const before = text.slice(0, offset).split(/\r\n|\r|\n/);
  return `line ${before.length}, column ${before[before.length - 1]!.length + 1}`;
}

/** What costs the parser much for its length, and how often it may occur in a text. */
const COSTLY = [
  { pattern: /\\[\r\n]/g, max: CONFIG_ESCAPED_LINE_ENDS_MAX, what: "line ends behind a \\" },
  { pattern: /[[{]/g, max: CONFIG_BRACKETS_MAX, what: "opening brackets" },
] as const;

/** Offset of the match that is one too many. */
function excess(text: string, pattern: RegExp, max: number): number | undefined {
  pattern.lastIndex = 0;
  for (let count = 0; pattern.test(text);) {
    if (++count > max) return pattern.lastIndex - 1;
  }
  return undefined;
}

/**
 * Whether there are more values than a config can need. Those behind an alias count each time; one
 * that holds itself holds endlessly many.
 */
function holdsTooMuch(value: YamlValue): boolean {
  const open = [value];
  for (let seen = 1; open.length > 0;) {
    const next = open.pop()!;
    if (typeof next !== "object" || next === null) continue;
    const inner = Object.values(next);
    seen += inner.length;
    if (seen > CONFIG_VALUES_MAX) return true;
    for (const one of inner) open.push(one);
  }
  return false;
}

/** A tab before the first character of a line that is no comment. */
const TAB_INDENT = /^ *\t[\t ]*[^\s#]/m;

/** What the parser would not say, or say badly. */
function plainProblem(text: string): ErrorParts | undefined {
  const nul = text.indexOf("\0");
  if (nul >= 0) {
    const how = "a file saved as UTF-8 text";
    return { what: `${place(text, nul)}: not YAML`, why: "NUL character", how };
  }
  for (const { pattern, max, what } of COSTLY) {
    const at = excess(text, pattern, max);
    if (at !== undefined) {
      return { what: `${place(text, at)}: not a config`, why: `over ${max} ${what}` };
    }
  }
  // The parser counts a tab as no indentation at all, so the line would move to another mapping.
  const indent = TAB_INDENT.exec(text);
  if (indent === null) return undefined;
  const tab = indent.index + indent[0].indexOf("\t");
  return { what: `${place(text, tab)}: not YAML`, why: "a tab in the indentation", how: "spaces" };
}

/** What the parser says about the commonest slips, and how to fix them. */
const HINTS: readonly (readonly [pattern: RegExp, why: string, how: string])[] = [
  [/duplicated key/, "this key is twice in one mapping", "keep one of the two"],
  [/non-printable|valid JSON character/, "control character", "delete the character"],
  [/unknown tag|tag property|explicit tag|kind for !/, "YAML tags are not used here", "no !tag"],
  [/within a single quoted/, "a ' is never closed", "a closing '"],
  [/within a double quoted/, 'a " is never closed', 'a closing "'],
  [/escape sequence|hexadecimal/, "unknown \\ escape", "'single quotes', which know no escapes"],
  [/missing comma/, "a comma is missing between two entries", "[A, B]"],
  [/within a flow collection/, "a [ or { is never closed", "a closing ] or }"],
  [/whitespace character is expected after/, "no space after the colon", "KEY: VALUE"],
  [/missing colon|multiline key/, "a key has no colon", "KEY: VALUE"],
  [/bad indentation/, "indentation does not match the lines above", "the same number of spaces"],
  [
    /unidentified alias/,
    "an alias (*name) without its anchor (&name)",
    "quotes around a leading *",
  ],
  [/more than 1 document/, "a second document begins after ---", "one document"],
  [/end of the stream or a document separator/, "text after the end of a value", "one mapping"],
];

/** How each of them is closed. */
const CLOSING: Readonly<Record<string, string>> = { "[": "]", "{": "}", '"': '"', "'": "'" };

/** A line that begins like a key and its value, but lacks the colon. */
const NO_COLON_LINE = /^\s*(?:- +\w+ +[^\s#]|\w+(?:\s|$))(?!.*:(?:\s|$))/;

/**
 * Offset of the line above that lacks a colon: the parser notices only below. Undefined if that one
 * is not to blame.
 */
function lineWithoutColon(text: string, offset: number): number | undefined {
  const lines = text.slice(0, offset).split(/(?<=\n)/);
  if (!lines.at(-1)!.endsWith("\n")) lines.pop();
  while (/^\s*(?:#|$)/.test(lines.at(-1) ?? "x")) lines.pop();
  const last = lines.pop() ?? "";
  if (!NO_COLON_LINE.test(last)) return undefined;
  return lines.reduce((sum, line) => sum + line.length, 0) + last.search(/\S/);
}

function syntaxProblem(text: string, error: YamlSyntaxError): ErrorParts {
  const unclosed = findUnclosed(text);
  if (unclosed !== undefined && unclosed < error.offset) {
    const opening = text[unclosed]!;
    return {
      what: `${place(text, unclosed)}: not YAML`,
      why: `a ${opening} is never closed`,
      how: `a closing ${CLOSING[opening]}`,
    };
  }
  const colon = lineWithoutColon(text, error.offset);
  const what = `${place(text, colon ?? error.offset)}: not YAML`;
  const hint = HINTS.find(([pattern]) =>
    pattern.test(colon === undefined ? error.message : "missing colon")
  );
  return hint
    ? { what, why: hint[1], how: hint[2] }
    : { what, why: "it breaks off or is misplaced" };
}

/**
 * Reads one YAML document. Scalars are not interpreted: `no`, `22:22`, `1e3` and
 * `010` stay the text that the user wrote, whatever YAML 1.1 makes of them.
 */
export function readYaml(source: string): YamlResult {
  const text = source.startsWith("\ufeff") ? source.slice(1) : source;
  const problem = plainProblem(text);
  if (problem) return { problem };
  try {
    const value = parse(text, { schema: "failsafe" }) as YamlValue;
    if (!holdsTooMuch(value)) return { value };
    const why = `over ${CONFIG_VALUES_MAX} values in it, each alias counted with what it repeats`;
    return { problem: { what: "not a config", why, how: "fewer nodes, subnets and aliases" } };
  } catch (error) {
    if (error instanceof YamlSyntaxError) return { problem: syntaxProblem(text, error) };
    // The parser recurses once per level: deep nesting exhausts the stack.
    if (error instanceof RangeError) {
      return { problem: { what: "not a config", why: "nested too deeply", how: "tunnet init" } };
    }
    throw error;
  }
}
