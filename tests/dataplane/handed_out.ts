/** What a kernel may hand out: packets, whole or with their checksum left, and super-packets. */

import type { Random } from "../fuzz/random.ts";
import { Flow, randomShape } from "../offload/flows.ts";
import {
  checksumField,
  ipBytes,
  join,
  NO_OFFLOAD,
  partial,
  type SuperPacket,
  VIRTIO_BYTES,
  virtioBytes,
} from "../offload/oracle.ts";
import type { Packet } from "../../src/dataplane/packet.ts";
import type { Burst } from "../../src/io/arena.ts";

/** A packet as a kernel hands it out that leaves its checksum to the device. */
function left(packet: Uint8Array): SuperPacket {
  const checksumStart = ipBytes(packet);
  const checksumOffset = checksumField(packet)! - checksumStart;
  return {
    virtio: { ...NO_OFFLOAD, flags: 1, checksumStart, checksumOffset },
    packet: partial(packet),
  };
}

/** What a kernel may hand out for a few packets of one flow, and those packets. */
export function handedOut(dice: Random): { handed: SuperPacket[]; packets: Uint8Array[] } {
  const flow = new Flow(dice, randomShape(dice, 0));
  const packets = Array.from({ length: 1 + dice.below(20) }, () => flow.next());
  if (dice.below(2) === 0 && packets.length > 1) return { handed: [join(packets)], packets };
  const handed = packets.map((packet) =>
    dice.below(2) === 0 ? left(packet) : { virtio: NO_OFFLOAD, packet }
  );
  return { handed, packets };
}

/** Puts what was handed out into a slot, and says where it is. */
export function putHanded(
  burst: Burst,
  slot: number,
  { virtio, packet }: SuperPacket,
  at: Packet,
): void {
  const offset = burst.offset(slot);
  burst.bytes.set(virtioBytes(virtio), offset - VIRTIO_BYTES);
  burst.bytes.set(packet, offset);
  at.set(offset, packet.length, packet[0]! >> 4 as 4 | 6, 0);
}
