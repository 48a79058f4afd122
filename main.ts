/** tunnet: everything is in src/. */

import { runCommandLine } from "./src/cli/run.ts";

/** The build puts this file beside the program. */
const LANE_WORKER_URL = new URL("./src/node/lane_worker.ts", import.meta.url).href;

if (import.meta.main) Deno.exit(await runCommandLine(Deno.args, LANE_WORKER_URL));
