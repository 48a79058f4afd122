/** The arguments of one command, taken apart but still text. Pure. */

// @ts-types="./parse_args.d.ts"
import { parseArgs } from "@std/cli/parse-args";
import { quote, type Result } from "../../config/values.ts";
import { type ErrorParts, UsageError } from "../../base/errors.ts";
import { nearest } from "../../base/text.ts";
import type { CommandSpec } from "./flags.ts";

/** Throws a UsageError. */
export function fail(parts: ErrorParts): never {
  throw new UsageError(parts);
}

/** The long flag that was probably meant; dashes do not count as likeness. */
export function nearestFlag(flag: string, names: readonly string[]): string | undefined {
  const near = flag.startsWith("--") ? nearest(flag.slice(2), names) : undefined;
  return near && `--${near}`;
}

function unknownFlag(arg: string, command: CommandSpec): never {
  const flag = arg.replace(/=.*$/s, "");
  const how = `tunnet ${command.name} --help`;
  const near = nearestFlag(flag, command.flags.map(({ name }) => name));
  return fail({
    what: `unknown flag ${quote(flag)}`,
    why: near && `did you mean ${quote(near)}?`,
    how,
  });
}

/** A command's flags and positional arguments, still as text. */
export interface RawArgs {
  readonly positional: readonly string[];
  /** Values of a flag, in order; none if it was not given. */
  values(name: string): readonly string[];
  /** The value of a flag that may be given once. */
  value(name: string): string | undefined;
  /** Whether a switch was given. */
  has(name: string): boolean;
}

/** Refuses what parse-args would take silently or stumble over. */
function checkShapes(args: readonly string[], command: CommandSpec): void {
  const switches = command.flags.filter(({ value }) => value === undefined);
  for (const [i, arg] of args.entries()) {
    // `_` is its name for positional arguments, and bundled letters are no feature of ours.
    if (/^--_(=|$)/.test(arg) || (/^-[^-]/.test(arg) && !/^-[A-Za-z](=|$)/.test(arg))) {
      unknownFlag(arg, command);
    }
    const name = /^--([^=]+)/.exec(arg)?.[1];
    if (!switches.some((flag) => flag.name === name)) continue;
    const next = args[i + 1];
    if (arg.includes("=") || next === "true" || next === "false") {
      fail({ what: `--${name} takes no value`, how: `--${name}` });
    }
  }
}

/**
 * Joins flags with the values that parse-args would misread: a lone dash
 * (`--pcap -`) it takes for a positional argument, and it knows no values that
 * may be left out. Such a one is whatever follows that is neither a flag nor an
 * inline peer (CIDR=HOST).
 */
function joinValues(args: readonly string[], { flags }: CommandSpec): string[] {
  const joined: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    const next = args[i + 1];
    const flag = flags.find(({ name, value }) => value !== undefined && arg === `--${name}`);
    const takes = next !== undefined &&
      (next === "-" || flag?.optional === true && !/^-|=/.test(next));
    if (flag && takes) {
      joined.push(`${arg}=${next}`);
      i++;
    } else joined.push(flag?.optional ? `${arg}=` : arg);
  }
  return joined;
}

/** Takes the arguments apart by the command's flags. Throws a UsageError. */
export function readRaw(args: readonly string[], command: CommandSpec): RawArgs {
  const end = args.indexOf("--");
  const flagArgs = end < 0 ? args : args.slice(0, end);
  checkShapes(flagArgs, command);
  if (command.name === "up" && flagArgs.includes("--peer=")) {
    fail({ what: "--peer= has no value", how: "--peer=CIDR=HOST, or --peer alone" });
  }
  const valued = command.flags.filter(({ value }) => value !== undefined).map(({ name }) => name);
  const parsed = parseArgs(joinValues(flagArgs, command), {
    string: [...valued, "_"],
    boolean: command.flags.filter(({ value }) => value === undefined).map(({ name }) => name),
    collect: valued,
    alias: Object.fromEntries(
      command.flags.flatMap(({ name, short }) => short ? [[name, short]] : []),
    ),
    unknown: (arg, key) => key === undefined ? true : unknownFlag(arg, command),
  });
  const values = (name: string): readonly string[] => {
    const got = parsed[name];
    return Array.isArray(got) ? got.map(String) : [];
  };
  for (const { name, value, repeatable, optional } of command.flags) {
    if (value === undefined) continue;
    const got = values(name);
    if (got.length > 1 && !repeatable) {
      fail({ what: `--${name} is given ${got.length} times`, how: `--${name} ${value} once` });
    }
    // A bare --peer is the command itself.
    if (got.includes("") && !optional && !(command.name === "up" && name === "peer")) {
      fail({ what: `--${name} has no value`, how: `--${name} ${value}` });
    }
  }
  const positional = [...parsed._.map(String), ...(end < 0 ? [] : args.slice(end + 1))];
  const max = command.positional?.max ?? 0;
  if (positional.length > max) {
    fail({
      what: `${quote(positional[max]!)} is one argument too many`,
      why: max === 0 ? `${command.name} takes none` : `${command.name} takes ${max}`,
      how: `tunnet ${command.name} --help`,
    });
  }
  return {
    positional,
    values,
    value: (name) => values(name)[0],
    has: (name) => parsed[name] === true,
  };
}

/** The value of a flag, read; undefined if it was not given. */
export function read<T>(
  raw: RawArgs,
  name: string,
  reader: (text: string) => Result<T>,
): T | undefined {
  return readAll(raw, name, reader)[0];
}

/** All values of the flag, read. */
export function readAll<T>(raw: RawArgs, name: string, reader: (text: string) => Result<T>): T[] {
  return raw.values(name).map((text) => {
    const result = reader(text);
    if (result.problem) {
      fail({ ...result.problem, what: `--${name}: ${result.problem.what}` });
    }
    return result.value;
  });
}
