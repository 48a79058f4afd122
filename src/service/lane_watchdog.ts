/** Whether the lanes still run, judged by the turns that they count. Pure. */

/** Looks at the lanes from time to time. */
export class LaneWatchdog {
  #before: readonly number[] = [];

  /**
   * Takes in how many turns each running lane has made. Every lane must be woken
   * after each call: an idle one makes none. False if one has not moved since.
   */
  alive(turns: readonly number[]): boolean {
    const before = this.#before;
    this.#before = turns;
    // Other lanes than before, or none while the device is made again: nothing to compare.
    if (turns.length !== before.length) return true;
    return turns.every((count, lane) => count !== before[lane]);
  }
}
