/** A decoded packet as one line of text. Pure. */

import { formatEndpoint } from "../../net/prefix.ts";
import {
  ETHER_TYPE_NAMES,
  EXTENSION,
  ICMP_CODE_NAMES,
  ICMP_TYPE_NAMES,
  ICMPV6_CODE_NAMES,
  ICMPV6_TYPE_NAMES,
  protocolName,
  TCP_FLAG_NAMES,
} from "./names.ts";
import type {
  ArpLayer,
  DataLayer,
  Decoded,
  EthernetLayer,
  Fragment,
  IcmpLayer,
  Ipv4Layer,
  Ipv6Layer,
  Layer,
  TcpLayer,
} from "./types.ts";
import { hexNumber } from "./window.ts";

/** What a part of a line is, for a terminal's colours. */
export type Style = "time" | "device" | "protocol" | "address" | "good" | "bad" | "plain";

/** Dresses a part of a line; `plainPaint` leaves it as it is. */
export type Paint = (style: Style, text: string) => string;

/** No colours. */
export const plainPaint: Paint = (_style, text) => text;

/** SGR codes (ECMA-48, 8.3.117). */
const SGR: Readonly<Record<Style, string>> = {
  time: "2",
  device: "36",
  protocol: "1",
  address: "33",
  good: "32",
  bad: "31",
  plain: "0",
};

/** Colours for a terminal. */
export const colourPaint: Paint = (style, text) =>
  style === "plain" ? text : `\x1b[${SGR[style]}m${text}\x1b[0m`;

