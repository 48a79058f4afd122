/** From bytes to a packet's layers. Pure: whatever the bytes, nothing is thrown. */

import { decodeEthernet } from "./ethernet.ts";
import { decodeIpv4 } from "./ipv4.ts";
import { decodeIpv6 } from "./ipv6.ts";
import type { Decoded } from "./types.ts";
import { Findings, Window } from "./window.ts";

/** What a device hands out: IP packets (tun) or Ethernet frames (tap). */
export type LinkKind = "ip" | "ethernet";

/**
 * Decodes the packet at `offset`, of which `captured_bytes` are held and
 * `length_bytes` were on the wire. `view` must hold the captured bytes.
 */
export function decodePacket(
  view: DataView,
  offset: number,
  captured_bytes: number,
  length_bytes: number,
  link: LinkKind,
): Decoded {
  const findings = new Findings(decodeQuoted);
  const window = new Window(view, offset, length_bytes, captured_bytes);
  if (link === "ethernet") decodeEthernet(window, findings);
  else decodeIp(window, findings);
  const { layers, notes, protocol } = findings;
  return { layers, notes, protocol };
}

function decodeIp(window: Window, findings: Findings): void {
  const version = window.has(1) ? window.u8(0) >> 4 : undefined;
  if (version === 4) return decodeIpv4(window, findings, false);
  if (version === 6) return decodeIpv6(window, findings, false);
  findings.protocol = "not IP";
  if (version !== undefined) findings.note("lying", `IP version ${version}`);
  else if (window.length === 0) findings.note("cut", "an empty packet");
  findings.data(window);
}

/** A packet in an ICMP error: bytes after it are no part of it. */
function decodeQuoted(packet: Window, findings: Findings): void {
  const version = packet.u8(0) >> 4;
  if (version === 4) decodeIpv4(packet, findings, true);
  else if (version === 6) decodeIpv6(packet, findings, true);
  else findings.data(packet);
}
