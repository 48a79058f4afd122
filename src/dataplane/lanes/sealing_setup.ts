/** What a lane that seals is given, and what it tells. */

import type { Sender } from "../../io/sockaddr.ts";

/** What a lane tells the main thread of sessions. */
export type SealedEvent =
  /** A handshake message whose mac1 is right; a copy. */
  | { readonly what: "handshake"; readonly bytes: Uint8Array; readonly sender: Sender }
  /** A packet found no session; a copy. */
  | { readonly what: "unsealed"; readonly peer: number; readonly bytes: Uint8Array<ArrayBuffer> }
  /** The peer has used a session for the first time. */
  | { readonly what: "used"; readonly index: number }
  /** Something authentic, and no replay, came from another address than the peer's. */
  | { readonly what: "moved"; readonly peer: number; readonly sender: Sender }
  /** A handshake message that is for another key: some of them. */
  | { readonly what: "foreign"; readonly sender: Sender };

/** What a lane's sealing is made of. */
export interface SealingSetup {
  /** Memory of the sessions (forwarding/sessions.ts). */
  readonly sessions: SharedArrayBuffer;
  /** This lane's (forwarding/session_activity.ts). */
  readonly activity: SharedArrayBuffer;
  /** What handshake messages to this node are signed with; anybody may know it. */
  readonly mac1Key: Uint8Array;
  /** Whether libcrypto may be used. */
  readonly libcrypto: boolean;
}
