/** The program as two files without imports: main.js and the Worker it starts. */

import { RunError } from "../../base/errors.ts";
import { runTool } from "./run.ts";

/** The Worker's module, as main.ts names it. */
export const WORKER_SOURCE = "./src/cli/worker.ts";
/** The Worker's bundle, beside main.js. */
export const WORKER_NAME = "worker.js";

/** The first bundle of a machine fetches esbuild from npm. */
const BUNDLE_TIMEOUT_MS = 120_000;

/** A program ready to be packed. */
export interface Program {
  /** Bundle of main.ts, which starts the Worker beside it. */
  readonly main: string;
  /** Bundle of the Worker. */
  readonly worker: string;
}

/**
 * Takes the build machine out of a bundle: a comment names where each package
 * was cached, and would make two machines build different bytes.
 */
export function withoutMachine(bundle: string): string {
  return bundle.replace(/^\/\/ (?:\S*\/)?npm\/[^/\s]+\/(\S+)$/gm, "// npm: $1");
}

/** Points main.js at the Worker's bundle. Throws a RunError if it does not name it exactly once. */
export function relinkWorker(main: string): string {
  const parts = main.split(JSON.stringify(WORKER_SOURCE));
  if (parts.length !== 2) {
    throw new RunError({
      what: `main.ts must name ${WORKER_SOURCE} once`,
      why: `the bundle has it ${parts.length - 1} times`,
    });
  }
  return parts.join(JSON.stringify(`./${WORKER_NAME}`));
}

async function bundle(directory: string, entry: string, output: string): Promise<string> {
  const args = ["bundle", "--quiet", "--no-check", "--platform", "deno", "-o", output, entry];
  const result = await runTool(Deno.execPath(), args, {
    cwd: directory,
    timeout_ms: BUNDLE_TIMEOUT_MS,
  });
  if (!result.ok) {
    throw new RunError({
      what: `cannot bundle ${entry}`,
      why: result.why,
      how: `deno check ${entry}; the first bundle needs npm for esbuild`,
    });
  }
  return withoutMachine(await Deno.readTextFile(`${directory}/${output}`));
}

/** Bundles the program in `directory`. Throws a RunError. */
export async function bundleProgram(directory: string): Promise<Program> {
  const main = await bundle(directory, "main.ts", ".main.bundle.js");
  const worker = await bundle(directory, WORKER_SOURCE, ".worker.bundle.js");
  return { main: relinkWorker(main), worker };
}
