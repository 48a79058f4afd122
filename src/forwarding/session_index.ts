/**
 * Indices of sessions, by which a peer says what session a message is for. The
 * low bits are the place of the session in shared memory, so that a lane finds it
 * without a search; the rest is random, so that an old index does not fit a new
 * session. Pure.
 */

import { NODES_MAX, SESSION_SLOTS } from "../base/limits.ts";

/** Places for sessions of all peers together: a power of two. */
export const SESSION_PLACES: number = NODES_MAX * SESSION_SLOTS;

/** The place that an index names, whoever wrote it: always below SESSION_PLACES. */
export const placeOf = (index: number): number => index & (SESSION_PLACES - 1);

/** The peer whose sessions have that place. */
export const peerOf = (place: number): number => Math.floor(place / SESSION_SLOTS);

/** The index of a session in one of a peer's places; `random` is an unsigned 32-bit number. */
export const indexFor = (peer: number, slot: number, random: number): number =>
  (random - random % SESSION_PLACES) + peer * SESSION_SLOTS + slot;
