/** Ethernet II and 802.3 frames, VLAN tags (IEEE 802.1Q) and ARP (RFC 826). Pure. */

import { VLAN_TAGS_SHOWN_MAX } from "../../base/limits.ts";
import { ETHER_TYPE, ETHERNET_HEADER_BYTES, VLAN_TAG_BYTES } from "../../net/ethernet.ts";
import { decodeIpv4 } from "./ipv4.ts";
import { decodeIpv6 } from "./ipv6.ts";
import { ETHER_TYPE_NAMES } from "./names.ts";
import type { VlanTag } from "./types.ts";
import { type Findings, hexNumber, type Window } from "./window.ts";

/** From here on the field is a type, below it is a length (IEEE 802.3, 3.2.6). */
const ETHER_TYPE_MIN = 0x600;
/** ARP for IPv4 over Ethernet. */
const ARP_BYTES = 28;
/** Shorter frames are filled up to this, without the checksum (IEEE 802.3, 4A.4.2). */
const FRAME_MIN_BYTES = 60;

/** A frame without preamble and checksum, as a tap device hands it out. */
export function decodeEthernet(frame: Window, findings: Findings): void {
  findings.protocol = "Ethernet";
  if (!findings.header(frame, ETHERNET_HEADER_BYTES, "Ethernet")) return findings.data(frame);
  const vlans: VlanTag[] = [];
  let at = ETHERNET_HEADER_BYTES;
  let type = frame.u16(12);
  const head = { kind: "ethernet", source: frame.mac(6), destination: frame.mac(0) } as const;
  while (type === ETHER_TYPE.vlan || type === ETHER_TYPE.providerVlan) {
    if (vlans.length === VLAN_TAGS_SHOWN_MAX) {
      findings.layers.push({ ...head, vlans, etherType: type });
      findings.note("lying", `more than ${VLAN_TAGS_SHOWN_MAX} VLAN tags`);
      return findings.data(frame.from(at));
    }
    if (!findings.header(frame.from(at), VLAN_TAG_BYTES, "VLAN")) {
      findings.layers.push({ ...head, vlans, etherType: type });
      return findings.data(frame.from(at));
    }
    const control = frame.u16(at);
    vlans.push({ etherType: type, id: control & 0xfff, priority: control >> 13 });
    type = frame.u16(at + 2);
    at += VLAN_TAG_BYTES;
  }
  const payload = frame.from(at);
  if (type < ETHER_TYPE_MIN) {
    findings.layers.push({ ...head, vlans, length_bytes: type });
    if (type > payload.length) {
      findings.note("lying", `802.3 length ${type}, only ${payload.length} B follow`);
    }
    findings.protocol = "802.3";
    return findings.data(payload.part(0, type));
  }
  findings.layers.push({ ...head, vlans, etherType: type });
  findings.protocol = ETHER_TYPE_NAMES[type] ?? `EtherType ${hexNumber(type, 4)}`;
  const padded = frame.length <= FRAME_MIN_BYTES + vlans.length * VLAN_TAG_BYTES;
  switch (type) {
    case ETHER_TYPE.arp:
      return decodeArp(payload, findings);
    case ETHER_TYPE.ipv4:
      return decodeIpv4(payload, findings, padded);
    case ETHER_TYPE.ipv6:
      return decodeIpv6(payload, findings, padded);
    default:
      return findings.data(payload);
  }
}

function decodeArp(payload: Window, findings: Findings): void {
  if (!findings.header(payload, 8, "ARP")) return findings.data(payload);
  const hardware = payload.u16(0);
  const protocol = payload.u16(2);
  const [macLength, addressLength] = [payload.u8(4), payload.u8(5)];
  if (hardware !== 1 || protocol !== ETHER_TYPE.ipv4) return findings.data(payload);
  if (macLength !== 6 || addressLength !== 4) {
    findings.note("lying", `ARP addresses of ${macLength} and ${addressLength} B, not 6 and 4`);
    return findings.data(payload);
  }
  if (!findings.header(payload, ARP_BYTES, "ARP")) return findings.data(payload);
  findings.layers.push({
    kind: "arp",
    operation: payload.u16(6),
    senderMac: payload.mac(8),
    sender: payload.address(14, 4),
    targetMac: payload.mac(18),
    target: payload.address(24, 4),
  });
}
