/** What the decoders make of a packet: plain data, as `--json` prints it. */

/** An 802.1Q tag (IEEE 802.1Q, 9.6). */
export interface VlanTag {
  /** 0x8100, or 0x88a8 for a service tag. */
  readonly etherType: number;
  readonly id: number;
  readonly priority: number;
}

/** An Ethernet header with its tags. */
export interface EthernetLayer {
  readonly kind: "ethernet";
  readonly source: string;
  readonly destination: string;
  readonly vlans: readonly VlanTag[];
  /** The type behind the tags; absent in an 802.3 frame. */
  readonly etherType?: number;
  /** An 802.3 frame says its payload's length instead. */
  readonly length_bytes?: number;
}

/** ARP for IPv4 over Ethernet (RFC 826). */
export interface ArpLayer {
  readonly kind: "arp";
  readonly operation: number;
  readonly senderMac: string;
  readonly sender: string;
  readonly targetMac: string;
  readonly target: string;
}

/** The fragment fields of IPv4 (RFC 791), or a fragment header of IPv6 (RFC 8200, 4.5). */
export interface Fragment {
  readonly id: number;
  readonly offset_bytes: number;
  readonly more: boolean;
}

/** An IPv4 header. */
export interface Ipv4Layer {
  readonly kind: "ipv4";
  readonly header_bytes: number;
  readonly total_bytes: number;
  readonly tos: number;
  readonly id: number;
  readonly dontFragment: boolean;
  readonly fragment?: Fragment;
  readonly ttl: number;
  readonly protocol: number;
  readonly source: string;
  readonly destination: string;
}

/** An extension header of IPv6 (RFC 8200, 4). */
export interface Ipv6Extension {
  /** The next-header number that announced it. */
  readonly protocol: number;
  readonly length_bytes: number;
}

/** An IPv6 header with its extension headers. */
export interface Ipv6Layer {
  readonly kind: "ipv6";
  readonly payload_bytes: number;
  readonly trafficClass: number;
  readonly flowLabel: number;
  readonly hopLimit: number;
  readonly nextHeader: number;
  readonly extensions: readonly Ipv6Extension[];
  readonly fragment?: Fragment;
  /** What is behind the extension headers. */
  readonly protocol: number;
  readonly source: string;
  readonly destination: string;
}

/** A TCP header (RFC 9293). */
export interface TcpLayer {
  readonly kind: "tcp";
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly sequence: number;
  readonly acknowledgment: number;
  readonly header_bytes: number;
  /** The eight flag bits, CWR to FIN. */
  readonly flags: number;
  readonly window: number;
  /** The maximum segment size option. */
  readonly mss_bytes?: number;
  readonly payload_bytes: number;
}

/** A UDP header (RFC 768). */
export interface UdpLayer {
  readonly kind: "udp";
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** The length field: header and payload. */
  readonly length_bytes: number;
}

/** An ICMP (RFC 792) or ICMPv6 (RFC 4443, RFC 4861) message. */
export interface IcmpLayer {
  readonly kind: "icmp" | "icmpv6";
  readonly type: number;
  readonly code: number;
  /** Echo: which ping, and which of its packets. */
  readonly id?: number;
  readonly sequence?: number;
  /** The MTU that an error or a router names. */
  readonly mtu_bytes?: number;
  /** Neighbour discovery and redirects: whom it is about. */
  readonly target?: string;
  /** Neighbour discovery: the link-layer address that an option gives. */
  readonly mac?: string;
  /** A neighbour advertisement's flags R, S and O, as the three highest bits of a byte. */
  readonly flags?: number;
  /** Router advertisement: prefixes of its options. */
  readonly prefixes?: readonly string[];
  /** Errors: the packet that they quote. */
  readonly about?: readonly Layer[];
}

/** What no decoder knows, or what a later fragment carries. */
export interface DataLayer {
  readonly kind: "data";
  readonly length_bytes: number;
  /** The first bytes. */
  readonly hex: string;
}

/** One header, or what is behind the last. */
export type Layer =
  | EthernetLayer
  | ArpLayer
  | Ipv4Layer
  | Ipv6Layer
  | TcpLayer
  | UdpLayer
  | IcmpLayer
  | DataLayer;

/** What is wrong with a packet: a header is cut, a field lies, or a checksum is not right. */
export interface Note {
  readonly kind: "cut" | "lying" | "checksum";
  readonly text: string;
}

/** A whole packet, decoded. */
export interface Decoded {
  readonly layers: readonly Layer[];
  readonly notes: readonly Note[];
  /** The name to count it under: that of the innermost protocol known. */
  readonly protocol: string;
}
