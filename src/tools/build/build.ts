/** `deno task build`: the program as one executable file. */

import { parseConfig } from "../../config/parse.ts";
import { ConfigError, EXIT, RunError, UsageError } from "../../base/errors.ts";
import { CONFIG_MAX_BYTES } from "../../base/limits.ts";
import { VERSION } from "../../base/version.ts";
import { bundleProgram } from "./bundle.ts";
import { compileProgram } from "./compile.ts";
import { BUILD_HELP, type BuildOptions, parseBuildOptions } from "./options.ts";
import { portableFile } from "./portable.ts";
import { readRuntime } from "./runtime.ts";
import { stageSources } from "./stage.ts";

/** Which way the file was made. */
export type BuildForm = "compiled" | "portable";

/** What was built. */
export interface BuildResult {
  /** Which way it was made. */
  readonly form: BuildForm;
  /** Path of the file. */
  readonly output: string;
  /** Its size. */
  readonly size_bytes: number;
  /** Its SHA-256, in hex. */
  readonly sha256: string;
}

function readErrorText(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "no such file";
  if (error instanceof Deno.errors.PermissionDenied) return "permission denied";
  if (error instanceof Deno.errors.IsADirectory) return "a directory";
  return error instanceof Error ? error.message : String(error);
}

/** Text of a config that the program will accept. Throws a ConfigError; warnings go to `warn`. */
async function readConfig(path: string, warn: (text: string) => void): Promise<string> {
  const refuse = (what: string, why: string): never => {
    throw new ConfigError([{ what: `${path}: ${what}`, why, how: "a tunnet.yaml" }]);
  };
  let bytes: Uint8Array;
  try {
    bytes = await Deno.readFile(path);
  } catch (error) {
    return refuse("cannot be read", readErrorText(error));
  }
  if (bytes.length > CONFIG_MAX_BYTES) {
    refuse("the file is too large", `at most ${CONFIG_MAX_BYTES / 1024 / 1024} MiB`);
  }
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return refuse("not a text", "it is not UTF-8");
  }
  for (const warning of parseConfig(text, path).warnings) warn(warning);
  return text;
}

/** Moves the finished file over the output: a running one keeps its own. */
async function put(made: string, output: string): Promise<void> {
  const slash = output.lastIndexOf("/");
  const beside = `${output}.new`;
  try {
    if (slash > 0) await Deno.mkdir(output.slice(0, slash), { recursive: true });
    await Deno.copyFile(made, beside);
    await Deno.chmod(beside, 0o755);
    await Deno.rename(beside, output);
  } catch (error) {
    await Deno.remove(beside).catch(() => {});
    throw new RunError({ what: `${output}: cannot be written`, why: readErrorText(error) });
  }
}

/**
 * Builds the program whose sources are at `root`. `say` gets lines for the user.
 * Throws the errors of errors.ts; then the output is as it was.
 */
export async function build(
  root: string,
  options: BuildOptions,
  say: (line: string) => void,
): Promise<BuildResult> {
  const yaml = options.config === undefined
    ? undefined
    : await readConfig(options.config, (text) => say(`tunnet: warning: ${text}`));
  const directory = await Deno.makeTempDir({ prefix: "tunnet-build-" });
  try {
    const made = `${directory}/tunnet`;
    const sources = `${directory}/sources`;
    await Deno.mkdir(sources);
    await stageSources(root, sources, yaml);
    let form: BuildForm = "portable";
    if (!options.portable) {
      const why = await compileProgram(sources, made, options.target, VERSION);
      if (why === undefined) form = "compiled";
      else {say(
          `building the portable form: denort, the base of the other one, is not available (${why})`,
        );}
    }
    if (form === "portable") {
      const file = await portableFile({
        version: VERSION,
        target: options.target,
        program: await bundleProgram(sources),
        runtime: await readRuntime(options.target, options.runtime, directory),
        header: await Deno.readTextFile(new URL("./header.sh", import.meta.url)),
      });
      await Deno.writeFile(made, file);
    }
    const bytes = await Deno.readFile(made);
    const sha256 = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
    await put(made, options.output);
    return { form, output: options.output, size_bytes: bytes.length, sha256 };
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function main(args: readonly string[]): Promise<number> {
  try {
    // `deno task` works in the checkout whatever directory it is typed in, and names that one.
    const typedIn = Deno.env.get("INIT_CWD");
    const elsewhere = typedIn === Deno.cwd() ? undefined : typedIn;
    const options = parseBuildOptions(args, Deno.build.arch, elsewhere);
    if (options === "help") {
      console.log(BUILD_HELP.trimEnd());
      return 0;
    }
    const start_ms = performance.now();
    const root = decodeURIComponent(new URL("../../..", import.meta.url).pathname).replace(
      /\/$/,
      "",
    );
    const { form, output, size_bytes, sha256 } = await build(root, options, console.error);
    const size = `${(size_bytes / 1e6).toFixed(1)} MB`;
    const time = `${((performance.now() - start_ms) / 1000).toFixed(1)} s`;
    console.log(`${output}: ${size}, ${form} for ${options.target}, in ${time}, sha256 ${sha256}`);
    return 0;
  } catch (error) {
    const known = error instanceof ConfigError || error instanceof RunError ||
      error instanceof UsageError;
    if (!known) throw error;
    for (const line of error.message.split("\n")) console.error(`tunnet: error: ${line}`);
    return error.exitCode ?? EXIT.failed;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
