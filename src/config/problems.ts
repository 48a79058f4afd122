/** Collects every problem of a config, each with its place, to report them all at once. Pure. */

import { ConfigError, type ErrorParts } from "../base/errors.ts";
import { CONFIG_PROBLEMS_MAX } from "../base/limits.ts";
import { escapeControls } from "../base/text.ts";
import type { Result } from "./values.ts";

/** Problems and warnings found so far in one source. */
export class Problems {
  readonly #problems: ErrorParts[] = [];
  readonly #warnings: string[] = [];
  #left_off = 0;
  #warnings_left_off = 0;

  /** `source` leads each line: a file's path, `embedded`, or nothing for the command line. */
  constructor(readonly source: string) {}

  #place(path: string): string {
    return [this.source, path].filter((part) => part !== "").map((part) => `${part}: `).join("");
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
    const more = `${this.#place("")}and ${this.#warnings_left_off} more warnings`;
    return this.#warnings_left_off > 0 ? [...this.#warnings, escapeControls(more)] : this.#warnings;
  }

  /** Notes a problem at a path such as `nodes[1].subnets[0]`; "" is the whole source. */
  add(path: string, parts: ErrorParts): void {
    if (this.full) this.#left_off++;
    else this.#problems.push({ ...parts, what: this.#place(path) + parts.what });
  }

  /** Notes something that works, but probably not as meant. */
  warn(path: string, text: string): void {
    if (this.#warnings.length >= CONFIG_PROBLEMS_MAX) this.#warnings_left_off++;
    else this.#warnings.push(escapeControls(this.#place(path) + text));
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
    const more = { what: `${this.#place("")}and ${this.#left_off} more problems` };
    throw new ConfigError(this.#left_off > 0 ? [...this.#problems, more] : this.#problems);
  }
}
