/** Looks addresses up in a table that another thread keeps changing; see mac_table_test.ts. */

/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />

import { MacTable, NOBODY } from "../../src/forwarding/macs.ts";

self.onmessage = (
  { data: { memory, stop } }: MessageEvent<{ memory: SharedArrayBuffer; stop: SharedArrayBuffer }>,
) => {
  const table = new MacTable(memory);
  const mac = Uint8Array.of(2, 0, 0, 0, 0, 0);
  const view = new DataView(mac.buffer);
  const stopped = new Int32Array(stop);
  let wrong = 0;
  let found = 0;
  let looked = 0;
  self.postMessage("reading");
  while (Atomics.load(stopped, 0) === 0) {
    const n = looked++ % 64;
    mac[5] = n;
    const owner = table.lookup(view, 0);
    if (owner === NOBODY) continue;
    found++;
    if (owner !== n % 7) wrong++;
  }
  self.postMessage({ wrong, found, looked });
};
