/** The sessions from a lane's side: which there are, and what changes when the lane takes them up. */

import { NODES_MAX, SESSION_SLOTS } from "../base/limits.ts";
import { placeOf, SESSION_PLACES } from "./session_index.ts";
import {
  HEADER,
  KEY_WORDS,
  PLACE,
  PLACE_WORDS,
  ROLE,
  ROLES_WORDS,
  sessionViews,
} from "./session_layout.ts";

/** How often a row that is being written is read again before the lane keeps what it had. */
const READS_MAX = 64;

/** What a lane does about sessions that come and go. */
export interface SessionKeeper {
  /** A session is there; the keys, 32 bytes each, are erased after this call. */
  opened(place: number, sendKey: Uint8Array, receiveKey: Uint8Array): void;
  /** The session of that place has ended. */
  closed(place: number): void;
}

/** One lane's view. `acquire` brings it up to date, and nothing else ever changes it. */
export class LaneSessions {
  readonly #views;
  #version = -1;
  readonly #taken = new Int32Array(NODES_MAX);
  /** Index of the session of each place, 0 for none, and the peer's index of it. */
  readonly #indices = new Int32Array(SESSION_PLACES);
  readonly #remotes = new Int32Array(SESSION_PLACES);
  /** The place that each peer is sent by; -1 for none. */
  readonly #current = new Int32Array(NODES_MAX).fill(-1);
  readonly #roles = new Int32Array(ROLES_WORDS);
  readonly #copies = new Int32Array(SESSION_SLOTS * PLACE_WORDS);

  /** Sees the sessions in `memory` for lane number `lane`. */
  constructor(memory: SharedArrayBuffer, readonly lane: number, readonly keeper: SessionKeeper) {
    this.#views = sessionViews(memory);
  }

  /** Whether something was published that this lane has not taken up: one load. */
  get stale(): boolean {
    return Atomics.load(this.#views.header, HEADER.version) !== this.#version;
  }

  /** The place of the session that a peer is sent by; -1 where there is none. */
  current(peer: number): number {
    return this.#current[peer]!;
  }

  /**
   * The place of the session whose index is at `at`, little-endian as messages have it; -1 where
   * it names none. It is read here since a number of 32 bits is an allocation where it is passed on.
   */
  findAt(view: DataView, at: number): number {
    const index = view.getInt32(at, true);
    const place = placeOf(index);
    return index !== 0 && this.#indices[place] === index ? place : -1;
  }

  /** Our index of the session in a place; 0 where there is none. */
  indexAt(place: number): number {
    return this.#indices[place]! >>> 0;
  }

  /** Writes the peer's index of the session in a place, as messages to it have it. */
  writeRemoteIndex(view: DataView, at: number, place: number): void {
    view.setInt32(at, this.#remotes[place]!, true);
  }

  /**
   * Takes up what was published, then tells the publisher so; unless a row was being written all
   * the time: that one stays as it was, and the view stays stale.
   */
  acquire(): void {
    const { header, sequences } = this.#views;
    // First: whatever this version says is published has been published before.
    const version = Atomics.load(header, HEADER.version);
    const peerCount = Atomics.load(header, HEADER.peerCount);
    let whole = true;
    for (let peer = 0; peer < peerCount; peer++) {
      if (Atomics.load(sequences, peer) === this.#taken[peer]) continue;
      whole = this.#take(peer) && whole;
    }
    this.#copies.fill(0);
    if (!whole) return;
    this.#version = version;
    Atomics.store(header, HEADER.lanes + this.lane, version);
  }

  /** Copies a peer's row and sessions; false if they were being written at every try. */
  #take(peer: number): boolean {
    const { sequences, roles, places } = this.#views;
    const first = peer * SESSION_SLOTS;
    for (let reads = 0; reads < READS_MAX; reads++) {
      const before = Atomics.load(sequences, peer);
      for (let i = 0; i < ROLES_WORDS; i++) {
        this.#roles[i] = Atomics.load(roles, peer * ROLES_WORDS + i);
      }
      for (let i = 0; i < this.#copies.length; i++) {
        this.#copies[i] = Atomics.load(places, first * PLACE_WORDS + i);
      }
      if ((before & 1) !== 0 || Atomics.load(sequences, peer) !== before) continue;
      for (let slot = 0; slot < SESSION_SLOTS; slot++) {
        this.#change(first + slot, slot * PLACE_WORDS);
      }
      const current = this.#roles[ROLE.current]! >>> 0;
      this.#current[peer] = current === 0 ? -1 : placeOf(current);
      this.#taken[peer] = before;
      return true;
    }
    return false;
  }

  /** Makes a place what its copy at `at` says. */
  #change(place: number, at: number): void {
    const index = this.#copies[at + PLACE.index]!;
    const wanted = this.#roles.includes(index) ? index : 0;
    const known = this.#indices[place]!;
    if (wanted === known) return;
    if (known !== 0) this.keeper.closed(place);
    this.#indices[place] = wanted;
    if (wanted === 0) return;
    this.#remotes[place] = this.#copies[at + PLACE.remoteIndex]!;
    const key = (word: number): Uint8Array<ArrayBuffer> =>
      new Uint8Array(this.#copies.slice(at + word, at + word + KEY_WORDS).buffer);
    const [sendKey, receiveKey] = [key(PLACE.sendKey), key(PLACE.receiveKey)];
    this.keeper.opened(place, sendKey, receiveKey);
    sendKey.fill(0);
    receiveKey.fill(0);
  }
}
