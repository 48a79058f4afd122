/** Packets that wait while a handshake runs, so that the first one is not lost. Pure. */

import { WAITING_MAX, WAITING_PER_PEER } from "../base/limits.ts";

/** The newest packets of each peer, bounded for each and in all. */
export class WaitingPackets {
  readonly #byPeer = new Map<number, Uint8Array<ArrayBuffer>[]>();
  #count = 0;

  constructor(readonly perPeer = WAITING_PER_PEER, readonly max = WAITING_MAX) {}

  /** Packets that wait, of all peers. */
  get count(): number {
    return this.#count;
  }

  /**
   * Lets a packet wait, which is kept as it is. Returns how many are lost for it: the peer's
   * oldest, or this one where other peers take all the room.
   */
  add(peer: number, packet: Uint8Array<ArrayBuffer>): number {
    const packets = this.#byPeer.get(peer) ?? [];
    const full = packets.length >= this.perPeer || this.#count >= this.max;
    if (full && packets.shift() === undefined) return 1;
    packets.push(packet);
    this.#byPeer.set(peer, packets);
    if (full) return 1;
    this.#count++;
    return 0;
  }

  /** Takes all of a peer's packets, the oldest first: they are sent, or dropped. */
  take(peer: number): readonly Uint8Array<ArrayBuffer>[] {
    const packets = this.#byPeer.get(peer) ?? [];
    this.#byPeer.delete(peer);
    this.#count -= packets.length;
    return packets;
  }
}
