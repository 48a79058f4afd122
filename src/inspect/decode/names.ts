/** Names of numbers, as IANA and the RFCs give them. Data only. */

/** Names of EtherTypes that are shown without being decoded, and of those that are. */
export const ETHER_TYPE_NAMES: Readonly<Record<number, string>> = {
  0x0800: "IPv4",
  0x0806: "ARP",
  0x0842: "Wake-on-LAN",
  0x8035: "RARP",
  0x8100: "VLAN",
  0x86dd: "IPv6",
  0x8808: "Ethernet flow control",
  0x8809: "LACP",
  0x8847: "MPLS",
  0x8848: "MPLS multicast",
  0x8863: "PPPoE discovery",
  0x8864: "PPPoE session",
  0x888e: "EAPOL",
  0x88a8: "S-VLAN",
  0x88cc: "LLDP",
  0x88e5: "MACsec",
  0x88f7: "PTP",
  0x8906: "FCoE",
  0x9000: "loopback test",
};

/** IPv6 extension headers (RFC 8200; IANA, Assigned Internet Protocol Numbers). */
export const EXTENSION = {
  hopByHop: 0,
  routing: 43,
  fragment: 44,
  authentication: 51,
  destination: 60,
  mobility: 135,
  hip: 139,
  shim6: 140,
} as const;

/** Next-header value that says: nothing follows (RFC 8200, 4.7). */
export const NO_NEXT_HEADER = 59;

/** Names of IP protocol numbers. */
export const PROTOCOL_NAMES: Readonly<Record<number, string>> = {
  0: "hop-by-hop options",
  1: "ICMP",
  2: "IGMP",
  4: "IPv4 in IP",
  6: "TCP",
  17: "UDP",
  33: "DCCP",
  41: "IPv6 in IP",
  43: "routing",
  44: "fragment",
  46: "RSVP",
  47: "GRE",
  50: "ESP",
  51: "AH",
  58: "ICMPv6",
  59: "no next header",
  60: "destination options",
  88: "EIGRP",
  89: "OSPF",
  103: "PIM",
  108: "IPComp",
  112: "VRRP",
  115: "L2TP",
  132: "SCTP",
  135: "mobility",
  136: "UDP-Lite",
  139: "HIP",
  140: "shim6",
};

/** ICMP types (RFC 792, RFC 1256, RFC 8335; IANA, ICMP Parameters). */
export const ICMP_TYPE_NAMES: Readonly<Record<number, string>> = {
  0: "echo reply",
  3: "destination unreachable",
  4: "source quench",
  5: "redirect",
  8: "echo request",
  9: "router advertisement",
  10: "router solicitation",
  11: "time exceeded",
  12: "parameter problem",
  13: "timestamp request",
  14: "timestamp reply",
  42: "extended echo request",
  43: "extended echo reply",
};

/** Codes of ICMP types that have them. */
export const ICMP_CODE_NAMES: Readonly<Record<number, readonly string[]>> = {
  3: [
    "network unreachable",
    "host unreachable",
    "protocol unreachable",
    "port unreachable",
    "fragmentation needed",
    "source route failed",
    "network unknown",
    "host unknown",
    "source host isolated",
    "network prohibited",
    "host prohibited",
    "network unreachable for this service",
    "host unreachable for this service",
    "administratively prohibited",
    "host precedence violation",
    "precedence cutoff",
  ],
  5: ["network", "host", "network and service", "host and service"],
  11: ["in transit", "fragment reassembly"],
  12: ["pointer", "missing option", "bad length"],
};

/** ICMPv6 types (RFC 4443, 4861, 2710, 3810; IANA, ICMPv6 Parameters). */
export const ICMPV6_TYPE_NAMES: Readonly<Record<number, string>> = {
  1: "destination unreachable",
  2: "packet too big",
  3: "time exceeded",
  4: "parameter problem",
  128: "echo request",
  129: "echo reply",
  130: "multicast listener query",
  131: "multicast listener report",
  132: "multicast listener done",
  133: "router solicitation",
  134: "router advertisement",
  135: "neighbor solicitation",
  136: "neighbor advertisement",
  137: "redirect",
  143: "multicast listener report v2",
};

/** Codes of ICMPv6 types that have them. */
export const ICMPV6_CODE_NAMES: Readonly<Record<number, readonly string[]>> = {
  1: [
    "no route",
    "administratively prohibited",
    "beyond scope of source",
    "address unreachable",
    "port unreachable",
    "source address failed policy",
    "route rejected",
    "error in source routing header",
  ],
  3: ["in transit", "fragment reassembly"],
  4: ["bad header field", "unknown next header", "unknown option"],
};

/** The eight flag bits of TCP (RFC 9293, 3.1), lowest first. */
export const TCP_FLAG_NAMES = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"] as const;

/** The name of a protocol number, or the number as hex. */
export function protocolName(protocol: number): string {
  return PROTOCOL_NAMES[protocol] ?? `protocol 0x${protocol.toString(16).padStart(2, "0")}`;
}
