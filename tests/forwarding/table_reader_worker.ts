/** Follows a forwarding table that another thread keeps changing; see table_test.ts. */

/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />

import { LaneTable } from "../../src/forwarding/lane_table.ts";
import { isWhole, ROUTES, routesAgree } from "./table_rows.ts";

self.onmessage = (
  { data: { memory, stop } }: MessageEvent<{ memory: SharedArrayBuffer; stop: SharedArrayBuffer }>,
) => {
  const table = new LaneTable(memory, 0);
  const stopped = new Int32Array(stop);
  let torn = 0;
  let rows = 0;
  let generations = 0;
  let { routes } = table;
  self.postMessage("reading");
  while (Atomics.load(stopped, 0) === 0) {
    if (!table.stale) continue;
    table.acquire();
    for (const index of table.changed) {
      rows++;
      if (!isWhole(index, table.peer(index))) torn++;
    }
    if (table.routes === routes) continue;
    routes = table.routes;
    generations++;
    if (!routesAgree(table.routes, table.routes.lookup(Uint8Array.of(9, 1, 1, 1)))) torn++;
  }
  self.postMessage({ torn, rows, generations, prefixes: ROUTES });
};
