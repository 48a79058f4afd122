/** Follows sessions that another thread keeps changing; see sessions_test.ts. */

/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />

import { LaneSessions } from "../../src/forwarding/lane_sessions.ts";
import { keyOf } from "./session_keys.ts";

self.onmessage = ({ data: { memory, stop } }) => {
  let torn = 0;
  let opened = 0;
  const head = new DataView(new ArrayBuffer(4));
  const sessions: LaneSessions = new LaneSessions(memory, 0, {
    opened(place, sendKey, receiveKey) {
      opened++;
      const index = sessions.indexAt(place);
      const right = sendKey.every((byte, i) => byte === keyOf(index, 1)[i]) &&
        receiveKey.every((byte, i) => byte === keyOf(index, 2)[i]);
      sessions.writeRemoteIndex(head, 0, place);
      if (!right || head.getUint32(0, true) !== ~index >>> 0) torn++;
    },
    closed() {},
  });
  const stopped = new Int32Array(stop);
  self.postMessage("reading");
  while (Atomics.load(stopped, 0) === 0) if (sessions.stale) sessions.acquire();
  self.postMessage({ torn, opened });
};
