/** The module of every Worker of the program: its name says what it is to do. */

/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />

import { serveLane } from "../node/lane_worker.ts";
import { LAB_THREAD, serveLabThread } from "../tools/lab/thread.ts";

if (self.name === LAB_THREAD) serveLabThread(self);
else serveLane();
