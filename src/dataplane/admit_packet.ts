/** Mode tun: a datagram is an IP packet, and its source must be the sender's. */

import { checkPacket, IPV4, IPV6, PACKET } from "../net/ip.ts";
import type { RouteTable } from "../forwarding/prefixes.ts";
import type { Merger } from "../offload/coalesce.ts";
import { COUNTER } from "../forwarding/counters.ts";
import type { LaneTable } from "../forwarding/lane_table.ts";
import { ADMITTED, type Gate } from "./admit.ts";

/** First bytes 0x01 to 0x04 are WireGuard's message types, kept free for it. */
const WIREGUARD_LAST_TYPE = 4;

/** Lets whole packets of the sender's subnets through; the default node may send any. */
export class PacketGate implements Gate {
  #routes: RouteTable | undefined;
  #defaultPeer = -1;

  useTable(table: LaneTable): void {
    this.#routes = table.routes;
    this.#defaultPeer = table.defaultPeer;
  }

  admit(
    view: DataView,
    offset: number,
    length: number,
    peer: number,
    merger: Merger,
    mayBePartial: boolean,
  ): number {
    const first = view.getUint8(offset);
    if (first >= 1 && first <= WIREGUARD_LAST_TYPE) return COUNTER.reserved_type;
    const version = checkPacket(view, offset, length);
    if (version === PACKET.malformed) return COUNTER.malformed;
    if (peer !== this.#defaultPeer && this.#ownerOf(view, offset, version) !== peer) {
      return COUNTER.spoofed_source;
    }
    merger.add(view, offset, length, version, mayBePartial);
    return ADMITTED;
  }

  /** The peer whose subnet the packet's source lies in. */
  #ownerOf(view: DataView, offset: number, version: 4 | 6): number {
    return version === PACKET.ipv4
      ? this.#routes!.lookup4(view, offset + IPV4.source)
      : this.#routes!.lookup6(view, offset + IPV6.source);
  }
}
