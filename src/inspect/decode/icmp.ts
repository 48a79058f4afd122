/** ICMP (RFC 792), ICMPv6 (RFC 4443) and neighbour discovery (RFC 4861). Pure. */

import { ND_OPTIONS_MAX } from "../../base/limits.ts";
import { type Carrier, checkTransport } from "./carrier.ts";
import { ICMP_TYPE_NAMES, ICMPV6_TYPE_NAMES } from "./names.ts";
import type { IcmpLayer, Layer } from "./types.ts";
import { dataLayer, type Findings, type Window } from "./window.ts";

/** Type, code, checksum, and four bytes that each type uses as it likes. */
const HEADER_BYTES = 8;
const CHECKSUM_FIELD = 2;

/** ICMP types that are read further. */
const ICMP = {
  echoReply: 0,
  unreachable: 3,
  sourceQuench: 4,
  redirect: 5,
  echo: 8,
  timeExceeded: 11,
  parameterProblem: 12,
} as const;
const FRAGMENTATION_NEEDED = 4;

/** ICMPv6 types that are read further. */
const ICMPV6 = {
  unreachable: 1,
  tooBig: 2,
  timeExceeded: 3,
  parameterProblem: 4,
  echo: 128,
  echoReply: 129,
  routerSolicitation: 133,
  routerAdvertisement: 134,
  neighborSolicitation: 135,
  neighborAdvertisement: 136,
  redirect: 137,
} as const;

/** Options of neighbour discovery (RFC 4861, 4.6); lengths count 8 bytes. */
const ND_OPTION = { sourceMac: 1, targetMac: 2, prefix: 3, mtu: 5 } as const;
const ND_OPTION_UNIT_BYTES = 8;

/** A message of `carrier`'s IP version. */
export function decodeIcmp(message: Window, findings: Findings, carrier: Carrier): void {
  const v4 = carrier.version === 4;
  const name = v4 ? "ICMP" : "ICMPv6";
  if (!findings.header(message, HEADER_BYTES, name)) return findings.data(message);
  const { layer, rest } = v4 ? readIcmp(message, findings) : readIcmpv6(message, findings);
  findings.layers.push(layer);
  if (rest) findings.layers.push(dataLayer(rest));
  // ICMPv6 sums the pseudo header too (RFC 4443, 2.3), ICMP does not.
  const sums = v4 ? { ...carrier, seed: () => 0 } : carrier;
  checkTransport(message, findings, sums, name, CHECKSUM_FIELD, carrier.expected_bytes);
}

interface Read {
  readonly layer: IcmpLayer;
  /** What is behind the header of a type that nobody reads here. */
  readonly rest?: Window;
}

/**
 * The packet that an error quotes, as far as it goes: it is cut by nature. An
 * error that is itself quoted ends here, or packets could nest without end.
 */
function quoted(packet: Window, findings: Findings): { about?: readonly Layer[] } {
  if (findings.quoted || !packet.has(1)) return {};
  return { about: findings.quote(packet).layers };
}

function readIcmp(message: Window, findings: Findings): Read {
  const type = message.u8(0);
  const code = message.u8(1);
  const head = { kind: "icmp", type, code } as const;
  switch (type) {
    case ICMP.echo:
    case ICMP.echoReply:
      return { layer: { ...head, id: message.u16(4), sequence: message.u16(6) } };
    case ICMP.unreachable: {
      // RFC 1191, 4: the next hop's MTU.
      const mtu = code === FRAGMENTATION_NEEDED ? { mtu_bytes: message.u16(6) } : {};
      return { layer: { ...head, ...mtu, ...quoted(message.from(HEADER_BYTES), findings) } };
    }
    case ICMP.redirect: {
      const about = quoted(message.from(HEADER_BYTES), findings);
      return { layer: { ...head, target: message.address(4, 4), ...about } };
    }
    case ICMP.sourceQuench:
    case ICMP.timeExceeded:
    case ICMP.parameterProblem:
      return { layer: { ...head, ...quoted(message.from(HEADER_BYTES), findings) } };
    default:
      return ICMP_TYPE_NAMES[type] ? { layer: head } : { layer: head, rest: message.from(4) };
  }
}

function readIcmpv6(message: Window, findings: Findings): Read {
  const type = message.u8(0);
  const code = message.u8(1);
  const head = { kind: "icmpv6", type, code } as const;
  const need = (count: number) => findings.header(message, count, "ICMPv6");
  switch (type) {
    case ICMPV6.echo:
    case ICMPV6.echoReply:
      return { layer: { ...head, id: message.u16(4), sequence: message.u16(6) } };
    case ICMPV6.tooBig:
      return {
        layer: {
          ...head,
          mtu_bytes: message.u32(4),
          ...quoted(message.from(HEADER_BYTES), findings),
        },
      };
    case ICMPV6.unreachable:
    case ICMPV6.timeExceeded:
    case ICMPV6.parameterProblem:
      return { layer: { ...head, ...quoted(message.from(HEADER_BYTES), findings) } };
    case ICMPV6.routerSolicitation:
      return { layer: { ...head, ...readOptions(message.from(8), findings) } };
    case ICMPV6.routerAdvertisement:
      if (!need(16)) return { layer: head };
      return { layer: { ...head, ...readOptions(message.from(16), findings) } };
    case ICMPV6.neighborSolicitation:
    case ICMPV6.neighborAdvertisement: {
      if (!need(24)) return { layer: head };
      const flags = type === ICMPV6.neighborAdvertisement ? { flags: message.u8(4) & 0xe0 } : {};
      const target = message.address(8, 16);
      return { layer: { ...head, target, ...flags, ...readOptions(message.from(24), findings) } };
    }
    case ICMPV6.redirect:
      if (!need(40)) return { layer: head };
      return {
        layer: {
          ...head,
          target: message.address(8, 16),
          ...readOptions(message.from(40), findings),
        },
      };
    default:
      return ICMPV6_TYPE_NAMES[type] ? { layer: head } : { layer: head, rest: message.from(4) };
  }
}

/** The options of neighbour discovery that a line shows. */
function readOptions(
  options: Window,
  findings: Findings,
): { mac?: string; mtu_bytes?: number; prefixes?: readonly string[] } {
  let mac: string | undefined;
  let mtu_bytes: number | undefined;
  const prefixes: string[] = [];
  let rest = options;
  for (let count = 0; rest.length > 0; count++) {
    if (count === ND_OPTIONS_MAX) {
      findings.note("lying", `more than ${ND_OPTIONS_MAX} neighbour discovery options`);
      break;
    }
    if (!findings.header(rest, 2, "option")) break;
    const kind = rest.u8(0);
    const length = rest.u8(1) * ND_OPTION_UNIT_BYTES;
    if (length === 0) {
      // RFC 4861, 4.6: such a message is to be dropped.
      findings.note("lying", "neighbour discovery option of length 0");
      break;
    }
    if (!findings.header(rest, length, "option")) break;
    const isMac = kind === ND_OPTION.sourceMac || kind === ND_OPTION.targetMac;
    if (isMac && length === 8) mac ??= rest.mac(2);
    if (kind === ND_OPTION.mtu && length === 8) mtu_bytes ??= rest.u32(4);
    if (kind === ND_OPTION.prefix && length === 32) {
      prefixes.push(`${rest.address(16, 16)}/${rest.u8(2)}`);
    }
    rest = rest.from(length);
  }
  return {
    ...(mac === undefined ? {} : { mac }),
    ...(mtu_bytes === undefined ? {} : { mtu_bytes }),
    ...(prefixes.length > 0 ? { prefixes } : {}),
  };
}
