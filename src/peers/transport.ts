/** How a peer is reached: the only place that decides it. Pure. */

import { type PeerRow, TRANSPORT, type Transport } from "../forwarding/peer_row.ts";
import { CAPABILITY } from "../wire/hello.ts";
import type { Mode } from "../wire/mode.ts";
import type { Peer } from "./peer.ts";

/** How a peer is reached by a node of this mode. */
export function transportOf({ address, isSealed, liveness }: Peer, mode: Mode): Transport {
  const { said, state, capabilities, hearsUs } = liveness;
  if (!address) return TRANSPORT.unresolved;
  // INVARIANT: no downgrade. Whatever it says, or anybody in its name, nothing goes in the clear.
  if (isSealed) return TRANSPORT.sealed;
  if (!said) return TRANSPORT.plain;
  // What it said once holds while it goes on saying it.
  if (said.mode !== mode) return state === "up" ? TRANSPORT.other_mode : TRANSPORT.plain;
  // Both must have heard each other before packets go that way, so that what a firewall forbids
  // stays forbidden: hellos pass it like any datagram of the host, the programs do not.
  const kernel = (capabilities & CAPABILITY.kernelPath) !== 0 && hearsUs;
  return kernel ? TRANSPORT.kernel : TRANSPORT.tunnet;
}

/** A peer's row in the forwarding table. `mtu_bytes`: the largest inner packet that its path carries. */
export function rowOf(peer: Peer, mode: Mode, mtu_bytes: number): PeerRow {
  const { address, port, liveness: { capabilities, said, token } } = peer;
  return {
    address: address?.bytes ?? new Uint8Array(0),
    port,
    mtu_bytes,
    capabilities,
    heard: said !== undefined,
    transport: transportOf(peer, mode),
    token,
  };
}