/** `18:02:11.483`, in this machine's time zone. */
export function clockText(time: Date): string {
  const two = (n: number) => String(n).padStart(2, "0");
  const ms = String(time.getMilliseconds()).padStart(3, "0");
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}.${ms}`;
}

const EXTENSION_TEXTS: Readonly<Record<number, string>> = {
  [EXTENSION.hopByHop]: "hop-by-hop",
  [EXTENSION.routing]: "routing",
  [EXTENSION.destination]: "destination options",
  [EXTENSION.authentication]: "AH",
  [EXTENSION.mobility]: "mobility",
  [EXTENSION.hip]: "HIP",
  [EXTENSION.shim6]: "shim6",
};

function fragmentText({ id, offset_bytes, more }: Fragment): string {
  return `fragment id ${id} offset ${offset_bytes}${more ? "" : " last"}`;
}

function ipv4Words(ip: Ipv4Layer, paint: Paint): string[] {
  const { header_bytes, total_bytes, ttl, fragment } = ip;
  const words = [
    paint("protocol", "IPv4"),
    `hdrlen ${header_bytes} total ${total_bytes} ttl ${ttl}`,
  ];
  return fragment ? [...words, fragmentText(fragment)] : words;
}

function ipv6Words(ip: Ipv6Layer, paint: Paint): string[] {
  const { payload_bytes, hopLimit, extensions, fragment } = ip;
  return [
    paint("protocol", "IPv6"),
    `payload ${payload_bytes} hlim ${hopLimit}`,
    ...extensions.map(({ protocol }) =>
      protocol === EXTENSION.fragment && fragment
        ? fragmentText(fragment)
        : EXTENSION_TEXTS[protocol] ?? protocolName(protocol)
    ),
  ];
}

/** The names of TCP flags, lowest first; `none`. */
function tcpFlags(flags: number): string {
  return TCP_FLAG_NAMES.filter((_, bit) => (flags & 1 << bit) !== 0).join(" ") || "none";
}

function tcpText(tcp: TcpLayer): string {
  const ack = (tcp.flags & 0x10) !== 0 ? ` ack ${tcp.acknowledgment}` : "";
  const mss = tcp.mss_bytes === undefined ? "" : ` mss ${tcp.mss_bytes}`;
  return `[${tcpFlags(tcp.flags)}] seq ${tcp.sequence}${ack} win ${tcp.window}${mss} ` +
    `len ${tcp.payload_bytes}`;
}

/** Types whose message needs more than a name and a code. */
const NEIGHBOR_SOLICITATION = 135;
const NEIGHBOR_ADVERTISEMENT = 136;
const ADVERTISEMENT_FLAGS = [[0x80, "router"], [0x40, "solicited"], [0x20, "override"]] as const;

function icmpText(icmp: IcmpLayer): string {
  const { kind, type, code, target, mac, mtu_bytes } = icmp;
  const v4 = kind === "icmp";
  const name = (v4 ? ICMP_TYPE_NAMES : ICMPV6_TYPE_NAMES)[type];
  const codes = (v4 ? ICMP_CODE_NAMES : ICMPV6_CODE_NAMES)[type];
  const words = [name ?? `type ${type} code ${code}`];
  if (name && codes) words.push(`(${codes[code] ?? `code ${code}`})`);
  else if (name && code !== 0) words.push(`code ${code}`);
  if (icmp.id !== undefined) words.push(`id ${icmp.id} seq ${icmp.sequence}`);
  if (!v4 && type === NEIGHBOR_SOLICITATION && target) words.push(`who-has ${target}`);
  else if (!v4 && type === NEIGHBOR_ADVERTISEMENT && target) words.push(target);
  else if (target) words.push(`to ${target}`);
  if (mac) words.push(type === NEIGHBOR_ADVERTISEMENT ? `is-at ${mac}` : `from ${mac}`);
  if (icmp.flags !== undefined) {
    words.push(...ADVERTISEMENT_FLAGS.filter(([bit]) => icmp.flags! & bit).map(([, word]) => word));
  }
  if (mtu_bytes !== undefined) words.push(`mtu ${mtu_bytes}`);
  for (const prefix of icmp.prefixes ?? []) words.push(`prefix ${prefix}`);
  if (icmp.about && icmp.about.length > 0) words.push(`about ${briefText(icmp.about)}`);
  return words.join(" ");
}

function arpText({ operation, sender, senderMac, target, targetMac }: ArpLayer): string {
  switch (operation) {
    case 1:
      return `who-has ${target} tell ${sender}`;
    case 2:
      return `${sender} is-at ${senderMac}`;
    default:
      return `op ${operation} ${sender} ${senderMac} > ${target} ${targetMac}`;
  }
}

function ethernetWords(frame: EthernetLayer, known: boolean, paint: Paint): string[] {
  const { source, destination, vlans, etherType, length_bytes } = frame;
  const words = [paint("address", `${source} > ${destination}`)];
  for (const { id, priority } of vlans) {
    words.push(`vlan ${id}${priority > 0 ? ` prio ${priority}` : ""}`);
  }
  if (length_bytes !== undefined) {
    words.push(`${paint("protocol", "802.3")} length ${length_bytes}`);
  } else if (etherType !== undefined && !known) {
    const name = ETHER_TYPE_NAMES[etherType];
    words.push(paint("protocol", name ?? `EtherType ${hexNumber(etherType, 4)}`));
  }
  return words;
}

function dataText({ length_bytes, hex }: DataLayer): string {
  return `data ${length_bytes} B ${hex}${hex.length < 2 * length_bytes ? ".." : ""}`;
}

/** Source and destination of the packet, with ports where there are any. */
function endsText(layers: readonly Layer[]): string | undefined {
  const ip = layers.find(({ kind }) => kind === "ipv4" || kind === "ipv6");
  if (ip?.kind !== "ipv4" && ip?.kind !== "ipv6") return undefined;
  const ports = layers.find(({ kind }) => kind === "tcp" || kind === "udp");
  if (ports?.kind !== "tcp" && ports?.kind !== "udp") return `${ip.source} > ${ip.destination}`;
  return `${formatEndpoint(ip.source, ports.sourcePort)} > ` +
    formatEndpoint(ip.destination, ports.destinationPort);
}

/** A quoted packet: what it was and between whom. */
function briefText(layers: readonly Layer[]): string {
  const last = layers.findLast(({ kind }) => kind !== "data");
  const ip = layers.find(({ kind }) => kind === "ipv4" || kind === "ipv6");
  if (!last || (ip?.kind !== "ipv4" && ip?.kind !== "ipv6")) return "something unknown";
  return `${protocolName(ip.protocol)} ${endsText(layers)}`;
}

/** What the layers say, in the order of the headers, addresses last. */
export function layersText({ layers, notes }: Decoded, paint: Paint): string {
  const words: string[] = [];
  const carries = (kind: Layer["kind"]) => layers.some((layer) => layer.kind === kind);
  for (const layer of layers) {
    switch (layer.kind) {
      case "ethernet":
        words.push(...ethernetWords(
          layer,
          carries("ipv4") || carries("ipv6") || carries("arp"),
          paint,
        ));
        break;
      case "arp":
        words.push(paint("protocol", "ARP"), arpText(layer));
        break;
      case "ipv4":
      case "ipv6":
        words.push(...(layer.kind === "ipv4" ? ipv4Words(layer, paint) : ipv6Words(layer, paint)));
        words.push(paint("protocol", protocolName(layer.protocol)));
        break;
      case "tcp":
        words.push(tcpText(layer));
        break;
      case "udp":
        words.push(`len ${Math.max(0, layer.length_bytes - 8)}`);
        break;
      case "icmp":
      case "icmpv6":
        words.push(icmpText(layer));
        break;
      case "data":
        words.push(dataText(layer));
        break;
    }
  }
  const ends = endsText(layers);
  if (ends) words.push(paint("address", ends));
  for (const { kind, text } of notes) {
    words.push(
      paint("bad", `[${kind}: ${text}]`),
    );
  }
  return words.join(" ");
}

/** A packet as it was met: when, where, which way and how long. */
export interface Met {
  readonly time: Date;
  readonly device: string;
  readonly direction: "in" | "out";
  readonly length_bytes: number;
}

/** The whole line, without its newline. */
export function packetLine(met: Met, decoded: Decoded, paint: Paint): string {
  const { time, device, direction, length_bytes } = met;
  const body = layersText(decoded, paint);
  return `${paint("time", clockText(time))} ${paint("device", device)} ${direction} ` +
    `${length_bytes} B${body === "" ? "" : ` ${body}`}`;
}

/** The same as an object for `--json`. */
export function packetJson(met: Met, decoded: Decoded): Record<string, unknown> {
  const { time, device, direction, length_bytes } = met;
  const { protocol, layers, notes } = decoded;
  return {
    time: time.toISOString(),
    device,
    direction,
    length_bytes,
    protocol,
    layers,
    notes,
  };
}
