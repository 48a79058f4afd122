/** What a datagram is: its first byte tells, before anybody asks who sent it. Pure. */

import { CONTROL_FIRST_BYTE } from "./hello.ts";
import type { Mode } from "./mode.ts";

/** Kinds of datagrams. */
export const DATAGRAM = {
  /** Nothing that is spoken here. */
  unknown: 0,
  /** An IP packet as it is (mode tun). */
  packet: 1,
  /** An Ethernet frame as it is (mode tap). */
  frame: 2,
  /** A hello. */
  hello: 3,
  /** A WireGuard message: the first byte is its type, 1 to 4. */
  wireguard: 4,
} as const;
/** One of DATAGRAM. */
export type DatagramKind = typeof DATAGRAM[keyof typeof DATAGRAM];

/** Initiation, response, cookie reply and transport data (WireGuard's whitepaper, section 5.4). */
export const WIREGUARD_TYPES = 4;

/**
 * The kind of the datagram of `length` bytes at `offset`. In mode tap a frame may
 * start with any byte but the hello's, since its destination comes first; WireGuard's
 * messages begin like one, so `keyed` says that no frame is taken in the clear.
 */
export function classify(
  view: DataView,
  offset: number,
  length: number,
  mode: Mode,
  keyed = false,
): DatagramKind {
  if (length === 0) return DATAGRAM.unknown;
  const first = view.getUint8(offset);
  if (first === CONTROL_FIRST_BYTE) return DATAGRAM.hello;
  if (mode === "tap" && !(keyed && first >= 1 && first <= WIREGUARD_TYPES)) return DATAGRAM.frame;
  const version = first >> 4;
  if (version === 4 || version === 6) return DATAGRAM.packet;
  return first >= 1 && first <= WIREGUARD_TYPES ? DATAGRAM.wireguard : DATAGRAM.unknown;
}
