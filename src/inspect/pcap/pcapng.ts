/**
 * The pcapng file format (draft-ietf-opsawg-pcapng-02): a section header, a
 * description of each interface, then packets. Little-endian, as the header's
 * byte-order magic says. Pure: values in, bytes out.
 */

/** Link types (draft-ietf-opsawg-pcaplinktype): LINKTYPE_ETHERNET, LINKTYPE_RAW. */
export const LINK_TYPE = { ethernet: 1, raw: 101 } as const;

/** Block types (section 4). */
export const BLOCK = {
  sectionHeader: 0x0a0d0d0a,
  interfaceDescription: 1,
  interfaceStatistics: 5,
  enhancedPacket: 6,
} as const;
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
/** Option codes: of any block, and of each (sections 3.5, 4.1 to 4.6). */
export const OPTION = {
  comment: 1,
  userApplication: 4,
  interfaceName: 2,
  interfaceDescription: 3,
  timestampResolution: 9,
  packetFlags: 2,
  received: 4,
  dropped: 5,
} as const;
/** if_tsresol: a negative power of ten. */
const NANOSECONDS = 9;
/** epb_flags, bits 0 and 1. */
const DIRECTION_FLAGS = { in: 1, out: 2 } as const;

/** Block type and length before the body, the length once more after it. */
const FRAME_BYTES = 12;
const OPTION_HEADER_BYTES = 4;
const END_OF_OPTIONS_BYTES = 4;
/** An option's length has 16 bits. */
const OPTION_MAX_BYTES = 0xffff;

/** A moment since the Unix epoch. */
export interface Timestamp {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** An interface of a capture. */
export interface PcapInterface {
  readonly name: string;
  readonly description: string;
  /** One of LINK_TYPE. */
  readonly linkType: number;
  /** Packets hold at most so many bytes; 0 for no limit. */
  readonly snap_bytes: number;
}

/** A packet of a capture. */
export interface PcapPacket {
  /** Index of its interface in the order of the descriptions. */
  readonly interface: number;
  readonly time: Timestamp;
  readonly direction: "in" | "out";
  /** What is held of it. */
  readonly bytes: Uint8Array;
  /** Its length on the wire. */
  readonly length_bytes: number;
  readonly comment?: string | undefined;
}

interface Option {
  readonly code: number;
  readonly value: Uint8Array;
}

const padded = (length: number): number => (length + 3) & ~3;

function textOption(code: number, text: string): Option {
  return { code, value: new TextEncoder().encode(text).subarray(0, OPTION_MAX_BYTES) };
}

function numberOption(code: number, value: number, size: 4 | 8): Option {
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  if (size === 4) view.setUint32(0, value, true);
  else view.setBigUint64(0, BigInt(value), true);
  return { code, value: bytes };
}

/** A block: `body_bytes` of fields that `fill` writes, then options. */
function block(
  type: number,
  body_bytes: number,
  fill: (view: DataView, at: number, bytes: Uint8Array) => void,
  options: readonly Option[],
): Uint8Array<ArrayBuffer> {
  const option_bytes = options.reduce(
    (sum, { value }) => sum + OPTION_HEADER_BYTES + padded(value.length),
    options.length > 0 ? END_OF_OPTIONS_BYTES : 0,
  );
  const total = FRAME_BYTES + padded(body_bytes) + option_bytes;
  const bytes = new Uint8Array(total);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setUint32(4, total, true);
  fill(view, 8, bytes);
  let at = 8 + padded(body_bytes);
  for (const { code, value } of options) {
    view.setUint16(at, code, true);
    view.setUint16(at + 2, value.length, true);
    bytes.set(value, at + OPTION_HEADER_BYTES);
    at += OPTION_HEADER_BYTES + padded(value.length);
  }
  // opt_endofopt is four bytes of zero, and is only behind other options.
  view.setUint32(total - 4, total, true);
  return bytes;
}

/** The block that starts a file; `application` says what wrote it. */
export function encodeSectionHeader(application: string): Uint8Array<ArrayBuffer> {
  const options = [textOption(OPTION.userApplication, application)];
  return block(BLOCK.sectionHeader, 16, (view, at) => {
    view.setUint32(at, BYTE_ORDER_MAGIC, true);
    view.setUint16(at + 4, 1, true); // version 1.0
    view.setUint16(at + 6, 0, true);
    view.setBigInt64(at + 8, -1n, true); // section length: not told
  }, options);
}

/** The block that describes an interface. */
export function encodeInterface(described: PcapInterface): Uint8Array<ArrayBuffer> {
  const options = [
    textOption(OPTION.interfaceName, described.name),
    textOption(OPTION.interfaceDescription, described.description),
    { code: OPTION.timestampResolution, value: Uint8Array.of(NANOSECONDS) },
  ];
  return block(BLOCK.interfaceDescription, 8, (view, at) => {
    view.setUint16(at, described.linkType, true);
    view.setUint32(at + 4, described.snap_bytes, true);
  }, options);
}

/** A 64-bit count of nanoseconds, high half first. */
function putTime(view: DataView, at: number, { seconds, nanoseconds }: Timestamp): void {
  const count = BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds);
  view.setUint32(at, Number(count >> 32n), true);
  view.setUint32(at + 4, Number(count & 0xffff_ffffn), true);
}

/** The block of one packet. */
export function encodePacket(packet: PcapPacket): Uint8Array<ArrayBuffer> {
  const { bytes: held, comment } = packet;
  const options = [
    ...(comment === undefined ? [] : [textOption(OPTION.comment, comment)]),
    numberOption(OPTION.packetFlags, DIRECTION_FLAGS[packet.direction], 4),
  ];
  return block(BLOCK.enhancedPacket, 20 + held.length, (view, at, bytes) => {
    view.setUint32(at, packet.interface, true);
    putTime(view, at + 4, packet.time);
    view.setUint32(at + 12, held.length, true);
    view.setUint32(at + 16, packet.length_bytes, true);
    bytes.set(held, at + 20);
  }, options);
}

/** The block that ends an interface's packets: how many came, and how many of them are missing. */
export function encodeStatistics(
  index: number,
  time: Timestamp,
  received: number,
  dropped: number,
): Uint8Array<ArrayBuffer> {
  const options = [
    numberOption(OPTION.received, received, 8),
    numberOption(OPTION.dropped, dropped, 8),
  ];
  return block(BLOCK.interfaceStatistics, 12, (view, at) => {
    view.setUint32(at, index, true);
    putTime(view, at + 4, time);
  }, options);
}
