/** What the engine needs of a tun or tap device; `linux.ts` is the real one. */

import type { Burst } from "../engine/burst.ts";

/** Outcomes of a write; each but `ok` is a drop with a name. */
export const WRITE = { ok: 0, rejected: 1, down: 2, gone: 3 } as const;
/** One of WRITE. */
export type WriteResult = typeof WRITE[keyof typeof WRITE];

/** `read` returns this when the device does not exist any more. */
export const DEVICE_GONE = -1;

/** A packet device, read and written by one lane. */
export interface PacketDevice {
  /**
   * Takes waiting packets into the burst's slots from 0 on, without blocking.
   * Returns how many, 0 when none waits, DEVICE_GONE when the device is gone.
   */
  read(burst: Burst): number;
  /** Hands the packet of a slot to the kernel, without blocking. */
  write(burst: Burst, slot: number): WriteResult;
}
