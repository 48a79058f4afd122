/** The form made by `deno compile`: the program inside denort. */

import { WORKER_SOURCE } from "./bundle.ts";
import type { Target } from "./options.ts";
import { PERMISSION_FLAGS, UNSTABLE_FLAGS, V8_FLAGS } from "./permissions.ts";
import { runTool } from "./run.ts";
import { isElfFor } from "./runtime.ts";

/** denort is about 40 MB to download; a network that swallows packets must not hold the build. */
const COMPILE_TIMEOUT_MS = 120_000;
const TRIAL_TIMEOUT_MS = 20_000;

async function firstBytes(path: string): Promise<Uint8Array> {
  using file = await Deno.open(path);
  const bytes = new Uint8Array(64);
  const got = await file.read(bytes);
  return bytes.subarray(0, got ?? 0);
}

/**
 * Compiles the program in `directory` to `output`. Undefined when that worked, else why not.
 * What it made is started once: a wrong file in $DENORT_BIN, such as deno itself, is
 * accepted by `deno compile` without a word.
 */
export async function compileProgram(
  directory: string,
  output: string,
  target: Target,
  version: string,
): Promise<string | undefined> {
  const result = await runTool(Deno.execPath(), [
    "compile",
    "--quiet",
    "--no-check",
    "--no-code-cache",
    "--app-name=tunnet",
    `--target=${target}-unknown-linux-gnu`,
    `--include=${WORKER_SOURCE}`,
    ...UNSTABLE_FLAGS,
    ...PERMISSION_FLAGS,
    ...V8_FLAGS,
    `--output=${output}`,
    "main.ts",
  ], { cwd: directory, timeout_ms: COMPILE_TIMEOUT_MS });
  if (!result.ok) return result.why || "deno compile failed";
  if (!isElfFor(target, await firstBytes(output))) return `the denort found is not for ${target}`;
  if (target !== Deno.build.arch) return undefined;
  const trial = await runTool(output, ["--version"], {
    cwd: directory,
    clearEnv: true,
    timeout_ms: TRIAL_TIMEOUT_MS,
  });
  if (trial.ok && trial.stdout === `tunnet ${version}\n`) return undefined;
  return "the denort found does not start the program: is it denort of this version?";
}
