/**
 * What one lane seals and opens by: its view of the sessions, its keys, the memory
 * for what it has sealed, and what it tells the main thread, which makes the
 * sessions (peers/sealing.ts).
 */

import type { Aead } from "../aead/aead.ts";
import { NODES_MAX } from "../base/limits.ts";
import { LaneSessions } from "../forwarding/lane_sessions.ts";
import { SendCounters } from "../forwarding/send_counters.ts";
import { type LaneActivity, laneActivity } from "../forwarding/session_activity.ts";
import type { Arena } from "../net/simd.ts";
import { LaneKeys } from "./lane_keys.ts";
import type { SealedEvent, SealingSetup } from "./lanes/sealing_setup.ts";
import { Open } from "./open.ts";
import { Seal } from "./seal.ts";

/** What else it needs. */
export interface SealingParts extends SealingSetup {
  /** Number of the lane; MAIN_LANE for the main thread. */
  readonly lane: number;
  /** Where messages are sealed to, in the same memory as the lane's bursts. */
  readonly sealed: Arena;
  readonly sealed_bytes: number;
  /** Works within that memory. */
  readonly aead: Aead;
  /** What is here and failed its test. */
  readonly failed: readonly string[];
  /** Texts are IP packets, and may be padded; frames are not. */
  readonly packets: boolean;
  /** The same clock on all threads. */
  readonly now_ms: () => number;
  /** Whether a handshake message is for this node. */
  readonly isForUs: (message: Uint8Array) => boolean;
  readonly tell: (event: SealedEvent) => void;
}

/** One lane's. */
export class LaneSealing {
  readonly seal: Seal;
  readonly open: Open;
  readonly sessions: LaneSessions;
  /** Where messages are sealed to. */
  readonly sealed: Arena;
  readonly sealedEnd: number;
  /** Which ways of sealing are in use, for the engine's line. */
  readonly aead: string;
  /** Which are here and failed their test, and how. */
  readonly failed: readonly string[];
  readonly packets: boolean;
  readonly isForUs: (message: Uint8Array) => boolean;
  readonly tell: (event: SealedEvent) => void;
  readonly #activity: LaneActivity;
  readonly #now_ms: () => number;
  #turn_ms = 0;
  /** The session of each peer whose first use was told last. */
  readonly #used = new Uint32Array(NODES_MAX);

  constructor(
    {
      sessions,
      activity,
      lane,
      sealed,
      sealed_bytes,
      aead,
      failed,
      packets,
      now_ms,
      isForUs,
      tell,
    }: SealingParts,
  ) {
    this.sealed = sealed;
    this.sealedEnd = sealed.start + sealed_bytes;
    this.aead = aead.name;
    this.failed = failed;
    const counters = new SendCounters(sessions);
    const keys = new LaneKeys(aead, counters);
    const { view } = sealed;
    this.sessions = new LaneSessions(sessions, lane, keys);
    this.seal = new Seal(sealed.bytes, view, this.sessions, keys, counters);
    this.open = new Open(view, this.sessions, keys, packets);
    this.packets = packets;
    this.isForUs = isForUs;
    this.tell = tell;
    this.#activity = laneActivity(activity);
    this.#now_ms = now_ms;
    this.turn();
  }

  /** Before each burst: takes up new sessions, and the time. */
  turn(): void {
    if (this.sessions.stale) this.sessions.acquire();
    this.#turn_ms = this.#now_ms();
  }

  /** Takes note that data was sent to a peer. */
  noteSent(peer: number): void {
    this.#activity.sent_ms[peer] = this.#turn_ms;
  }

  /** Takes note of what `open` has just opened, with data in it or a keepalive. */
  noteOpened(data: boolean): void {
    const { peer, index } = this.open;
    this.#activity.received_ms[peer] = this.#turn_ms;
    if (data) this.#activity.dataReceived_ms[peer] = this.#turn_ms;
    this.#activity.receivedBy[peer] = index | 0;
    if (this.open.isCurrent || this.#used[peer] === index) return;
    this.#used[peer] = index;
    this.tell({ what: "used", index });
  }
}
