/** Which of a host's addresses is used. Pure. */

import type { Address, IpVersion } from "../net/prefix.ts";

/** The first address of the wanted IP version. */
export function pickVersion(
  addresses: readonly Address[],
  version: IpVersion,
): Address | undefined {
  return addresses.find((address) => address.version === version);
}
