/** What a command is: its flags, what the help says of it, and the options that it runs with. Pure. */

import type { Arguments, Grammar } from "./arguments.ts";
import { fail, type Flag, toggle } from "./flag.ts";

/** Flags by the name of the option that each of them sets. */
export type Flags = Readonly<Record<string, Flag<unknown>>>;

/** The values of flags. */
export type Values<F extends Flags> = {
  readonly [K in keyof F]: F[K] extends Flag<infer T> ? T : never;
};

/** A command whose options are an O. */
export interface CommandSpec<O> extends Grammar {
  /** What follows `tunnet` in the usage line. */
  readonly usage: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** Lines after the flags. */
  readonly notes?: readonly string[];
  /** Command lines to try. */
  readonly examples: readonly string[];
  /** Whether the arguments ask for the command's help. */
  readonly asksHelp: (given: Arguments) => boolean;
  /** What the arguments mean. Throws a UsageError. */
  readonly options: (given: Arguments) => O;
}

/** A row of the table of commands. */
interface Row<F extends Flags, O> extends Omit<CommandSpec<O>, "flags" | "options" | "asksHelp"> {
  /** All but --help, which every command has. */
  readonly flags: F;
  /** Pairs of flags that contradict each other, and why. */
  readonly exclusive?: readonly (readonly [one: keyof F, other: keyof F, why: string])[];
  /** Makes the options of the flags' values. Throws a UsageError. */
  readonly options: (values: Values<F>, positional: readonly string[]) => O;
}

const HELP = toggle("help", "show this help", { short: "h" });

/** A command, made from its row of the table. */
export function command<F extends Flags, O>(row: Row<F, O>): CommandSpec<O> {
  const { flags, exclusive = [] } = row;
  const checkPairs = (given: Arguments): void => {
    for (const [one, other, why] of exclusive) {
      if ([one, other].some((key) => given.texts(flags[key]!).length === 0)) continue;
      const what = `--${flags[one]!.name} and --${flags[other]!.name}`;
      fail({ what, why, how: "one of the two" });
    }
  };
  return {
    ...row,
    flags: [...Object.values(flags), HELP],
    asksHelp: (given) => HELP.read(given.texts(HELP)),
    options: (given) => {
      const values = Object.entries(flags).map((
        [key, flag],
      ) => [key, flag.read(given.texts(flag))]);
      checkPairs(given);
      return row.options(Object.fromEntries(values) as Values<F>, given.positional);
    },
  };
}
