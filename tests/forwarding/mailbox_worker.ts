/** Writes hellos whose every part follows from one number, for mailbox_test.ts. */

/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />

import { Mailbox, SENDER_WORDS } from "../../src/forwarding/mailbox.ts";

self.onmessage = ({ data }: MessageEvent<SharedArrayBuffer>) => {
  const box = new Mailbox(data);
  const until_ms = performance.now() + 300;
  for (let n = 200; performance.now() < until_ms; n = 200 + (n + 1) % 200) {
    const source = new Uint8Array(n).fill(n);
    box.put(n % 3, n % 2 === 0, source, 0, n, new Int32Array(SENDER_WORDS).fill(n), 0);
  }
  self.postMessage("done");
  self.close();
};
