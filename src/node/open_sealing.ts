/** What a lane seals and opens by, wired to the real clock and to the handshake's rules. */

import { chooseAead } from "../aead/choose.ts";
import { SELF_TEST_BYTES } from "../aead/self_test.ts";
import { BURST_PACKETS, PACKET_MAX_BYTES } from "../base/limits.ts";
import type { SealedEvent, SealingSetup } from "../dataplane/lanes/sealing_setup.ts";
import { LaneSealing } from "../dataplane/sealing.ts";
import type { Time } from "../base/time.ts";
import type { Lanes } from "../dataplane/lanes/lanes.ts";
import { SealingControl, type SealingControlParts } from "../peers/sealing.ts";
import type { NodeKeysOptions } from "./options.ts";
import { MAIN_LANE } from "../forwarding/session_layout.ts";
import { BootClock } from "../io/clock.ts";
import { simdArena } from "../net/simd.ts";
import type { Mode } from "../wire/mode.ts";
import { checkMac1 } from "../wireguard/cookie.ts";
import { MESSAGE, messageType } from "../wireguard/messages.ts";

/** Room for what a full send queue holds; the main thread seals one message at a time. */
const sealedBytes = (lane: number): number =>
  Math.max(SELF_TEST_BYTES, (PACKET_MAX_BYTES + 1) * (lane === MAIN_LANE ? 2 : BURST_PACKETS));

/** The node's own part of the sessions, with the real clocks. */
export function openSealingControl(
  { privateKey, readKey, times }: NodeKeysOptions,
  { mode, lanes, time, ...parts }:
    & Omit<
      SealingControlParts,
      "own" | "privateKey" | "readKey" | "times" | "now_ms" | "wall_ms" | "lanes"
    >
    & { readonly mode: Mode; readonly lanes: Lanes; readonly time: Time },
): SealingControl {
  const clock = new BootClock();
  return new SealingControl({
    ...{ ...parts, lanes, privateKey, readKey, times },
    // What it seals it tells of itself.
    own: openSealing(lanes.sealingOfLane(MAIN_LANE)!, MAIN_LANE, mode, () => {}),
    now_ms: () => clock.now_ms(),
    wall_ms: () => time.wall_ms(),
  });
}

/** Opens it on the lane's own thread. */
export function openSealing(
  setup: SealingSetup,
  lane: number,
  mode: Mode,
  tell: (event: SealedEvent) => void,
): LaneSealing {
  const clock = new BootClock();
  const sealed_bytes = sealedBytes(lane);
  const sealed = simdArena(sealed_bytes);
  const { aead, failed } = chooseAead(sealed, { libcrypto: setup.libcrypto });
  const identity = { mac1Key: setup.mac1Key };
  return new LaneSealing({
    ...setup,
    ...{ lane, sealed, sealed_bytes, aead, failed },
    packets: mode === "tun",
    now_ms: () => clock.now_ms(),
    isForUs: (message) => {
      const type = messageType(message);
      if (type === undefined || type === MESSAGE.data) return false;
      // A cookie answers a message of ours, whose index it names: the main thread looks.
      return type === MESSAGE.cookie || checkMac1(identity, message);
    },
    tell,
  });
}
