/** IPv4 (RFC 791). Pure. */

import { foldChecksum, sum16 } from "../../net/checksum.ts";
import { IPV4, IPV4_HEADER_BYTES } from "../../net/ip.ts";
import { pseudoSum } from "../../net/transport.ts";
import { protocolName } from "./names.ts";
import { decodeTransport } from "./transport.ts";
import { type Findings, hexNumber, type Window } from "./window.ts";

const DONT_FRAGMENT = 0x4000;
const MORE_FRAGMENTS = 0x2000;
const OFFSET_MASK = 0x1fff;
/** The offset field counts units of 8 bytes. */
const OFFSET_UNIT_BYTES = 8;
const PACKET_END_MAX = 65_535;

/** A packet and what it carries. `padded`: bytes after it are an Ethernet frame's filling. */
export function decodeIpv4(packet: Window, findings: Findings, padded: boolean): void {
  findings.protocol = "IPv4";
  if (!findings.header(packet, IPV4_HEADER_BYTES, "IPv4")) return findings.data(packet);
  const version = packet.u8(0) >> 4;
  if (version !== 4) {
    findings.note("lying", `EtherType says IPv4, the packet version ${version}`);
    return findings.data(packet);
  }
  const header_bytes = (packet.u8(0) & 0xf) * 4;
  const total_bytes = packet.u16(IPV4.totalLength);
  const fragmentField = packet.u16(IPV4.fragment);
  const id = packet.u16(IPV4.identification);
  const offset_bytes = (fragmentField & OFFSET_MASK) * OFFSET_UNIT_BYTES;
  const more = (fragmentField & MORE_FRAGMENTS) !== 0;
  const fragment = more || offset_bytes > 0 ? { id, offset_bytes, more } : undefined;
  const protocol = packet.u8(IPV4.protocol);
  findings.layers.push({
    kind: "ipv4",
    header_bytes,
    total_bytes,
    tos: packet.u8(1),
    id,
    dontFragment: (fragmentField & DONT_FRAGMENT) !== 0,
    ...(fragment ? { fragment } : {}),
    ttl: packet.u8(IPV4.ttl),
    protocol,
    source: packet.address(IPV4.source, 4),
    destination: packet.address(IPV4.destination, 4),
  });
  findings.protocol = protocolName(protocol);
  if (header_bytes < IPV4_HEADER_BYTES) {
    findings.note("lying", `IPv4 header length ${header_bytes}, at least ${IPV4_HEADER_BYTES}`);
    return findings.data(packet.from(IPV4_HEADER_BYTES));
  }
  if (total_bytes < header_bytes) {
    findings.note("lying", `total length ${total_bytes} is below header length ${header_bytes}`);
    return findings.data(packet.from(IPV4_HEADER_BYTES));
  }
  if (total_bytes > packet.length) {
    findings.note("cut", `total length ${total_bytes}, only ${packet.length} B came`);
  } else if (total_bytes < packet.length && !padded) {
    findings.note("lying", `total length ${total_bytes}, but ${packet.length} B came`);
  }
  if (!findings.header(packet, header_bytes, "IPv4")) return;
  checkHeader(packet, header_bytes, findings);

  const payload_bytes = total_bytes - header_bytes;
  const payload = packet.part(header_bytes, payload_bytes);
  if (fragment) {
    if (more && payload_bytes % OFFSET_UNIT_BYTES !== 0) {
      findings.note("lying", `fragment of ${payload_bytes} B, not a multiple of 8`);
    }
    if (offset_bytes + payload_bytes + header_bytes > PACKET_END_MAX) {
      findings.note("lying", `fragment ends beyond ${PACKET_END_MAX} B`);
    }
    if (offset_bytes > 0) return findings.data(payload);
  }
  decodeTransport(payload, findings, {
    protocol,
    version: 4,
    fragment: fragment !== undefined,
    expected_bytes: payload_bytes,
    seed: (length) => pseudoSum(packet.view, packet.at, 4, protocol, length),
  });
}

function checkHeader(packet: Window, header_bytes: number, findings: Findings): void {
  const found = packet.u16(IPV4.checksum);
  const right = foldChecksum(sum16(packet.view, packet.at, header_bytes) - found);
  // Zero has two forms in one's complement: both verify.
  if (foldChecksum(sum16(packet.view, packet.at, header_bytes)) === 0) return;
  findings.note("checksum", `IPv4 header ${hexNumber(found, 4)}, right is ${hexNumber(right, 4)}`);
}
