/** Collects every problem of a config, each with its place, to report them all at once. Pure. */

import { ConfigError, type ErrorParts } from "../base/errors.ts";
import { CONFIG_PROBLEMS_MAX } from "../base/limits.ts";
import { escapeControls } from "../base/text.ts";
import { findLines } from "./positions.ts";
import type { Result } from "./values.ts";

/** What is wrong, or worth a warning, and where. */
interface Noted {
  readonly path: string;
  /** Path of what is on the line to be named. */
  readonly at: string;
  readonly parts: ErrorParts;
}

/** A node, and perhaps one of its keys with the number of an entry. */
const NODE_PATH = /^nodes\[(\d+)\](?:\.(\w+)(?:\[\d+\])?)?$/;

/** Problems and warnings found so far in one source. */
export class Problems {
  /** Names of the nodes in the order of the source; undefined for those without a usable one. */
  names: readonly (string | undefined)[] = [];
  readonly #problems: Noted[] = [];
  readonly #warnings: Noted[] = [];
  #left_off = 0;
  #warnings_left_off = 0;

  /**
   * `source` leads each line: a file's path, `embedded`, or nothing for the command line. `text` is
   * what is in it, to tell lines.
   */
  constructor(readonly source: string, readonly text = "") {}

  /** Parts of a line's beginning, joined. */
  #place(...places: readonly string[]): string {
    return [this.source, ...places].filter((part) => part !== "").map((part) => `${part}: `)
      .join("");
  }

  #node(index: string): string {
    return `node ${this.names[Number(index)] ?? `number ${Number(index) + 1}`}`;
  }

  /** A path in words, within a sentence: `the subnets of node a`. */
  where(path: string): string {
    const [, index, key] = NODE_PATH.exec(path) ?? [];
    if (index === undefined) return path;
    return key === undefined ? this.#node(index) : `the ${key} of ${this.#node(index)}`;
  }

  /** Texts of what was noted: `FILE: line 4, node a: subnets: WHAT`. */
  #located(noted: readonly Noted[]): ErrorParts[] {
    const lineOf = this.text === ""
      ? () => undefined
      : findLines(this.text, noted.map(({ at }) => at));
    return noted.map(({ path, at, parts }) => {
      const [, index, ofNode] = NODE_PATH.exec(path) ?? [];
      const key = index === undefined ? path.replace(/\[\d+\]$/, "") : ofNode ?? "";
      const line = path === "" && at === "" ? undefined : lineOf(at);
      const head = [
        ...(line === undefined ? [] : [`line ${line}`]),
        ...(index === undefined ? [] : [this.#node(index)]),
      ].join(", ");
      return { ...parts, what: this.#place(head, key) + parts.what };
    });
  }

  /** How many problems there are. */
  get count(): number {
    return this.#problems.length + this.#left_off;
  }

  /** Whether further problems are only counted: no need to word them well. */
  get full(): boolean {
    return this.#problems.length >= CONFIG_PROBLEMS_MAX;
  }

  /** One line per warning. */
  get warnings(): readonly string[] {
    const more = { what: `${this.#place()}and ${this.#warnings_left_off} more warnings` };
    return [...this.#located(this.#warnings), ...(this.#warnings_left_off > 0 ? [more] : [])]
      .map(({ what }) => escapeControls(what));
  }

  /**
   * Notes a problem at a path such as `nodes[1].subnets[0]`; "" is the whole source. `at` is the
   * path whose line is to be named.
   */
  add(path: string, parts: ErrorParts, at = path): void {
    if (this.full) this.#left_off++;
    else this.#problems.push({ path, at, parts });
  }

  /** Notes something that works, but probably not as meant. */
  warn(path: string, text: string): void {
    if (this.#warnings.length >= CONFIG_PROBLEMS_MAX) this.#warnings_left_off++;
    else this.#warnings.push({ path, at: path, parts: { what: text } });
  }

  /** The value of a result; its problem or warning is noted at the path. */
  take<T>(path: string, result: Result<T>): T | undefined {
    if (result.problem) {
      this.add(path, result.problem);
      return undefined;
    }
    if (result.warning) this.warn(path, result.warning);
    return result.value;
  }

  /** Throws ConfigError with all problems, if there are any. */
  throwIfAny(): void {
    if (this.#problems.length === 0) return;
    const more = { what: `${this.#place()}and ${this.#left_off} more problems` };
    const all = this.#located(this.#problems);
    throw new ConfigError(this.#left_off > 0 ? [...all, more] : all);
  }
}
