/** A device in memory behind the real interface. */

import type { Burst } from "../../src/engine/burst.ts";
import { DEVICE_GONE, type PacketDevice, WRITE, type WriteResult } from "../../src/tun/device.ts";

/** Hands out the packets in `waiting`, keeps copies of what is written. */
export class FakeDevice implements PacketDevice {
  waiting: Uint8Array[] = [];
  written: Uint8Array[] = [];
  gone = false;
  /** What `write` answers. */
  result: WriteResult = WRITE.ok;

  read(burst: Burst): number {
    if (this.gone) return DEVICE_GONE;
    let slot = 0;
    for (; slot < burst.slots && this.waiting.length > 0; slot++) {
      const packet = this.waiting.shift()!;
      burst.bytes.set(packet, burst.offset(slot));
      burst.length[slot] = packet.length;
    }
    return slot;
  }

  write(burst: Burst, slot: number): WriteResult {
    if (this.gone) return WRITE.gone;
    if (this.result === WRITE.ok) {
      const offset = burst.offset(slot);
      this.written.push(burst.bytes.slice(offset, offset + burst.length[slot]!));
    }
    return this.result;
  }
}
