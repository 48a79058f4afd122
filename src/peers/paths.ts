/** How large a packet this host and its kernel let through to a peer. */

import { OVERHEAD_IPV4_BYTES, OVERHEAD_IPV6_BYTES } from "../base/limits.ts";
import type { Rtnetlink } from "../host/netlink/rtnetlink.ts";
import { underlay } from "../host/netlink/linux.ts";
import type { Address, IpVersion } from "../net/prefix.ts";
import type { UdpPaths } from "../io/path_mtu.ts";
import { MtuLoop } from "./mtu_loop.ts";
import type { Peer } from "./peer.ts";

/** Underlay MTU that is assumed where no route to a peer exists yet: Ethernet's. */
const UNDERLAY_MTU_FALLBACK_BYTES = 1500;

/** The paths from this host over one IP version. */
export class Paths {
  readonly #overhead_bytes: number;
  readonly #loop = new MtuLoop();

  constructor(readonly rt: Rtnetlink, readonly udp: UdpPaths, ipVersion: IpVersion) {
    this.#overhead_bytes = ipVersion === 4 ? OVERHEAD_IPV4_BYTES : OVERHEAD_IPV6_BYTES;
  }

  /**
   * Tells a peer's path what this host and its kernel know of it now. The name of the interface
   * through which the way there leads into this node's own device, if one does.
   */
  look({ address, sealed_bytes, liveness: { path } }: Peer): string | undefined {
    const hint_bytes = (address && this.udp.maxDatagram(address.bytes)) ?? this.#fallback_bytes;
    const { inner_bytes, loop } = this.#local(address);
    path.look(inner_bytes - sealed_bytes, hint_bytes - sealed_bytes);
    return loop;
  }

  /** All peers have been looked at. */
  endRound(): void {
    this.#loop.endRound();
  }

  /**
   * The largest inner packet that fits into what leaves this host towards an
   * address: it changes only when somebody changes this host.
   */
  localMtu_bytes(address: Address | undefined): number {
    return this.#local(address).inner_bytes;
  }

  #local(address: Address | undefined): { readonly inner_bytes: number; readonly loop?: string } {
    const way = address && underlay(this.rt, address);
    if (!way) return { inner_bytes: this.#fallback_bytes };
    const { link: { index, name, mtu_bytes } } = way;
    // Such an interface says nothing of the underlay.
    return this.#loop.look(index, mtu_bytes)
      ? { inner_bytes: this.#fallback_bytes, loop: name }
      : { inner_bytes: Math.max(0, way.mtu_bytes - this.#overhead_bytes) };
  }

  get #fallback_bytes(): number {
    return UNDERLAY_MTU_FALLBACK_BYTES - this.#overhead_bytes;
  }
}
