/** How large a packet this host and its kernel let through to a peer. */

import { OVERHEAD_IPV4_BYTES, OVERHEAD_IPV6_BYTES } from "../base/limits.ts";
import type { Rtnetlink } from "../host/netlink/rtnetlink.ts";
import { underlayMtu } from "../host/netlink/linux.ts";
import type { Address, IpVersion } from "../net/prefix.ts";
import type { UdpPaths } from "../io/path_mtu.ts";
import type { Peer } from "./peer.ts";

/** Underlay MTU that is assumed where no route to a peer exists yet: Ethernet's. */
const UNDERLAY_MTU_FALLBACK_BYTES = 1500;

/** The paths from this host over one IP version. */
export class Paths {
  readonly #overhead_bytes: number;

  constructor(readonly rt: Rtnetlink, readonly udp: UdpPaths, ipVersion: IpVersion) {
    this.#overhead_bytes = ipVersion === 4 ? OVERHEAD_IPV4_BYTES : OVERHEAD_IPV6_BYTES;
  }

  /** Tells a peer's path what this host and its kernel know of it now. */
  look({ address, sealed_bytes, liveness: { path } }: Peer): void {
    const hint_bytes = (address && this.udp.maxDatagram(address.bytes)) ?? this.#fallback_bytes;
    path.look(this.localMtu_bytes(address) - sealed_bytes, hint_bytes - sealed_bytes);
  }

  /**
   * The largest inner packet that fits into what leaves this host towards an
   * address: it changes only when somebody changes this host.
   */
  localMtu_bytes(address: Address | undefined): number {
    const underlay = address && underlayMtu(this.rt, address);
    return underlay === undefined
      ? this.#fallback_bytes
      : Math.max(0, underlay - this.#overhead_bytes);
  }

  get #fallback_bytes(): number {
    return UNDERLAY_MTU_FALLBACK_BYTES - this.#overhead_bytes;
  }
}
