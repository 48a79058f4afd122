/** A published forwarding table from text. */

import { Fib, FIB_BYTES, type FibPeer } from "../../src/forwarding/table.ts";
import { parseAddress, parsePrefix } from "../../src/net/prefix.ts";
import { LOCAL, type Route } from "../../src/forwarding/prefixes.ts";

/** A peer of a test: its address and its subnets. */
export interface FakePeer {
  readonly address: string;
  readonly subnets: readonly string[];
  readonly mtu_bytes?: number;
  /** Bits of CAPABILITY; by default the peer is a plain one. */
  readonly capabilities?: number;
}

/** Publishes peers and own subnets; the result is ready for `acquire`. */
export function publishedFib(
  peers: readonly FakePeer[],
  own: readonly string[] = [],
  defaultPeer = -1,
): Fib {
  const routes: Route[] = own.map((text) => ({ prefix: parsePrefix(text)!.prefix, hop: LOCAL }));
  peers.forEach(({ subnets }, hop) =>
    subnets.forEach((text) => routes.push({ prefix: parsePrefix(text)!.prefix, hop }))
  );
  const entries: FibPeer[] = peers.map(({ address, mtu_bytes, capabilities }) => ({
    address: parseAddress(address)!.bytes,
    port: 3009,
    mtu_bytes: mtu_bytes ?? 1472,
    capabilities: capabilities ?? 0,
    heard: capabilities !== undefined,
  }));
  const fib = new Fib(new SharedArrayBuffer(FIB_BYTES));
  fib.publish(entries, routes, defaultPeer);
  return fib;
}
