/** How large a packet the way to a peer carries. */

import { OVERHEAD_IPV4_BYTES, OVERHEAD_IPV6_BYTES } from "../limits.ts";
import type { Rtnetlink } from "../link/link.ts";
import { pathMtu } from "../link/linux.ts";
import type { Address, IpVersion } from "../net/prefix.ts";

/** Underlay MTU that is assumed where no route to a peer exists yet: Ethernet's. */
const UNDERLAY_MTU_FALLBACK_BYTES = 1500;

/** The paths from this host over one IP version. */
export class Paths {
  readonly #overhead_bytes: number;

  constructor(readonly rt: Rtnetlink, ipVersion: IpVersion) {
    this.#overhead_bytes = ipVersion === 4 ? OVERHEAD_IPV4_BYTES : OVERHEAD_IPV6_BYTES;
  }

  /** The largest inner packet that the path to an underlay address carries, in bytes. */
  innerMtu_bytes(address: Address | undefined): number {
    const underlay = (address && pathMtu(this.rt, address)) || UNDERLAY_MTU_FALLBACK_BYTES;
    return Math.max(0, underlay - this.#overhead_bytes);
  }
}
