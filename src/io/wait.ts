/** How a lane sleeps. */

/** A descriptor is broken: its device is gone. */
export const WAIT_BROKEN = -1;

/** What a lane waits on; `poll.ts` has the real one. */
export interface Wait {
  /**
   * Sleeps until a descriptor is readable or somebody wakes the lane. Returns a
   * bit for each that is, in their order, or WAIT_BROKEN.
   */
  poll(): number;
}
