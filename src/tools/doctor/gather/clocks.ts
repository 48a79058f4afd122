/** Asks peers for their time of day by ICMP. */

import { readTimestampReply, timestampRequest } from "../../../net/icmp_timestamp.ts";
import type { PeerFacts } from "../facts.ts";
import { ProbeSockets } from "./sockets.ts";

/** Peers that answer at all answer at once; many hosts and clouds never do. */
const WAIT_MS = 500;

/** How far peers' clocks are ahead, in ms, by name: of those that tell. IPv4 only, as the message is. */
export function clockOffsets(
  peers: readonly Pick<PeerFacts, "node" | "address">[],
): ReadonlyMap<string, number> {
  const offsets = new Map<string, number>();
  using sockets = new ProbeSockets();
  const icmp = sockets.openIcmp();
  if (!icmp) return offsets;
  const identifier = Deno.pid & 0xffff;
  let asked = 0;
  peers.forEach(({ address }, i) => {
    if (address?.version !== 4) return;
    icmp.send(timestampRequest(identifier, i, Date.now()), address);
    asked++;
  });
  const end_us = sockets.now_us() + WAIT_MS * 1000;
  while (offsets.size < asked && sockets.now_us() < end_us) {
    sockets.wait((end_us - sockets.now_us()) / 1000);
    const packet = sockets.receiveIcmp(icmp.fd);
    const reply = packet && readTimestampReply(packet, identifier, Date.now());
    const peer = reply && peers[reply.sequence];
    if (peer) offsets.set(peer.node.name, reply.offset_ms);
  }
  return offsets;
}
