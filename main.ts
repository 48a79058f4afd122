/** tunnet: everything is in src/. */

import { runCommandLine } from "./src/cli/run.ts";

/** The build puts this file beside the program. */
const WORKER_URL = new URL("./src/cli/worker.ts", import.meta.url).href;

if (import.meta.main) Deno.exit(await runCommandLine(Deno.args, WORKER_URL));
