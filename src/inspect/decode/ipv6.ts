/** IPv6 and its extension headers (RFC 8200). Pure. */

import { EXTENSION_HEADERS_MAX } from "../../base/limits.ts";
import { IPV6, IPV6_HEADER_BYTES } from "../../net/ip.ts";
import { pseudoSum } from "../../net/transport.ts";
import { EXTENSION, NO_NEXT_HEADER, protocolName } from "./names.ts";
import { decodeTransport } from "./transport.ts";
import type { Fragment, Ipv6Extension } from "./types.ts";
import type { Findings, Window } from "./window.ts";

const FRAGMENT_HEADER_BYTES = 8;
const FRAGMENT_OFFSET_MASK = 0xfff8;
const PAYLOAD_END_MAX = 65_535;

/** Length of the extension header of type `protocol` that starts with these bytes; 0: it is none. */
function extensionBytes(protocol: number, header: Window): number {
  switch (protocol) {
    case EXTENSION.fragment:
      return FRAGMENT_HEADER_BYTES;
    case EXTENSION.authentication:
      // Counted in units of 4 bytes, less two (RFC 4302, 2.2).
      return 4 * (header.u8(1) + 2);
    case EXTENSION.hopByHop:
    case EXTENSION.routing:
    case EXTENSION.destination:
    case EXTENSION.mobility:
    case EXTENSION.hip:
    case EXTENSION.shim6:
      return 8 * (header.u8(1) + 1);
    default:
      return 0;
  }
}

const isExtension = (protocol: number): boolean =>
  (Object.values(EXTENSION) as readonly number[]).includes(protocol);

/** A packet and what it carries. `padded`: bytes after it are an Ethernet frame's filling. */
export function decodeIpv6(packet: Window, findings: Findings, padded: boolean): void {
  findings.protocol = "IPv6";
  if (!findings.header(packet, IPV6_HEADER_BYTES, "IPv6")) return findings.data(packet);
  const first = packet.u32(0);
  if (first >>> 28 !== 6) {
    findings.note("lying", `EtherType says IPv6, the packet version ${first >>> 28}`);
    return findings.data(packet);
  }
  const payload_bytes = packet.u16(IPV6.payloadLength);
  const came_bytes = packet.length - IPV6_HEADER_BYTES;
  const nextHeader = packet.u8(IPV6.nextHeader);
  if (payload_bytes > came_bytes) {
    findings.note("cut", `payload length ${payload_bytes}, only ${came_bytes} B came`);
  } else if (payload_bytes < came_bytes && !padded) {
    findings.note("lying", `payload length ${payload_bytes}, but ${came_bytes} B came`);
  }
  const { extensions, fragment, protocol, payload, readable, routed } = walkExtensions(
    packet.part(IPV6_HEADER_BYTES, payload_bytes),
    nextHeader,
    findings,
  );
  findings.layers.push({
    kind: "ipv6",
    payload_bytes,
    trafficClass: first >>> 20 & 0xff,
    flowLabel: first & 0xf_ffff,
    hopLimit: packet.u8(IPV6.hopLimit),
    nextHeader,
    extensions,
    ...(fragment ? { fragment } : {}),
    protocol,
    source: packet.address(IPV6.source, 16),
    destination: packet.address(IPV6.destination, 16),
  });
  findings.protocol = protocolName(protocol);
  const skipped = extensions.reduce((sum, { length_bytes }) => sum + length_bytes, 0);
  const expected_bytes = Math.max(0, payload_bytes - skipped);
  if (fragment?.more && expected_bytes % 8 !== 0) {
    findings.note("lying", `fragment of ${expected_bytes} B, not a multiple of 8`);
  }
  if (fragment && fragment.offset_bytes + expected_bytes > PAYLOAD_END_MAX) {
    findings.note("lying", `fragment ends beyond ${PAYLOAD_END_MAX} B`);
  }
  if (!readable || (fragment?.offset_bytes ?? 0) > 0 || protocol === NO_NEXT_HEADER) {
    return findings.data(payload);
  }
  decodeTransport(payload, findings, {
    protocol,
    version: 6,
    fragment: fragment !== undefined,
    expected_bytes,
    // A routing header that is still to be walked means another destination in the sum.
    seed: routed ? undefined : (length) => pseudoSum(packet.view, packet.at, 6, protocol, length),
  });
}

interface Walked {
  readonly extensions: readonly Ipv6Extension[];
  readonly fragment: Fragment | undefined;
  readonly protocol: number;
  readonly payload: Window;
  /** Whether the walk reached what the extension headers precede. */
  readonly readable: boolean;
  readonly routed: boolean;
}

function walkExtensions(payload: Window, nextHeader: number, findings: Findings): Walked {
  const extensions: Ipv6Extension[] = [];
  let fragment: Fragment | undefined;
  let protocol = nextHeader;
  let rest = payload;
  let routed = false;
  const end = (readable: boolean): Walked => ({
    extensions,
    fragment,
    protocol,
    payload: rest,
    readable,
    routed,
  });
  while (isExtension(protocol)) {
    const name = protocolName(protocol);
    if (extensions.length === EXTENSION_HEADERS_MAX) {
      findings.note("lying", `more than ${EXTENSION_HEADERS_MAX} extension headers`);
      return end(false);
    }
    if (protocol === EXTENSION.hopByHop && extensions.length > 0) {
      // RFC 8200, 4.1: only at once after the IPv6 header.
      findings.note("lying", `${name} header is not the first`);
    }
    if (!findings.header(rest, 8, name)) return end(false);
    const length_bytes = extensionBytes(protocol, rest);
    if (length_bytes > rest.length) {
      findings.note("cut", `${name} header of ${length_bytes} B, only ${rest.length} B came`);
      return end(false);
    }
    if (!rest.has(length_bytes)) return end(false);
    extensions.push({ protocol, length_bytes });
    if (protocol === EXTENSION.routing) routed ||= rest.u8(3) > 0;
    if (protocol === EXTENSION.fragment) {
      const field = rest.u16(2);
      fragment = {
        id: rest.u32(4),
        offset_bytes: field & FRAGMENT_OFFSET_MASK,
        more: (field & 1) !== 0,
      };
    }
    protocol = rest.u8(0);
    rest = rest.from(length_bytes);
    // What follows in a later fragment is the middle of something.
    if (fragment && fragment.offset_bytes > 0) return end(true);
  }
  return end(true);
}
