/** Types of the part of @std/cli/parse-args that is used (npm's deno-std ships none). */

export interface ParseOptions {
  /** Flags whose value stays text; `_` holds the positional arguments. */
  readonly string?: readonly string[];
  readonly boolean?: readonly string[];
  /** Flags whose values are gathered in a list. */
  readonly collect?: readonly string[];
  /** Long name to short name. */
  readonly alias?: Readonly<Record<string, string>>;
  /** Called for what is none of the above; `key` is undefined for a positional argument. */
  readonly unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

export interface ParsedArgs {
  readonly _: readonly (string | number)[];
  readonly [name: string]: unknown;
}

export function parseArgs(args: readonly string[], options?: ParseOptions): ParsedArgs;
