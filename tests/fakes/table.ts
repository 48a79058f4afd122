/** A published forwarding table from text. */

import { TOKEN } from "./peers.ts";
import { LaneTable } from "../../src/forwarding/lane_table.ts";
import { TRANSPORT } from "../../src/forwarding/peer_row.ts";
import { ForwardingTable } from "../../src/forwarding/table.ts";
import { parseAddress, parsePrefix } from "../../src/net/prefix.ts";
import { LOCAL, type Route } from "../../src/forwarding/prefixes.ts";

/** A peer of a test: its address and its subnets. */
export interface FakePeer {
  readonly address: string;
  readonly subnets: readonly string[];
  readonly mtu_bytes?: number;
  /** Bits of CAPABILITY; by default the peer is a plain one. */
  readonly capabilities?: number;
  /** Packets to it are sealed. */
  readonly sealed?: boolean;
}

/** Publishes peers and own subnets. */
export function publishedTable(
  peers: readonly FakePeer[],
  own: readonly string[] = [],
  defaultPeer = -1,
  accepted: readonly string[] = [],
): ForwardingTable {
  const routes: Route[] = own.map((text) => ({ prefix: parsePrefix(text)!.prefix, hop: LOCAL }));
  peers.forEach(({ subnets }, hop) =>
    subnets.forEach((text) => routes.push({ prefix: parsePrefix(text)!.prefix, hop }))
  );
  const table = new ForwardingTable();
  peers.forEach(({ address, mtu_bytes, capabilities, sealed }, index) => {
    const open = capabilities === undefined ? TRANSPORT.plain : TRANSPORT.tunnet;
    table.setPeer(index, {
      address: parseAddress(address)!.bytes,
      port: 3009,
      mtu_bytes: mtu_bytes ?? 1472,
      capabilities: capabilities ?? 0,
      heard: capabilities !== undefined,
      transport: sealed ? TRANSPORT.sealed : open,
      token: TOKEN,
    });
  });
  table.publishRoutes(routes, defaultPeer, accepted.map((text) => parsePrefix(text)!.prefix));
  return table;
}

/** What a lane has of a table that it has just taken up. */
export function acquired({ memory }: ForwardingTable): LaneTable {
  const table = new LaneTable(memory, 0);
  table.acquire();
  return table;
}
