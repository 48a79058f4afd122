/** Datagrams of one size to one destination, given by where their bytes lie in an arena. */

import type { Burst } from "./arena.ts";

/**
 * A run of `count` datagrams: to each a header, `headStride_bytes` behind the one
 * before, and a body, right behind the one before; no header where `head_bytes`
 * is 0. One object serves all runs of a lane: whoever is handed it takes what it
 * needs before returning.
 */
export class Run {
  /** Number of the destination (PacketSocket.setDestination): the peer's index. */
  destination = 0;
  /** How many datagrams. */
  count = 0;
  /** Where the first header starts in the arena. */
  head = 0;
  /** Size of each header. */
  head_bytes = 0;
  /** From one header to the next. */
  headStride_bytes = 0;
  /** Where the first body starts. */
  body = 0;
  /** Size of each body. */
  body_bytes = 0;

  /** A run in the arena of `burst`. */
  constructor(readonly burst: Burst) {}

  /** Takes the first `count` datagrams off the run. */
  skip(count: number): void {
    this.count -= count;
    this.head += count * this.headStride_bytes;
    this.body += count * this.body_bytes;
  }
}
