/** The writing side of the ring test: 200,000 packets, each full of its own number. */

/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />

import { RingWriter } from "../../../src/inspect/trace/ring.ts";

const clock = { seconds: 0, nanoseconds: 0, read: () => {} };

self.onmessage = ({ data }: MessageEvent<SharedArrayBuffer>) => {
  const writer = new RingWriter(data, clock);
  const bytes = new Uint8Array(400);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < 200_000; i++) {
    bytes.fill(i);
    writer.received(view, i, 0, i % 400, 1);
  }
  self.postMessage("done");
};
