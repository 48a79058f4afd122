/** What a flag is, and how its texts become a value. Pure. */

import { type ErrorParts, UsageError } from "../../base/errors.ts";
import type { Result } from "../../config/values.ts";

/** A flag of one or more commands, whose value is a T. */
export interface Flag<T> {
  /** Long name without dashes. */
  readonly name: string;
  /** One-letter name. */
  readonly short?: string;
  /** What its value is called in the help; a flag without is a switch. */
  readonly value?: string;
  /** May be given more than once. */
  readonly repeatable?: true;
  /** Its value may be left out, and is then empty. */
  readonly optional?: true;
  readonly help: string;
  /** The value for the texts that were given; a switch has an empty one. Throws a UsageError. */
  readonly read: (texts: readonly string[]) => T;
}

/** What few flags have. */
type Details = Pick<Flag<unknown>, "short" | "optional">;

/** Reads one text of a flag. */
type Reader<T> = (text: string) => Result<T>;

/** Throws a UsageError. */
export function fail(parts: ErrorParts): never {
  throw new UsageError(parts);
}

/** Takes any text as it is. */
export function readText(text: string): Result<string> {
  return { value: text };
}

/** Reads one text; the error names the flag. */
function readOf<T>(name: string, reader: Reader<T>): (text: string) => T {
  return (text) => {
    const result = reader(text);
    if (result.problem) fail({ ...result.problem, what: `--${name}: ${result.problem.what}` });
    return result.value;
  };
}

/** A switch: true where it is given. */
export function toggle(name: string, help: string, details: Details = {}): Flag<boolean> {
  return { name, help, ...details, read: (texts) => texts.length > 0 };
}

/** A flag that may be given once, with a value; undefined where it is not given. */
export function single<T>(
  name: string,
  value: string,
  reader: Reader<T>,
  help: string,
  details: Details = {},
): Flag<T | undefined> {
  const read = readOf(name, reader);
  return {
    ...{ name, value, help, ...details },
    read: ([text]) => text === undefined ? undefined : read(text),
  };
}

/** A flag that may be given more than once, with a value each time. */
export function repeated<T>(
  name: string,
  value: string,
  reader: Reader<T>,
  help: string,
  details: Details = {},
): Flag<readonly T[]> {
  const read = readOf(name, reader);
  return { name, value, help, ...details, repeatable: true, read: (texts) => texts.map(read) };
}
