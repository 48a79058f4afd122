/** The arguments of one command, taken apart by its flags. Pure. */

// @ts-types="./parse_args.d.ts"
import { parseArgs } from "@std/cli/parse-args";
import { nearest } from "../../base/text.ts";
import { quote } from "../../config/values.ts";
import { fail, type Flag } from "./flag.ts";

/** What of a command decides how its arguments are read. */
export interface Grammar {
  readonly name: string;
  readonly flags: readonly Flag<unknown>[];
  /** Positional arguments: name in the help, and how many at most. */
  readonly positional?: { readonly name: string; readonly max: number; readonly help: string };
}

/** A command's arguments, still as text. */
export interface Arguments {
  readonly positional: readonly string[];
  /** Texts of a flag in order; of a switch, an empty one. None if it was not given. */
  texts(flag: Flag<unknown>): readonly string[];
}

/** The long flag that was probably meant; dashes do not count as likeness. */
function nearestFlag(flag: string, names: readonly string[]): string | undefined {
  const near = flag.startsWith("--") ? nearest(flag.slice(2), names) : undefined;
  return near && `--${near}`;
}

/** Refuses a flag that none of `names` is; `how` shows the flags that there are. */
export function unknownFlag(arg: string, names: readonly string[], how: string): never {
  const flag = arg.replace(/=.*$/s, "");
  const near = nearestFlag(flag, names);
  return fail({
    what: `unknown flag ${quote(flag)}`,
    why: near && `did you mean ${quote(near)}?`,
    how,
  });
}

/** A flag's value as the help shows it. */
export function valueTerm({ value = "", optional }: Flag<unknown>): string {
  return optional ? `[${value}]` : value;
}

/** Refuses what parse-args would take silently or stumble over. */
function checkShapes(args: readonly string[], { flags }: Grammar, unknown: (arg: string) => never) {
  for (const [i, arg] of args.entries()) {
    // `_` is its name for positional arguments, and bundled letters are no feature of ours.
    if (/^--_(=|$)/.test(arg) || (/^-[^-]/.test(arg) && !/^-[A-Za-z](=|$)/.test(arg))) unknown(arg);
    const name = /^--([^=]+)/.exec(arg)?.[1];
    const flag = flags.find((one) => one.name === name);
    if (flag?.optional && arg === `--${name}=`) {
      fail({ what: `--${name}= has no value`, how: `--${name}=${flag.value}, or --${name} alone` });
    }
    if (flag === undefined || flag.value !== undefined) continue;
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
function joinValues(args: readonly string[], { flags }: Grammar): string[] {
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

function checkCount(flag: Flag<unknown>, texts: readonly string[]): void {
  const { name, value, repeatable, optional } = flag;
  if (value === undefined) return;
  if (texts.length > 1 && !repeatable) {
    const how = `--${name} ${valueTerm(flag)} once`;
    fail({ what: `--${name} is given ${texts.length} times`, how });
  }
  if (texts.includes("") && !optional) {
    fail({ what: `--${name} has no value`, how: `--${name} ${value}` });
  }
}

/** Takes the arguments apart by the command's flags. Throws a UsageError. */
export function readArguments(args: readonly string[], command: Grammar): Arguments {
  const { name, flags } = command;
  const help = `tunnet ${name} --help`;
  const unknown = (arg: string) => unknownFlag(arg, flags.map((flag) => flag.name), help);
  const end = args.indexOf("--");
  const flagArgs = end < 0 ? args : args.slice(0, end);
  checkShapes(flagArgs, command, unknown);
  const valued = flags.filter(({ value }) => value !== undefined).map((flag) => flag.name);
  const parsed = parseArgs(joinValues(flagArgs, command), {
    string: [...valued, "_"],
    boolean: flags.filter(({ value }) => value === undefined).map((flag) => flag.name),
    collect: valued,
    alias: Object.fromEntries(flags.flatMap(({ name, short }) => short ? [[name, short]] : [])),
    unknown: (arg, key) => key === undefined ? true : unknown(arg),
  });
  const texts = ({ name }: Flag<unknown>): readonly string[] => {
    const got = parsed[name];
    return Array.isArray(got) ? got.map(String) : got === true ? [""] : [];
  };
  for (const flag of flags) checkCount(flag, texts(flag));
  const positional = [...parsed._.map(String), ...(end < 0 ? [] : args.slice(end + 1))];
  const max = command.positional?.max ?? 0;
  if (positional.length > max) {
    fail({
      what: `${quote(positional[max]!)} is one argument too many`,
      why: max === 0 ? `${name} takes none` : `${name} takes ${max}`,
      how: help,
    });
  }
  return { positional, texts };
}
