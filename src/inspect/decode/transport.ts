/** TCP (RFC 9293) and UDP (RFC 768), and the choice of what is behind an IP header. Pure. */

import { PROTOCOL } from "../../net/ip.ts";
import { TCP, TCP_FLAG, TCP_HEADER_BYTES, UDP, UDP_HEADER_BYTES } from "../../net/transport.ts";
import { type Carrier, checkTransport } from "./carrier.ts";
import { decodeIcmp } from "./icmp.ts";
import type { Findings, Window } from "./window.ts";

/** TCP option kinds (RFC 9293, 3.2). */
const OPTION = { end: 0, nop: 1, mss: 2 } as const;

/** The payload of an IP packet that is whole or a first fragment. */
export function decodeTransport(payload: Window, findings: Findings, carrier: Carrier): void {
  const { protocol, version } = carrier;
  if (protocol === PROTOCOL.tcp) return decodeTcp(payload, findings, carrier);
  if (protocol === PROTOCOL.udp) return decodeUdp(payload, findings, carrier);
  const icmp = version === 4 ? PROTOCOL.icmp : PROTOCOL.icmpv6;
  if (protocol === icmp) return decodeIcmp(payload, findings, carrier);
  findings.data(payload);
}

function decodeTcp(payload: Window, findings: Findings, carrier: Carrier): void {
  if (!findings.header(payload, TCP_HEADER_BYTES, "TCP")) return findings.data(payload);
  const header_bytes = (payload.u8(TCP.dataOffset) >> 4) * 4;
  const flags = payload.u8(TCP.flags);
  const mss_bytes = readMss(payload, header_bytes);
  findings.layers.push({
    kind: "tcp",
    sourcePort: payload.u16(TCP.ports),
    destinationPort: payload.u16(TCP.ports + 2),
    sequence: payload.u32(TCP.sequence),
    acknowledgment: payload.u32(TCP.acknowledgment),
    header_bytes,
    flags,
    window: payload.u16(TCP.window),
    ...(mss_bytes === undefined ? {} : { mss_bytes }),
    payload_bytes: Math.max(0, carrier.expected_bytes - Math.max(header_bytes, TCP_HEADER_BYTES)),
  });
  if (header_bytes < TCP_HEADER_BYTES) {
    findings.note("lying", `TCP header length ${header_bytes}, at least ${TCP_HEADER_BYTES}`);
  } else if (header_bytes > carrier.expected_bytes) {
    findings.note("lying", `TCP header length ${header_bytes} of ${carrier.expected_bytes} B`);
  } else findings.header(payload, header_bytes, "TCP");
  const both = TCP_FLAG.syn | TCP_FLAG.fin;
  if ((flags & both) === both) findings.note("lying", "TCP SYN and FIN at once");
  checkTransport(payload, findings, carrier, "TCP", TCP.checksum, carrier.expected_bytes);
}

function readMss(payload: Window, header_bytes: number): number | undefined {
  const end = Math.min(header_bytes, payload.captured);
  for (let at = TCP_HEADER_BYTES; at < end;) {
    const kind = payload.u8(at);
    if (kind === OPTION.end) return undefined;
    if (kind === OPTION.nop) {
      at++;
      continue;
    }
    const length = at + 1 < end ? payload.u8(at + 1) : 0;
    // RFC 9293, 3.1: kind and length are counted in; less than two never ends.
    if (length < 2 || at + length > end) return undefined;
    if (kind === OPTION.mss && length === 4) return payload.u16(at + 2);
    at += length;
  }
  return undefined;
}

function decodeUdp(payload: Window, findings: Findings, carrier: Carrier): void {
  if (!findings.header(payload, UDP_HEADER_BYTES, "UDP")) return findings.data(payload);
  const length_bytes = payload.u16(UDP.length);
  const { expected_bytes } = carrier;
  findings.layers.push({
    kind: "udp",
    sourcePort: payload.u16(UDP.ports),
    destinationPort: payload.u16(UDP.ports + 2),
    length_bytes,
  });
  if (length_bytes < UDP_HEADER_BYTES) {
    findings.note("lying", `UDP length ${length_bytes}, at least ${UDP_HEADER_BYTES}`);
    return;
  }
  // A first fragment holds only a part of what the length counts.
  if (length_bytes > expected_bytes && !carrier.fragment) {
    findings.note("lying", `UDP length ${length_bytes} of ${expected_bytes} B`);
    return;
  }
  if (length_bytes < expected_bytes) {
    findings.note("lying", `UDP length ${length_bytes}, but ${expected_bytes} B came`);
  }
  // Zero: the sender made none (RFC 768); IPv6 wants one (RFC 8200, 8.1).
  if (payload.u16(UDP.checksum) !== 0) {
    checkTransport(payload, findings, carrier, "UDP", UDP.checksum, length_bytes);
  } else if (carrier.version === 6 && !carrier.fragment) {
    findings.note("checksum", "UDP none, over IPv6");
  }
}
