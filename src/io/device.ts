/** A tun or tap device as one lane uses it; `tun_linux.ts` is the real one. */

import type { Burst } from "./arena.ts";
import type { MergeFeatures } from "../offload/coalesce.ts";

/** Outcomes of a write; each but `ok` is a drop with a name. */
export const WRITE = { ok: 0, rejected: 1, down: 2, gone: 3 } as const;
/** One of WRITE. */
export type WriteResult = typeof WRITE[keyof typeof WRITE];

/** `read` returns this when the device does not exist any more. */
export const DEVICE_GONE = -1;

/** What the kernel does for us on a device. */
export interface DeviceFeatures extends MergeFeatures {
  /** Partial checksums are taken and completed (a virtio header comes before each packet). */
  readonly checksum: boolean;
  /** Partial checksums may come from peers: it needs `checksum`. */
  readonly partial: boolean;
}

/** A device that is open. */
export interface OpenTun {
  /** Descriptors of its queues, nonblocking: one, or more where the device has several. */
  readonly queues: readonly number[];
  /** Whether a virtio header comes with each packet. */
  readonly vnet: boolean;
  readonly features: DeviceFeatures;
}

/** A packet device, read and written by one lane. */
export interface PacketDevice {
  readonly features: DeviceFeatures;
  /**
   * Takes a waiting packet into a slot of the burst, without blocking, with a
   * virtio header in the VNET_BYTES before it (of zeros, where the device has
   * none). Returns 1, 0 when none waits, DEVICE_GONE when the device is gone.
   */
  read(burst: Burst, slot: number): number;
  /**
   * Hands a packet or super-packet to the kernel, without blocking: a virtio
   * header and a packet at `offset[0]` of the arena, then more payload,
   * `pieces` ranges in all.
   */
  write(burst: Burst, offset: Int32Array, length: Int32Array, pieces: number): WriteResult;
}
