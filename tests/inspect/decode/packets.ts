/** Packets for the decoders' tables: hex with blanks between the fields. */

import { decodePacket, type LinkKind } from "../../../src/inspect/decode/decode.ts";
import { layersText, plainPaint } from "../../../src/inspect/decode/line.ts";
import { slowChecksum } from "../../fakes/packets.ts";
import type { Decoded } from "../../../src/inspect/decode/types.ts";

/** Checksum fields to be filled in, by a letter: where each is in its header, and its protocol. */
const FIELDS = {
  i: { offset: 2, protocol: 0 },
  n: { offset: 2, protocol: 58 },
  t: { offset: 16, protocol: 6 },
  u: { offset: 6, protocol: 17 },
} as const;

/**
 * Bytes of hex text; blanks do not count. A right checksum is filled in for
 * `hhhh` (IPv4 header), `iiii` (ICMP), `nnnn` (ICMPv6), `tttt` (TCP) and `uuuu` (UDP).
 */
export function bytesOf(hex: string): Uint8Array<ArrayBuffer> {
  const digits = hex.replaceAll(/\s/g, "");
  const bytes = Uint8Array.from(
    digits.replaceAll(/[hintu]/g, "0").match(/../g) ?? [],
    (two) => parseInt(two, 16),
  );
  const put = (at: number, sum: number) => bytes.set([sum >> 8, sum & 0xff], at);
  const header = digits.indexOf("hhhh") / 2;
  const ip = header > 0 ? header - 10 : 0;
  if (header > 0) put(header, slowChecksum([...bytes.subarray(ip, ip + (bytes[ip]! & 15) * 4)]));
  for (const [letter, { offset, protocol }] of Object.entries(FIELDS)) {
    const at = digits.indexOf(letter.repeat(4)) / 2;
    if (at < 0) continue;
    const v4 = bytes[ip]! >> 4 === 4;
    const field = (from: number) => bytes[ip + from]! * 256 + bytes[ip + from + 1]!;
    const end = ip + (v4 ? field(2) : 40 + field(4));
    const part = [...bytes.subarray(at - offset, end)];
    const addresses = [...bytes.subarray(ip + (v4 ? 12 : 8), ip + (v4 ? 20 : 40))];
    const pseudo = [...addresses, 0, protocol, part.length >> 8, part.length & 0xff];
    put(at, slowChecksum(letter === "i" ? part : [...pseudo, ...part]));
  }
  return bytes;
}

/** Decodes bytes that are in the middle of a buffer, as in an arena. */
export function decodeBytes(
  bytes: Uint8Array,
  link: LinkKind = "ip",
  length_bytes = bytes.length,
): Decoded {
  const arena = new Uint8Array(bytes.length + 24).fill(0xa5);
  arena.set(bytes, 9);
  const view = new DataView(arena.buffer, 2);
  return decodePacket(view, 7, bytes.length, length_bytes, link);
}

/** The text of a packet given as hex. */
export function textOf(hex: string, link: LinkKind = "ip", length_bytes?: number): string {
  return layersText(decodeBytes(bytesOf(hex), link, length_bytes), plainPaint);
}
