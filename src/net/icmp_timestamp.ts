/** ICMP timestamp messages (RFC 792): how far another host's clock is from ours. Pure. */

import { foldChecksum, sum16 } from "./checksum.ts";
import { IPV4, IPV4_HEADER_BYTES } from "./ip.ts";

const REQUEST = 13;
const REPLY = 14;
const MESSAGE_BYTES = 20;
const DAY_MS = 86_400_000;
/** Set where the time is not in ms since midnight UTC. */
const NOT_STANDARD = 0x8000_0000;

/** A request that carries our time of day; `identifier` and `sequence` come back with the reply. */
export function timestampRequest(
  identifier: number,
  sequence: number,
  clock_ms: number,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(MESSAGE_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, REQUEST);
  view.setUint16(4, identifier);
  view.setUint16(6, sequence);
  view.setUint32(8, Math.floor(clock_ms) % DAY_MS);
  view.setUint16(2, foldChecksum(sum16(view, 0, MESSAGE_BYTES)));
  return bytes;
}

/** What a reply tells. */
export interface TimestampReply {
  /** As in the request. */
  readonly sequence: number;
  /** How far the other clock is ahead, in ms, taken modulo a day. */
  readonly offset_ms: number;
}

/** Reads a raw socket's packet (IPv4 header included); undefined if it is no reply to `identifier`. */
export function readTimestampReply(
  packet: Uint8Array,
  identifier: number,
  clock_ms: number,
): TimestampReply | undefined {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  if (packet.length < IPV4_HEADER_BYTES) return undefined;
  const at = (view.getUint8(0) & 0x0f) * 4;
  if (at < IPV4_HEADER_BYTES || packet.length < at + MESSAGE_BYTES) return undefined;
  if (view.getUint8(IPV4.protocol) !== 1 || view.getUint8(at) !== REPLY) return undefined;
  if (view.getUint16(at + 4) !== identifier) return undefined;
  const [sent, received, returned] = [8, 12, 16].map((offset) => view.getUint32(at + offset));
  if (received! >= NOT_STANDARD || returned! >= NOT_STANDARD) return undefined;
  const now = Math.floor(clock_ms) % DAY_MS;
  // Half the way there, half the way back; midnight may lie between.
  const twice = wrap(received! - sent!) + wrap(returned! - now);
  return { sequence: view.getUint16(at + 6), offset_ms: twice / 2 };
}

/** A difference of two times of day, from half a day behind to half a day ahead. */
function wrap(difference_ms: number): number {
  const half = DAY_MS / 2;
  return ((difference_ms + half) % DAY_MS + DAY_MS) % DAY_MS - half;
}
