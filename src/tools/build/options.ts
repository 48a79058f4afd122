/** The command line of `deno task build`. Pure. */

import { UsageError } from "../../base/errors.ts";

/** Architectures the program can be built for, as `uname -m` names them. */
const TARGETS = ["x86_64", "aarch64"] as const;
/** One of them. */
export type Target = typeof TARGETS[number];

/** What the command line asks for. */
export interface BuildOptions {
  /** A tunnet.yaml to put into the executable. */
  readonly config?: string;
  /** Which machine it is for. */
  readonly target: Target;
  /** Do not try `deno compile`. */
  readonly portable: boolean;
  /** A deno executable for the target, for the portable form. */
  readonly runtime?: string;
  /** The file to write. */
  readonly output: string;
}

/** Text of --help. */
export const BUILD_HELP = `Builds tunnet into one executable file.

Usage: deno task build [options]

  --config FILE      put this tunnet.yaml into the executable (it is checked first)
  --target ARCH      ${TARGETS.join(" or ")}; default: this machine's
  --portable         the portable form: a shell header, the program and the deno runtime
                     (else "deno compile", and the portable form where denort cannot be had)
  --runtime FILE     the deno executable to carry in the portable form; default: the one that runs
                     this build, or for another ARCH the npm package of the same version
  --output FILE      default: dist/tunnet, for another ARCH dist/tunnet-ARCH
  --help             this text

A relative FILE is looked for where the command was typed. "deno compile" looks for denort in $DENORT_BIN, then in Deno's cache, then downloads it.
`;

function usage(what: string): never {
  throw new UsageError({ what, how: "deno task build --help" });
}

function targetOf(value: string): Target {
  const target = TARGETS.find((name) => name === value);
  return target ?? usage(`--target ${JSON.stringify(value)}: not one of ${TARGETS.join(", ")}`);
}

/**
 * Reads the arguments; "help" when the help was asked for. `machine` is the
 * default target; `directory` is where relative files are. Throws UsageError.
 */
export function parseBuildOptions(
  args: readonly string[],
  machine: string,
  directory?: string,
): BuildOptions | "help" {
  const values = new Map<string, string>();
  let portable = false;
  for (let at = 0; at < args.length; at++) {
    const [name, inline] = splitFlag(args[at]!);
    if (name === "--help" || name === "-h") return "help";
    if (name === "--portable" && inline === undefined) {
      portable = true;
      continue;
    }
    if (!["--config", "--target", "--runtime", "--output"].includes(name)) {
      usage(`${JSON.stringify(args[at])}: not an option of the build`);
    }
    const value = inline ?? args[++at];
    if (value === undefined || value === "") usage(`${name} without a value`);
    if (values.has(name)) usage(`${name} twice`);
    values.set(name, value);
  }
  const fileOf = (name: string): string | undefined => {
    const path = values.get(name);
    return path === undefined || directory === undefined || path.startsWith("/")
      ? path
      : `${directory}/${path}`;
  };
  const target = targetOf(values.get("--target") ?? machine);
  return {
    config: fileOf("--config"),
    target,
    // Only that form carries it.
    portable: portable || values.has("--runtime"),
    runtime: fileOf("--runtime"),
    // What is built for another machine must not take the place of what runs here.
    output: fileOf("--output") ?? (target === machine ? "dist/tunnet" : `dist/tunnet-${target}`),
  };
}

function splitFlag(argument: string): [name: string, value: string | undefined] {
  const at = argument.indexOf("=");
  if (!argument.startsWith("--") || at < 0) return [argument, undefined];
  return [argument.slice(0, at), argument.slice(at + 1)];
}
