/** Network devices, addresses and routes as tunnet sees them: the interface that link/ offers. */

import type { Address, Prefix } from "../../net/prefix.ts";

/** A network device. */
export interface LinkInfo {
  readonly index: number;
  readonly name: string;
  readonly mtu_bytes: number;
  /** Whether it is switched on (IFF_UP); says nothing of a carrier. */
  readonly up: boolean;
  /** Index of the bridge (or bond) that it is a port of; 0: none. */
  readonly master: number;
  /** What made it: tun, dummy, bridge, veth; undefined for hardware and lo. */
  readonly kind: string | undefined;
  /** Whether its packets have an Ethernet header. */
  readonly ethernet: boolean;
  /** A free text that somebody has put on it, if any. */
  readonly alias?: string | undefined;
}

/** Packets that passed a device, and that the kernel dropped there, since it was made. */
export interface LinkCounts {
  readonly sentPackets: number;
  readonly receivedPackets: number;
  /** Its queue was full. */
  readonly sentDropped: number;
  /** They had come from it, and the queue for the rest of the kernel was full. */
  readonly receivedDropped: number;
}

/** An address on a device, with the length of the network that it is in. */
export interface LinkAddress {
  readonly index: number;
  readonly address: Address;
  readonly length_bits: number;
  /** IPv6, and not usable: whether another host has it is being looked for, or was found. */
  readonly duplicate?: "possible" | "found" | undefined;
}

/** What a route does with its packets; all but unicast drop or keep them. */
export type RouteKind = "unicast" | "blackhole" | "unreachable" | "prohibit" | "throw" | "other";

/** Where a route leads to. */
export type NextHop = Pick<RouteInfo, "index" | "gateway" | "onlink">;

/** A route to put up or take down. */
export interface RouteSpec {
  readonly prefix: Prefix;
  /** The device it leads to. */
  readonly index: number;
  /** The source that this host's own packets get. */
  readonly source?: Address | undefined;
  /** The router to send to; left out, the destinations are neighbours on the device. */
  readonly gateway?: Address | undefined;
  /** Whether the gateway is a neighbour on the device although no route says so. */
  readonly onlink?: boolean | undefined;
  /** Next hops beside this one; all get the same share. */
  readonly others?: readonly NextHop[] | undefined;
  /** The largest packet that goes this way, where that is less than the device's MTU. */
  readonly mtu_bytes?: number | undefined;
  /** Only `unreachable`, which needs no device, and `unicast` are made. Left out: unicast. */
  readonly kind?: RouteKind | undefined;
  /** The lower one wins. Left out: 0 for IPv4, 1024 for IPv6, as the kernel has it. */
  readonly metric?: number | undefined;
  /** Who made it, of rtnetlink's RTPROT numbers. Left out: 4, static. */
  readonly protocol?: number | undefined;
}

/** A route of the main table. One with several next hops is listed once for each. */
export interface RouteInfo {
  readonly prefix: Prefix;
  /** The device it leads to, 0 if none. */
  readonly index: number;
  readonly metric: number;
  readonly kind: RouteKind;
  /** The source that this host's own packets get, if it names one. */
  readonly source: Address | undefined;
  /** Who made it, of rtnetlink's RTPROT numbers. */
  readonly protocol: number;
  /** The router; undefined where the destinations are neighbours. An IPv4 route may have an IPv6 one. */
  readonly gateway?: Address | undefined;
  /** Whether the gateway is taken for a neighbour whatever the routes say. */
  readonly onlink?: boolean | undefined;
  /** The MTU that the route was given, if any. */
  readonly mtu_bytes?: number | undefined;
}

/** Where the kernel would send a packet. */
export interface RoutePath {
  readonly index: number;
  readonly source?: Address | undefined;
  /** Set where the route has an MTU of its own: configured, or learnt from the path. */
  readonly mtu_bytes?: number | undefined;
  /** Whether the kernel has learnt it from the path, and will forget it again. */
  readonly learnt?: boolean;
}

/**
 * A VXLAN-GPE device to make, one that takes whatever network identifier comes (`external`), with
 * or without a UDP checksum.
 */
