/** Tells flows apart, roughly. Pure. */

import { IPV4, IPV6 } from "./ip.ts";

/**
 * A hash of the addresses of the packet at `offset`, which has passed
 * `checkPacket`, and of the four bytes behind the shortest header: of TCP and UDP
 * the ports. Packets of one flow hash alike. An unsigned number of 32 bits.
 */
export function flowHash(view: DataView, offset: number): number {
  const version4 = view.getUint8(offset) >> 4 === 4;
  const end = offset + (version4 ? IPV4.destination + 8 : IPV6.destination + 20);
  let hash = 0;
  for (let at = offset + (version4 ? IPV4.source : IPV6.source); at < end; at += 4) {
    hash = Math.imul(hash ^ view.getInt32(at), 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  return hash >>> 0;
}
