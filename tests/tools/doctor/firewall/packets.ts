/** Packets for the tests of packet filters. */

import type { Packet } from "../../../../src/tools/doctor/firewall/model.ts";
import { parseAddress } from "../../../../src/net/prefix.ts";

const base: Packet = {
  version: 4,
  protocol: "tcp",
  source: parseAddress("172.2.0.2")!,
  destination: parseAddress("172.1.0.2")!,
  sourcePort: 40_000,
  destinationPort: 80,
  input: "tunnet0",
  output: "br0",
};

/** A packet of a remote pod to one of this node, with some fields changed; addresses as text. */
export function packet(
  change: Partial<Omit<Packet, "source" | "destination">> & {
    source?: string;
    destination?: string;
  } = {},
): Packet {
  const { source, destination, ...rest } = change;
  return {
    ...base,
    ...rest,
    source: source ? parseAddress(source)! : base.source,
    destination: destination ? parseAddress(destination)! : base.destination,
  };
}
