/**
 * Views of Ethernet frames (IEEE 802.3, tags as in IEEE 802.1Q) in an arena, as
 * a tap device gives and takes them: no preamble, no check sequence. And MAC
 * addresses as text. Pure.
 */

import { checkPacket, PACKET } from "./ip.ts";

/** Destination, source and EtherType, without tags. */
export const ETHERNET_HEADER_BYTES: number = 14;

/** One VLAN tag: its EtherType and 16 bits of priority and VLAN id. */
export const VLAN_TAG_BYTES: number = 4;

/** Tags that are looked behind: a customer's and a provider's (802.1ad). Frames with more pass opaquely. */
const VLAN_TAGS_MAX: number = 2;

/** Bytes of a MAC address. */
export const MAC_BYTES: number = 6;

/** Offsets in a frame. */
export const ETHERNET: { readonly destination: 0; readonly source: 6; readonly type: 12 } = {
  destination: 0,
  source: 6,
  type: 12,
};

/** EtherTypes (IANA, IEEE 802 numbers). */
export const ETHER_TYPE: {
  readonly ipv4: 0x0800;
  readonly arp: 0x0806;
  readonly vlan: 0x8100;
  readonly ipv6: 0x86dd;
  readonly providerVlan: 0x88a8;
} = { ipv4: 0x0800, arp: 0x0806, vlan: 0x8100, ipv6: 0x86dd, providerVlan: 0x88a8 };

/** The bit of a MAC address's first octet that makes it a group: multicast or broadcast (802-2014, 8.2). */
const GROUP_BIT = 1;

/** Whether the MAC address at `at` is a group address. */
export function isGroupMac(view: DataView, at: number): boolean {
  return (view.getUint8(at) & GROUP_BIT) !== 0;
}

/**
 * Whether `length` bytes at `offset` are a frame that a switch carries: a whole
 * header, and a source that is one station's. What is behind the header is the
 * stations' affair.
 */
export function checkFrame(view: DataView, offset: number, length: number): boolean {
  if (length < ETHERNET_HEADER_BYTES) return false;
  const source = offset + ETHERNET.source;
  return !isGroupMac(view, source) &&
    (view.getUint16(source) !== 0 || view.getUint32(source + 2) !== 0);
}

/**
 * Bytes of the Ethernet header of a frame that has passed `checkFrame`, up to
 * VLAN_TAGS_MAX tags included. The EtherType of what follows is in the last
 * two of them; it is a tag's again where there are more tags, or where one is cut.
 */
export function ethernetHeaderBytes(view: DataView, offset: number, length: number): number {
  let size = ETHERNET_HEADER_BYTES;
  for (let tags = 0; tags < VLAN_TAGS_MAX; tags++) {
    const type = view.getUint16(offset + size - 2);
    const tagged = type === ETHER_TYPE.vlan || type === ETHER_TYPE.providerVlan;
    if (!tagged || size + VLAN_TAG_BYTES > length) break;
    size += VLAN_TAG_BYTES;
  }
  return size;
}

/**
 * The IP version of the packet behind the Ethernet header, where there is one
 * and it fills the frame exactly; PACKET.malformed where there is none, it is
 * broken, or padding follows it.
 */
export function packetInFrame(
  view: DataView,
  offset: number,
  length: number,
  ethernet_bytes: number,
): 0 | 4 | 6 {
  const type = view.getUint16(offset + ethernet_bytes - 2);
  if (type !== ETHER_TYPE.ipv4 && type !== ETHER_TYPE.ipv6) return PACKET.malformed;
  const version = checkPacket(view, offset + ethernet_bytes, length - ethernet_bytes);
  const expected = type === ETHER_TYPE.ipv4 ? PACKET.ipv4 : PACKET.ipv6;
  return version === expected ? version : PACKET.malformed;
}

/** The bytes of a MAC address, `aa:bb:cc:dd:ee:ff`; undefined if the text is none. */
export function parseMac(text: string): Uint8Array | undefined {
  if (!/^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$/.test(text)) return undefined;
  return Uint8Array.from(text.split(":"), (octet) => parseInt(octet, 16));
}

/** A MAC address as text, in lower case with colons. */
export function formatMac(bytes: Uint8Array): string {
  return Array.from(bytes, (octet) => octet.toString(16).padStart(2, "0")).join(":");
}
