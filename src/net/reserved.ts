/** Addresses that no node of an overlay has. Pure. */

import { parsePrefix, type Prefix } from "./prefix.ts";

/**
 * What no packet between pods comes from or goes to: this network and the unspecified address,
 * loopback, link-local, multicast and beyond (RFC 6890, RFC 4291), and IPv4 addresses that are
 * written as IPv6 ones, which may be on no wire (RFC 4038, section 4.2).
 */
export const RESERVED: readonly Prefix[] = [
  ...["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"],
  ...["::/128", "::1/128", "::ffff:0.0.0.0/96", "fe80::/10", "ff00::/8"],
].map((text) => parsePrefix(text)!.prefix);
