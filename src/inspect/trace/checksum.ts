/** Completes the checksum that offloading has left partial, in a copy of a packet. Pure. */

import type { LinkKind } from "../decode/decode.ts";
import { foldChecksum, sum16 } from "../../net/checksum.ts";
import { checkFrame, ethernetHeaderBytes, packetInFrame } from "../../net/ethernet.ts";
import { checkPacket, PACKET, PROTOCOL } from "../../net/ip.ts";
import {
  checksumFieldOf,
  checksumState,
  ipHeaderBytes,
  ipProtocol,
  isFragment4,
} from "../../net/transport.ts";

/**
 * Makes a whole packet look as it does once it is delivered: between tunnets,
 * TCP and UDP checksums may hold only the pseudo header's sum.
 */
export function completeChecksum(bytes: Uint8Array, link: LinkKind): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (link === "ethernet" && !checkFrame(view, 0, bytes.length)) return;
  const at = link === "ethernet" ? ethernetHeaderBytes(view, 0, bytes.length) : 0;
  const version = link === "ethernet"
    ? packetInFrame(view, 0, bytes.length, at)
    : checkPacket(view, 0, bytes.length);
  if (version === PACKET.malformed || version === 4 && isFragment4(view, at)) return;
  const protocol = ipProtocol(view, at, version);
  const offset = checksumFieldOf(protocol);
  const start = at + ipHeaderBytes(view, at, version);
  const field = start + offset;
  if (offset < 0 || field + 2 > bytes.length) return;
  const length = bytes.length - start;
  if (checksumState(view, at, version, protocol, start, length, field) !== "partial") return;
  const sum = foldChecksum(sum16(view, start, length));
  view.setUint16(field, sum === 0 && protocol === PROTOCOL.udp ? 0xffff : sum);
}