export interface VxlanSpec {
  readonly name: string;
  /** Left out, the kernel chooses one. */
  readonly index?: number | undefined;
  /** The UDP port that it receives on. */
  readonly port: number;
  readonly mtu_bytes: number;
}

/** One end of a veth pair that is made in another network namespace. */
export interface VethPeer {
  readonly name: string;
  /** A descriptor of the namespace. */
  readonly namespaceFd: number;
  /** Left out, the kernel chooses one. */
  readonly index?: number | undefined;
}

/** The MTU, state, bridge and alias to give to a device; what is left out stays. */
export interface LinkChange {
  readonly alias?: string | undefined;
  /** Index of the bridge to become a port of; 0: of none any more. */
  readonly master?: number | undefined;
  readonly mtu_bytes?: number | undefined;
  readonly up?: boolean | undefined;
  /** Whether IPv4 packets that come in by it may be from this host's own addresses. */
  readonly acceptLocal?: boolean | undefined;
  /** How IPv6 makes it a link-local address (addr_gen_mode of ip-sysctl.rst); 1: not at all. */
  readonly addressMode?: number | undefined;
}

/**
 * The kernel's rtnetlink, one request at a time, each answered before the call
 * returns. What the kernel refuses throws a SyscallError with its errno.
 */
export interface Rtnetlink {
  /** A device by name or index; undefined where there is none. */
  getLink(nameOrIndex: string | number): LinkInfo | undefined;
  /** All devices. */
  links(): readonly LinkInfo[];
  /** What the kernel counted at a device; undefined where there is none. */
  counts(nameOrIndex: string | number): LinkCounts | undefined;
  setLink(index: number, change: LinkChange): void;
  /** EEXIST if there is a device of this name; EOPNOTSUPP where the kernel has no VXLAN. */
  addVxlan(spec: VxlanSpec): void;
  /** EEXIST if there is a device of this name. */
  addBridge(name: string): void;
  /**
   * A pair of Ethernet devices joined to each other; EEXIST if there is a device of either name.
   * Without an index, the kernel chooses one.
   */
  addVeth(name: string, peer: VethPeer, index?: number): void;
  /** Removes a device that somebody made; ENODEV if there is none. */
  removeLink(index: number): void;
  /** All addresses, or those of one device. */
  addresses(index?: number): readonly LinkAddress[];
  /** EEXIST if it exists already. An IPv6 address is usable at once (no duplicate detection). */
  addAddress(index: number, address: Address, length_bits: number): void;
  /** EADDRNOTAVAIL if it does not exist. */
  removeAddress(index: number, address: Address, length_bits: number): void;
  /** EEXIST if a route of the same destination and metric exists, through whatever device. */
  addRoute(route: RouteSpec): void;
  /** Removes a route that addRoute made; ESRCH if there is none. */
  removeRoute(route: RouteSpec): void;
  /** The routes of the main table, IPv4 and IPv6: all, or those of one device. */
  routes(index?: number): readonly RouteInfo[];
  /** The routes of the main table that were made by this one of rtnetlink's RTPROT numbers. */
  routesBy(protocol: number): readonly RouteInfo[];
  /** The routes of the main table with exactly this destination, through any device. */
  routesTo(prefix: Prefix): readonly RouteInfo[];
  /**
   * The kernel's choice for a destination, through device `oif` if given;
   * undefined if it is unreachable. With `oif`, IPv4 takes any destination for a neighbour.
   */
  routeTo(address: Address, oif?: number): RoutePath | undefined;
  /**
   * The indexes of all devices through which the kernel sends to a destination: several where the
   * route has several next hops, lo's for an address of this host, none if it is unreachable.
   */
  interfacesTo(address: Address): readonly number[];
  close(): void;
  [Symbol.dispose](): void;
}

/** The metric that the kernel gives to a route that names none (IP6_RT_PRIO_USER for IPv6). */
export function routeMetric({ prefix, metric }: Pick<RouteSpec, "prefix" | "metric">): number {
  return metric || (prefix.version === 6 ? 1024 : 0);
}
