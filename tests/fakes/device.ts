/** A device in memory behind the real interface. */

import type { Burst } from "../../src/io/arena.ts";
import {
  DEVICE_GONE,
  type DeviceFeatures,
  type PacketDevice,
  WRITE,
  type WriteResult,
} from "../../src/io/device.ts";
import { VNET_BYTES, writePlainVnet } from "../../src/offload/vnet.ts";

/** A device that does nothing for us. */
export const NO_FEATURES: DeviceFeatures = {
  checksum: false,
  partial: false,
  tcp4: false,
  tcp6: false,
  udp: false,
};

/** Hands out the packets in `waiting`, keeps copies of what is written. */
export class FakeDevice implements PacketDevice {
  waiting: Uint8Array[] = [];
  /** Without the virtio headers. */
  written: Uint8Array[] = [];
  /** With them. */
  writtenWhole: Uint8Array[] = [];
  gone = false;
  /** What `write` answers. */
  result: WriteResult = WRITE.ok;

  constructor(readonly features: DeviceFeatures = NO_FEATURES) {}

  read(burst: Burst, slot: number): number {
    if (this.gone) return DEVICE_GONE;
    const packet = this.waiting.shift();
    if (!packet) return 0;
    writePlainVnet(burst.view, burst.offset(slot) - VNET_BYTES);
    burst.bytes.set(packet, burst.offset(slot));
    burst.length[slot] = packet.length;
    return 1;
  }

  write(burst: Burst, offset: Int32Array, length: Int32Array, pieces: number): WriteResult {
    if (this.gone) return WRITE.gone;
    if (this.result !== WRITE.ok) return this.result;
    const whole: number[] = [];
    for (let i = 0; i < pieces; i++) {
      whole.push(...burst.bytes.subarray(offset[i]!, offset[i]! + length[i]!));
    }
    this.writtenWhole.push(Uint8Array.from(whole));
    this.written.push(Uint8Array.from(whole.slice(VNET_BYTES)));
    return WRITE.ok;
  }
}
