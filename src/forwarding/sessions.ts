/**
 * The sessions of all peers that the main thread publishes to the lanes: for each
 * peer up to two previous, a current and a next one, with their keys, in shared memory.
 * Like the forwarding table: a row of a peer has a sequence number that is odd
 * while it is written, and every publish raises the version.
 *
 * INVARIANT: a place is used for another session only when every lane has taken
 * up that the old one has ended. A lane that still sealed by the old key would
 * otherwise take counters of the new session, and use one a second time.
 */

import { NODES_MAX, REKEY_AFTER_MESSAGES_HIGH } from "../base/limits.ts";
import { peerOf, placeOf, SESSION_PLACES } from "./session_index.ts";
import {
  HEADER,
  KEY_WORDS,
  PLACE,
  PLACE_WORDS,
  ROLE,
  ROLES_WORDS,
  SESSIONS_BYTES,
  sessionViews,
} from "./session_layout.ts";

/** A session that has just been made. */
export interface NewSession {
  /** Ours; it names the place. */
  readonly index: number;
  /** The peer's. */
  readonly remoteIndex: number;
  /** 32 bytes, copied. */
  readonly sendKey: Uint8Array;
  /** 32 bytes, copied. */
  readonly receiveKey: Uint8Array;
}

/** Indices of a peer's sessions, 0 for none. */
export interface SessionRoles {
  /** Receives what is still under way, as `previous` does. */
  readonly older: number;
  /** Receives what is still under way. */
  readonly previous: number;
  /** Is sent by. */
  readonly current: number;
  /** Waits for its first use by the peer. */
  readonly next: number;
}

/** The sessions from the publisher's side: one thread, which is the only writer. */
export class Sessions {
  readonly #views;
  /** The version at which the session of each place ended. */
  readonly #ended = new Int32Array(SESSION_PLACES);
  /** Where a session was ever put. */
  readonly #used = new Uint8Array(SESSION_PLACES);

  /** Sees the sessions in `memory`, which is new. */
  constructor(readonly memory: SharedArrayBuffer = new SharedArrayBuffer(SESSIONS_BYTES)) {
    this.#views = sessionViews(memory);
  }

  /**
   * Publishes which sessions a peer has, and with them the one that was `made`. Keys of those that
   * it no longer has are erased. False: one of `laneCount` lanes may still use the place of `made`,
   * and nothing was changed; that handshake is lost, and the next one finds another place.
   */
  publish(peer: number, roles: SessionRoles, laneCount: number, made?: NewSession): boolean {
    if (!(peer >= 0 && peer < NODES_MAX)) throw new RangeError(`no peer has number ${peer}`);
    if (made && peerOf(placeOf(made.index)) !== peer) {
      throw new RangeError("a place of another peer");
    }
    if (made && !this.#isFree(placeOf(made.index), laneCount)) return false;
    const { header, sequences, roles: rows, places } = this.#views;
    const at = peer * ROLES_WORDS;
    const before = Array.from(rows.subarray(at, at + ROLES_WORDS), (index) => index >>> 0);
    const after = [roles.older, roles.previous, roles.current, roles.next];
    const version = header[HEADER.version]! + 1;
    Atomics.add(sequences, peer, 1);
    if (made) this.#write(made);
    Atomics.store(rows, at + ROLE.older, roles.older | 0);
    Atomics.store(rows, at + ROLE.previous, roles.previous | 0);
    Atomics.store(rows, at + ROLE.current, roles.current | 0);
    Atomics.store(rows, at + ROLE.next, roles.next | 0);
    for (const index of before) {
      if (index === 0 || after.includes(index)) continue;
      const place = placeOf(index);
      const first = place * PLACE_WORDS;
      for (let i = 0; i < 2 * KEY_WORDS; i++) Atomics.store(places, first + PLACE.sendKey + i, 0);
      Atomics.store(places, first + PLACE.index, 0);
      this.#ended[place] = version;
    }
    Atomics.add(sequences, peer, 1);
    if (peer >= header[HEADER.peerCount]!) Atomics.store(header, HEADER.peerCount, peer + 1);
    Atomics.store(header, HEADER.version, version);
    return true;
  }

  /** Whether so many messages were sent by a session that there should be a new one. */
  isWornOut(index: number): boolean {
    const at = placeOf(index) * PLACE_WORDS + PLACE.counterHigh;
    return Atomics.load(this.#views.places, at) >>> 0 >= REKEY_AFTER_MESSAGES_HIGH;
  }

  #isFree(place: number, laneCount: number): boolean {
    const { header, places } = this.#views;
    if (places[place * PLACE_WORDS + PLACE.index] !== 0) return false;
    if (this.#used[place] === 0) return true;
    for (let lane = 0; lane < laneCount; lane++) {
      const taken = Atomics.load(header, HEADER.lanes + lane);
      if ((taken - this.#ended[place]! | 0) < 0) return false;
    }
    return true;
  }

  #write({ index, remoteIndex, sendKey, receiveKey }: NewSession): void {
    const { places } = this.#views;
    const place = placeOf(index);
    const at = place * PLACE_WORDS;
    const put = (word: number, value: number) => Atomics.store(places, at + word, value | 0);
    put(PLACE.index, index);
    put(PLACE.remoteIndex, remoteIndex);
    put(PLACE.counterLow, 0);
    put(PLACE.counterHigh, 0);
    for (const [word, key] of [[PLACE.sendKey, sendKey], [PLACE.receiveKey, receiveKey]] as const) {
      const view = new DataView(key.buffer, key.byteOffset, 4 * KEY_WORDS);
      for (let i = 0; i < KEY_WORDS; i++) put(word + i, view.getInt32(4 * i, true));
    }
    this.#used[place] = 1;
  }
}
