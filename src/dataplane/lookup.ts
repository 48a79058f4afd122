/** Which peers a packet from the device goes to: outbound, all that the modes tun and tap differ in. */

import { COUNTER } from "../forwarding/counters.ts";
import type { LaneTable } from "../forwarding/lane_table.ts";
import { NO_ROUTE, type RouteTable } from "../forwarding/prefixes.ts";
import { checkPacket, IPV4, IPV6, PACKET } from "../net/ip.ts";
import type { Packet } from "./packet.ts";

/** `read` and `checkSource`: nothing is wrong. Anything else is the counter of a drop. */
export const GOOD = -1;
/** `peerOf`: all peers get a copy. */
export const EVERY_PEER = -3;

/** The lookup of one mode. */
export interface Lookup {
  /** Whether the sender of what has no destination is told so (ICMP). */
  readonly answersNoRoute: boolean;
  /** Takes over what the table has acquired. */
  useTable(table: LaneTable): void;
  /** Reads the headers of what lies at `offset` into `packet`: GOOD, or a counter. */
  read(view: DataView, offset: number, length: number, packet: Packet): number;
  /** Judges the packet's source, and notes where it is: GOOD, or a counter. Once for each packet. */
  checkSource(view: DataView, packet: Packet): number;
  /** Index of the peer that the packet is for, EVERY_PEER, or another negative number: nobody. */
  peerOf(view: DataView, packet: Packet): number;
}

/** Mode tun: by the longest prefix that the destination lies in. */
export class PacketLookup implements Lookup {
  readonly answersNoRoute = true;
  #routes: RouteTable | undefined;

  useTable(table: LaneTable): void {
    this.#routes = table.routes;
  }

  read(view: DataView, offset: number, length: number, packet: Packet): number {
    const version = checkPacket(view, offset, length);
    packet.set(offset, length, version, 0);
    return version === PACKET.malformed ? COUNTER.malformed : GOOD;
  }

  /** What this host routes to the device may come from anywhere. */
  checkSource(): number {
    return GOOD;
  }

  /** Nobody's, too, is a subnet of this node: had it a bridge here, the packet would not have come. */
  peerOf(view: DataView, { offset, version }: Packet): number {
    const routes = this.#routes;
    if (!routes) return NO_ROUTE;
    return version === PACKET.ipv4
      ? routes.lookup4(view, offset + IPV4.destination)
      : routes.lookup6(view, offset + IPV6.destination);
  }
}
