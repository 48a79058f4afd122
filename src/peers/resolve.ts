/** Host names to underlay addresses, by the system's resolver (so /etc/hosts counts). */

import { lookup } from "node:dns/promises";
import { NO_HOST } from "../config/types.ts";
import { type Address, parseAddress } from "../net/prefix.ts";

/** Addresses of a host: itself if it is an address, none if its name is not known now. */
export async function resolveHost(host: string): Promise<readonly Address[]> {
  const literal = parseAddress(host);
  if (literal) return [literal];
  if (host === NO_HOST) return [];
  try {
    const found = await lookup(host, { all: true });
    return found.map(({ address }) => parseAddress(address)).filter((a) => a !== undefined);
  } catch {
    return [];
  }
}
