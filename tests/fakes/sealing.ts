/** What a lane seals and opens by, with one session of one peer, and what it tells. */

import { wasmAead } from "../../src/aead/wasm.ts";
import { LaneSealing } from "../../src/dataplane/sealing.ts";
import type { SealedEvent } from "../../src/dataplane/lanes/sealing_setup.ts";
import { LANE_ACTIVITY_BYTES } from "../../src/forwarding/session_activity.ts";
import { Sessions } from "../../src/forwarding/sessions.ts";
import { indexFor } from "../../src/forwarding/session_index.ts";
import { simdArena } from "../../src/net/simd.ts";

/** A session with itself: what is sealed for `peer` is opened as if `peer` had sent it. */
export function sealingWithItself(peer: number, sealed_bytes: number) {
  const sessions = new Sessions();
  const index = indexFor(peer, 1, 0x1234_5678);
  const key = new Uint8Array(32).fill(7);
  sessions.publish(peer, { older: 0, previous: 0, current: index, next: 0 }, 1, {
    ...{ index, remoteIndex: index, sendKey: key, receiveKey: key },
  });
  const sealed = simdArena(sealed_bytes);
  const told: SealedEvent[] = [];
  /** How often it was asked whether a handshake message is for this node. */
  const asked = { count: 0 };
  const sealing = new LaneSealing({
    sessions: sessions.memory,
    activity: new SharedArrayBuffer(LANE_ACTIVITY_BYTES),
    mac1Key: new Uint8Array(32),
    libcrypto: false,
    lane: 0,
    ...{ sealed, sealed_bytes, aead: wasmAead(sealed)!, failed: [] },
    packets: true,
    now_ms: () => 1,
    isForUs: () => {
      asked.count++;
      return true;
    },
    tell: (event) => told.push(event),
  });
  return { sealing, told, asked };
}
