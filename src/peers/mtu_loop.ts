/**
 * Finds the interface that this node's datagrams leave by and whose own packets travel through this
 * node's device: somebody else's tunnel over this network, to which a route of a peer's address
 * leads. Such a tunnel takes its MTU from this node's, and this node from the tunnel's: both would
 * fall step by step. Pure.
 */

/** Falls in a row, each by the same number of bytes, that are no coincidence. */
const FALLS = 3;

interface Seen {
  mtu_bytes: number;
  /** By how much it fell the last time, and how often in a row by that much. */
  step_bytes: number;
  falls: number;
  round: number;
}

/** The interfaces that this host's ways to the peers lead through. */
export class MtuLoop {
  readonly #seen = new Map<number, Seen>();
  #round = 0;

  /** Whether an interface, which has this MTU now, was found to follow this node's device. */
  look(index: number, mtu_bytes: number): boolean {
    const seen = this.#seen.get(index);
    if (!seen) {
      this.#seen.set(index, { mtu_bytes, step_bytes: 0, falls: 0, round: this.#round });
      return false;
    }
    seen.round = this.#round;
    if (seen.falls >= FALLS) return true;
    const step_bytes = seen.mtu_bytes - mtu_bytes;
    if (step_bytes === 0) return false;
    seen.falls = step_bytes < 0 ? 0 : step_bytes === seen.step_bytes ? seen.falls + 1 : 1;
    seen.step_bytes = step_bytes;
    seen.mtu_bytes = mtu_bytes;
    return seen.falls >= FALLS;
  }

  /** All peers' ways have been looked at once more: forgets interfaces that none leads through. */
  endRound(): void {
    for (const [index, { round }] of this.#seen) {
      if (round < this.#round) this.#seen.delete(index);
    }
    this.#round++;
  }
}
