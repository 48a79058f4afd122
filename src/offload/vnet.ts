/**
 * The virtio network header before each packet of a device opened
 * with IFF_VNET_HDR (linux/virtio_net.h; fields in this machine's byte order,
 * which is little-endian on every Linux that Deno runs on). Pure.
 *
 * | offset | bytes | field                                            |
 * | ------ | ----- | ------------------------------------------------ |
 * | 0      | 1     | flags                                            |
 * | 1      | 1     | gso_type                                         |
 * | 2      | 2     | hdr_len: bytes of all headers                    |
 * | 4      | 2     | gso_size: payload bytes of each segment          |
 * | 6      | 2     | csum_start: where checksumming begins            |
 * | 8      | 2     | csum_offset: of the field, counted from there    |
 */

/** Size of the header: struct virtio_net_hdr. */
export const VNET_BYTES = 10;

/** Offsets of its fields. */
export const VNET = {
  flags: 0,
  gsoType: 1,
  headerLength: 2,
  gsoSize: 4,
  checksumStart: 6,
  checksumOffset: 8,
} as const;

/** The transport checksum holds only the pseudo header's sum: whoever needs it whole completes it. */
export const VNET_NEEDS_CHECKSUM = 1;

/** Values of gso_type. VNET_GSO.ecn may be added to a TCP type: CWR is set in the first segment. */
export const VNET_GSO = { none: 0, tcp4: 1, tcp6: 4, udp: 5, ecn: 0x80 } as const;

/** Writes a header for a packet that is whole: no offload. */
export function writePlainVnet(view: DataView, at: number): void {
  view.setUint32(at, 0);
  view.setUint32(at + 4, 0);
  view.setUint16(at + 8, 0);
}

/** Writes a header for a packet, or a super-packet, whose checksum is partial. */
export function writeVnet(
  view: DataView,
  at: number,
  gsoType: number,
  headerLength_bytes: number,
  gsoSize_bytes: number,
  checksumStart: number,
  checksumOffset: number,
): void {
  view.setUint8(at + VNET.flags, VNET_NEEDS_CHECKSUM);
  view.setUint8(at + VNET.gsoType, gsoType);
  view.setUint16(at + VNET.headerLength, headerLength_bytes, true);
  view.setUint16(at + VNET.gsoSize, gsoSize_bytes, true);
  view.setUint16(at + VNET.checksumStart, checksumStart, true);
  view.setUint16(at + VNET.checksumOffset, checksumOffset, true);
}
