/** A copy of the sources to build from, so that the checkout stays as it is. */

import { RunError } from "../../base/errors.ts";

/** What of the checkout makes up the program. */
const PARTS = ["main.ts", "deno.json", "deno.lock", "src", "ffi"] as const;
/** Kept out: the build itself is no part of the program. */
const LEFT_OUT = "src/tools/build";
/** Where the program looks for the config inside it. */
const EMBEDDED_FILE = "src/config/embedded.ts";

async function copy(from: string, to: string, root: string): Promise<void> {
  const info = await Deno.stat(from);
  if (!info.isDirectory) return await Deno.copyFile(from, to);
  await Deno.mkdir(to, { recursive: true });
  for await (const { name } of Deno.readDir(from)) {
    if (`${from}/${name}` !== `${root}/${LEFT_OUT}`) {
      await copy(`${from}/${name}`, `${to}/${name}`, root);
    }
  }
}

/** Text of the module that holds the config; exported for the test. */
export function embeddedModule(yaml: string | undefined): string {
  const value = yaml === undefined ? "undefined" : JSON.stringify(yaml);
  return `/** Written by the build. */\nexport const EMBEDDED_CONFIG: string | undefined = ${value};\n`;
}

/** Copies the program at `root` into `directory`, with `yaml` inside it. Throws a RunError. */
export async function stageSources(
  root: string,
  directory: string,
  yaml: string | undefined,
): Promise<void> {
  try {
    for (const part of PARTS) {
      try {
        await copy(`${root}/${part}`, `${directory}/${part}`, root);
      } catch (error) {
        // A program without packages has no lock file.
        if (part !== "deno.lock" || !(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
    await Deno.writeTextFile(`${directory}/${EMBEDDED_FILE}`, embeddedModule(yaml));
  } catch (error) {
    throw new RunError({
      what: "cannot copy the sources to build from",
      why: error instanceof Error ? error.message : String(error),
    });
  }
}
