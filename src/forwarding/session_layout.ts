/**
 * Where everything is in the shared memory of sessions (sessions.ts writes it,
 * lane_sessions.ts reads it, send_counters.ts counts in it). Words of 32 bits.
 *
 * | words                        | what                                              |
 * | ---------------------------- | ------------------------------------------------- |
 * | HEADER_WORDS                 | version, and what each lane has taken up (HEADER)  |
 * | NODES_MAX                    | sequence number of each peer's row                |
 * | NODES_MAX * ROLES_WORDS      | which sessions a peer has (ROLE)                  |
 * | SESSION_PLACES * PLACE_WORDS | the sessions (PLACE)                              |
 */

import { LANES_MAX, NODES_MAX } from "../base/limits.ts";
import { SESSION_PLACES } from "./session_index.ts";

/** Words of the header; from `lanes` on, one for each lane: the version that it has taken up. */
export const HEADER = { version: 0, peerCount: 1, lanes: 2 } as const;
/** The main thread seals too, and takes up what it publishes as if it were one more lane. */
export const MAIN_LANE: number = LANES_MAX;
const HEADER_WORDS = HEADER.lanes + MAIN_LANE + 1;

/** Words of a peer's row: indices of its sessions, 0 for none. */
export const ROLE = { older: 0, previous: 1, current: 2, next: 3 } as const;
/** Words from one row to the next. */
export const ROLES_WORDS = 4;

/** Words of a session. */
export const PLACE = {
  index: 0,
  remoteIndex: 1,
  /** The counters that have been given out, low word; LOCKED while it is carried into the high one. */
  counterLow: 2,
  counterHigh: 3,
  sendKey: 4,
  receiveKey: 12,
} as const;
/** Words of a key. */
export const KEY_WORDS = 8;
/** Words from one session to the next. */
export const PLACE_WORDS = 20;

const SEQUENCES_AT = 4 * HEADER_WORDS;
const ROLES_AT = SEQUENCES_AT + 4 * NODES_MAX;
const PLACES_AT = ROLES_AT + 4 * NODES_MAX * ROLES_WORDS;

/** Bytes of shared memory for the sessions of all peers (2.7 MB); all zeros before its first use. */
export const SESSIONS_BYTES: number = PLACES_AT + 4 * SESSION_PLACES * PLACE_WORDS;

/** Views of the memory. */
export interface SessionViews {
  /** See HEADER. */
  readonly header: Int32Array;
  /** One for each peer, odd while its row or one of its sessions is being written. */
  readonly sequences: Int32Array;
  /** NODES_MAX rows, ROLES_WORDS apart. */
  readonly roles: Int32Array;
  /** SESSION_PLACES sessions, PLACE_WORDS apart. */
  readonly places: Int32Array;
}

/** Sees the sessions in their memory. */
export function sessionViews(memory: SharedArrayBuffer): SessionViews {
  return {
    header: new Int32Array(memory, 0, HEADER_WORDS),
    sequences: new Int32Array(memory, SEQUENCES_AT, NODES_MAX),
    roles: new Int32Array(memory, ROLES_AT, NODES_MAX * ROLES_WORDS),
    places: new Int32Array(memory, PLACES_AT, SESSION_PLACES * PLACE_WORDS),
  };
}
