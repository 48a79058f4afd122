/** A traced packet as a packet of a capture. Pure. */

import type { LinkKind } from "../decode/decode.ts";
import { LINK_TYPE, type PcapInterface, type PcapPacket } from "../pcap/pcapng.ts";
import { type Verdict, verdictText } from "./render.ts";
import type { PacketRecord } from "./ring.ts";

/** Interfaces of a capture. */
export const INTERFACE = { device: 0, udp: 1 } as const;

/** What a capture says of them, in the order of INTERFACE. */
export function interfacesOf(device: string, link: LinkKind): readonly PcapInterface[] {
  const linkType = link === "ethernet" ? LINK_TYPE.ethernet : LINK_TYPE.raw;
  return [
    { name: device, description: "what crosses the device", linkType, snap_bytes: 0 },
    {
      name: "udp",
      description: "datagrams that were dropped before the device",
      linkType,
      snap_bytes: 0,
    },
  ];
}

/** The packet, with what became of it as a comment. */
export function capturedPacket(record: PacketRecord, verdict: Verdict): PcapPacket {
  return {
    interface: INTERFACE[verdict.side],
    time: record.time,
    direction: verdict.direction,
    bytes: record.bytes,
    length_bytes: record.length_bytes,
    comment: verdictText(verdict),
  };
}
