/** Rtnetlink through one netlink socket of libc (netlink(7), rtnetlink(7)). */

import { ERRNO } from "../../../ffi/errno.ts";
import * as nl from "../../../ffi/netlink.ts";
import { AF_INET, AF_INET6, AF_UNSPEC } from "../../../ffi/socket.ts";
import { DEVICE_NAME_MAX_BYTES } from "../../base/limits.ts";
import {
  type Address,
  addressBits,
  type IpVersion,
  type Prefix,
  sameBytes,
} from "../../net/prefix.ts";
import {
  type Decode,
  Exchange,
  type NetlinkSocket,
  type Request,
  RtnetlinkError,
} from "./exchange.ts";
import {
  type LinkAddress,
  type LinkChange,
  type LinkCounts,
  type LinkInfo,
  type NextHop,
  type RouteInfo,
  routeMetric,
  type RoutePath,
  type RouteSpec,
  type Rtnetlink,
  type VethPeer,
  type VxlanSpec,
} from "./rtnetlink.ts";
import {
  addressBody,
  type Attribute,
  decodeAddress,
  decodeCounts,
  decodeInterfaces,
  decodeLink,
  decodePath,
  decodeRoute,
  familyOf,
  linkBody,
  nestedAttribute,
  routeBody,
  textAttribute,
  u32Attribute,
} from "./message.ts";
import { LinuxSocket, PinnedSocket } from "./socket.ts";

/** The kernel sends a dump in parts of at most 32 KB; a single larger message grows the buffer. */
const BUFFER_BYTES = 64 * 1024;

/** Errors of a route lookup that mean that there is no way, or a route that forbids it. */
const NO_WAY: readonly number[] = [
  ERRNO.ENETUNREACH,
  ERRNO.EHOSTUNREACH,
  ERRNO.EACCES, // prohibit
  ERRNO.EINVAL, // blackhole
  ERRNO.EAGAIN, // throw
  ERRNO.ENODEV, // no such `oif`
  ERRNO.EAFNOSUPPORT, // no IPv6 on this host
  ERRNO.EOPNOTSUPP,
];

/** Errors of a dump that mean that there is nothing: no such device, no such table yet. */
const NOTHING: readonly number[] = [ERRNO.ENODEV, ERRNO.ENOENT];

/** A gateway of the route's own IP version, or of another (struct rtvia; Linux 5.2). */
function gatewayAttribute({ version, bytes }: Address, ofRoute: IpVersion): Attribute {
  if (version === ofRoute) return { type: nl.RTA_GATEWAY, data: bytes };
  const family = new Uint8Array(new Uint16Array([familyOf(version)]).buffer);
  return { type: nl.RTA_VIA, data: Uint8Array.of(...family, ...bytes) };
}

/** A run of struct rtnexthop, each with its own attributes. */
function nextHopsAttribute(hops: readonly NextHop[], version: IpVersion): Attribute {
  const data = hops.flatMap(({ index, gateway, onlink }) => {
    const attributes = gateway ? [gatewayAttribute(gateway, version)] : [];
    const header = new Uint8Array(nl.RTNEXTHOP_BYTES);
    const bytes = nestedAttribute(nl.RTA_MULTIPATH, attributes, header).data.slice();
    const view = new DataView(bytes.buffer);
    view.setUint16(0, bytes.length, true);
    bytes[2] = onlink ? nl.RTNH_F_ONLINK : 0;
    view.setInt32(4, index, true);
    return [...bytes];
  });
  return { type: nl.RTA_MULTIPATH, data: Uint8Array.from(data) };
}

/** What a link change sets for each address family. */
function familySettings({ acceptLocal, addressMode }: LinkChange): readonly Attribute[] {
  const settings: Attribute[] = [];
  if (acceptLocal !== undefined) {
    const value = u32Attribute(nl.IPV4_DEVCONF_ACCEPT_LOCAL, acceptLocal ? 1 : 0);
    settings.push(nestedAttribute(AF_INET, [nestedAttribute(nl.IFLA_INET_CONF, [value])]));
  }
  if (addressMode !== undefined) {
    const value = { type: nl.IFLA_INET6_ADDR_GEN_MODE, data: Uint8Array.of(addressMode) };
    settings.push(nestedAttribute(AF_INET6, [value]));
  }
  return settings;
}

class LinuxRtnetlink implements Rtnetlink {
  readonly #exchange: Exchange;

  constructor(socket: NetlinkSocket) {
    this.#exchange = new Exchange(socket);
  }

  close(): void {
    this.#exchange.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  getLink(nameOrIndex: string | number): LinkInfo | undefined {
    // The kernel need not send its counters along.
    const without = [u32Attribute(nl.IFLA_EXT_MASK, nl.RTEXT_FILTER_SKIP_STATS)];
    return this.#askLink(nameOrIndex, without, decodeLink);
  }

  links(): readonly LinkInfo[] {
    const attributes = [u32Attribute(nl.IFLA_EXT_MASK, nl.RTEXT_FILTER_SKIP_STATS)];
    return this.#dump(
      { type: nl.RTM_GETLINK, body: linkBody(0), attributes },
      ({ type, payload }) => type === nl.RTM_NEWLINK ? [decodeLink(payload)] : [],
    );
  }

  counts(nameOrIndex: string | number): LinkCounts | undefined {
    return this.#askLink(nameOrIndex, [], decodeCounts);
  }

  setLink(index: number, linkChange: LinkChange): void {
    const { mtu_bytes, up, master, alias } = linkChange;
    const families = familySettings(linkChange);
    if ([mtu_bytes, up, master, alias, families[0]].every((one) => one === undefined)) return;
    const change = up === undefined ? 0 : nl.IFF_UP;
    this.#exchange.request({
      type: nl.RTM_SETLINK,
      body: linkBody(index, up ? nl.IFF_UP : 0, change),
      attributes: [
        ...(mtu_bytes === undefined ? [] : [u32Attribute(nl.IFLA_MTU, mtu_bytes)]),
        ...(master === undefined ? [] : [u32Attribute(nl.IFLA_MASTER, master)]),
        ...(alias === undefined ? [] : [textAttribute(nl.IFLA_IFALIAS, alias)]),
        ...(families.length === 0 ? [] : [nestedAttribute(nl.IFLA_AF_SPEC, families)]),
      ],
    });
  }

  addVxlan({ name, index, port, mtu_bytes }: VxlanSpec): void {
    const on = Uint8Array.of(1);
    const data = nestedAttribute(nl.IFLA_INFO_DATA, [
      { type: nl.IFLA_VXLAN_PORT, data: Uint8Array.of(port >> 8, port & 0xff) },
      { type: nl.IFLA_VXLAN_LEARNING, data: Uint8Array.of(0) },
      { type: nl.IFLA_VXLAN_COLLECT_METADATA, data: on },
      { type: nl.IFLA_VXLAN_UDP_ZERO_CSUM6_RX, data: on },
      { type: nl.IFLA_VXLAN_GPE, data: new Uint8Array(0) },
    ]);
    this.#addLink(name, "vxlan", [data], [u32Attribute(nl.IFLA_MTU, mtu_bytes)], index);
  }

  addBridge(name: string): void {
    this.#addLink(name, "bridge");
  }

  addVeth(name: string, peer: VethPeer, index?: number): void {
    const other = [
      textAttribute(nl.IFLA_IFNAME, peer.name),
      u32Attribute(nl.IFLA_NET_NS_FD, peer.namespaceFd),
    ];
    const data = nestedAttribute(nl.IFLA_INFO_DATA, [
      nestedAttribute(nl.VETH_INFO_PEER, other, linkBody(peer.index ?? 0)),
    ]);
    this.#addLink(name, "veth", [data], [], index);
  }

  removeLink(index: number): void {
    this.#exchange.request({ type: nl.RTM_DELLINK, body: linkBody(index) });
  }

  addresses(index = 0): readonly LinkAddress[] {
    const all = this.#dump(
      { type: nl.RTM_GETADDR, body: addressBody(AF_UNSPEC, 0, index) },
      ({ type, payload }) => {
        const address = type === nl.RTM_NEWADDR ? decodeAddress(payload) : undefined;
        return address ? [address] : [];
      },
    );
    return index === 0 ? all : all.filter((address) => address.index === index);
  }

  addAddress(index: number, address: Address, length_bits: number): void {
    this.#changeAddress(nl.RTM_NEWADDR, nl.NLM_F_CREATE | nl.NLM_F_EXCL, {
      index,
      address,
      length_bits,
    });
  }

  removeAddress(index: number, address: Address, length_bits: number): void {
    this.#changeAddress(nl.RTM_DELADDR, 0, { index, address, length_bits });
  }

  addRoute(route: RouteSpec): void {
    this.#changeRoute(nl.RTM_NEWROUTE, nl.NLM_F_CREATE | nl.NLM_F_EXCL, route);
  }

  removeRoute(route: RouteSpec): void {
    this.#changeRoute(nl.RTM_DELROUTE, 0, route);
  }

  routes(index?: number): readonly RouteInfo[] {
    const oif = index === undefined ? [] : [u32Attribute(nl.RTA_OIF, index)];
    return ([4, 6] as const)
      .flatMap((version) => this.#mainTable(version, oif))
      .filter((route) => index === undefined || route.index === index);
  }

  routesBy(protocol: number): readonly RouteInfo[] {
    return ([4, 6] as const)
      .flatMap((version) => this.#mainTable(version, [], protocol))
      .filter((route) => route.protocol === protocol);
  }

  routesTo(prefix: Prefix): readonly RouteInfo[] {
    return this.#mainTable(prefix.version, []).filter((route) =>
      route.prefix.length_bits === prefix.length_bits &&
      sameBytes(route.prefix.bytes, prefix.bytes)
    );
  }

  routeTo(address: Address, oif?: number): RoutePath | undefined {
    const more = oif === undefined ? [] : [u32Attribute(nl.RTA_OIF, oif)];
    return this.#lookUp(address, 0, more, (payload) => {
      const path = decodePath(payload);
      return path ? [path] : [];
    })[0];
  }

  interfacesTo(address: Address): readonly number[] {
    const found = this.#lookUp(address, nl.RTM_F_FIB_MATCH, [], decodeInterfaces);
    if (found.length > 0) return found;
    // An entry may name its next hops by number only (net.ipv4.nexthop_compat_mode=0).
    const path = this.routeTo(address);
    return path ? [path.index] : [];
  }

  /** Asks for the route to a destination; an empty list where there is none. */
  #lookUp<T>(
    { version, bytes }: Address,
    flags: number,
    more: readonly Attribute[],
    decode: (payload: Uint8Array) => readonly T[],
  ): readonly T[] {
    const attributes = [{ type: nl.RTA_DST, data: bytes }, ...more];
    const body = routeBody({
      family: familyOf(version),
      length_bits: addressBits(version),
      flags,
    });
    try {
      return this.#exchange.request<T>(
        { type: nl.RTM_GETROUTE, body, attributes },
        ({ type, payload }) => type === nl.RTM_NEWROUTE ? decode(payload) : [],
      );
    } catch (error) {
      if (error instanceof RtnetlinkError && NO_WAY.includes(error.errno)) return [];
      throw error;
    }
  }

  /** Makes a device; `data` is what its kind wants to know. */
  #addLink(
    name: string,
    kind: string,
    data: readonly Attribute[] = [],
    more: readonly Attribute[] = [],
    index = 0,
  ): void {
    this.#exchange.request({
      type: nl.RTM_NEWLINK,
      flags: nl.NLM_F_CREATE | nl.NLM_F_EXCL,
      body: linkBody(index),
      attributes: [
        textAttribute(nl.IFLA_IFNAME, name),
        ...more,
        nestedAttribute(nl.IFLA_LINKINFO, [
          textAttribute(nl.IFLA_INFO_KIND, kind),
          ...data,
        ]),
      ],
    });
  }

  /** Asks for a device, and decodes the answer; undefined where there is none. */
  #askLink<T>(
    nameOrIndex: string | number,
    more: readonly Attribute[],
    decode: (payload: Uint8Array) => T | undefined,
  ): T | undefined {
    const attributes = [...more];
    if (typeof nameOrIndex === "string") {
      const { length } = new TextEncoder().encode(nameOrIndex);
      if (length === 0 || length > DEVICE_NAME_MAX_BYTES) return undefined;
      attributes.push(textAttribute(nl.IFLA_IFNAME, nameOrIndex));
    } else if (nameOrIndex <= 0) {
      return undefined;
    }
    const body = linkBody(typeof nameOrIndex === "number" ? nameOrIndex : 0);
    try {
      return this.#exchange.request<T | undefined>(
        { type: nl.RTM_GETLINK, body, attributes },
        ({ type, payload }) => type === nl.RTM_NEWLINK ? [decode(payload)] : [],
      )[0];
    } catch (error) {
      if (error instanceof RtnetlinkError && error.errno === ERRNO.ENODEV) return undefined;
      throw error;
    }
  }

  #changeAddress(type: number, flags: number, change: LinkAddress): void {
    const { index, address: { version, bytes }, length_bits } = change;
    const attributes: Attribute[] = [
      { type: nl.IFA_LOCAL, data: bytes },
      { type: nl.IFA_ADDRESS, data: bytes },
    ];
    if (version === 6 && type === nl.RTM_NEWADDR) {
      attributes.push(u32Attribute(nl.IFA_FLAGS, nl.IFA_F_NODAD));
    }
    const body = addressBody(familyOf(version), length_bits, index);
    this.#exchange.request({ type, flags, body, attributes });
  }

  #changeRoute(type: number, flags: number, route: RouteSpec): void {
    const { prefix, index, source, gateway, onlink, others = [], mtu_bytes } = route;
    const leadsOn = route.kind !== "unreachable";
    const several = leadsOn && others.length > 0;
    const attributes: Attribute[] = [
      { type: nl.RTA_DST, data: prefix.bytes },
      ...(leadsOn && !several ? [u32Attribute(nl.RTA_OIF, index)] : []),
      // Always sent: without it, a removal would take a route of any metric.
      u32Attribute(nl.RTA_PRIORITY, routeMetric(route)),
    ];
    if (source) attributes.push({ type: nl.RTA_PREFSRC, data: source.bytes });
    if (several) attributes.push(nextHopsAttribute([route, ...others], prefix.version));
    else if (gateway) attributes.push(gatewayAttribute(gateway, prefix.version));
    if (mtu_bytes) {
      attributes.push(nestedAttribute(nl.RTA_METRICS, [u32Attribute(nl.RTAX_MTU, mtu_bytes)]));
    }
    const body = routeBody({
      family: familyOf(prefix.version),
      length_bits: prefix.length_bits,
      table: nl.RT_TABLE_MAIN,
      protocol: route.protocol ?? nl.RTPROT_STATIC,
      scope: gateway || !leadsOn ? nl.RT_SCOPE_UNIVERSE : nl.RT_SCOPE_LINK,
      type: leadsOn ? nl.RTN_UNICAST : nl.RTN_UNREACHABLE,
      flags: onlink && !several ? nl.RTNH_F_ONLINK : 0,
    });
    this.#exchange.request({ type, flags, body, attributes });
  }

  /** Kernels that know no filters list all. */
  #mainTable(version: 4 | 6, filter: readonly Attribute[], protocol = 0): readonly RouteInfo[] {
    const routes = this.#dump<RouteInfo>(
      {
        type: nl.RTM_GETROUTE,
        body: routeBody({ family: familyOf(version), table: nl.RT_TABLE_MAIN, protocol }),
        attributes: [u32Attribute(nl.RTA_TABLE, nl.RT_TABLE_MAIN), ...filter],
      },
      ({ type, payload }) => type === nl.RTM_NEWROUTE ? decodeRoute(payload, nl.RT_TABLE_MAIN) : [],
    );
    // A kernel without IPv6 answers with the families that it has.
    return routes.filter(({ prefix }) => prefix.version === version);
  }

  #dump<T>(request: Request, decode: Decode<T>): readonly T[] {
    try {
      return this.#exchange.request({ ...request, flags: nl.NLM_F_DUMP }, decode);
    } catch (error) {
      if (error instanceof RtnetlinkError && NOTHING.includes(error.errno)) return [];
      throw error;
    }
  }
}

/**
 * Opens rtnetlink in this process's network namespace. Reading needs no
 * privilege, changing needs CAP_NET_ADMIN. Throws a SyscallError where the
 * kernel has no netlink. `buffer_bytes` is for tests.
 */
export function openRtnetlink(buffer_bytes = BUFFER_BYTES): Rtnetlink {
  return new LinuxRtnetlink(new LinuxSocket(nl.NETLINK_ROUTE, buffer_bytes));
}

/**
 * The same for the network namespace that the calling thread is in now, wherever
 * it goes later. After an answer that was lost, all requests fail.
 */
export function openPinnedRtnetlink(): Rtnetlink {
  return new LinuxRtnetlink(new PinnedSocket(nl.NETLINK_ROUTE, BUFFER_BYTES));
}

/**
 * The largest packet that goes to this address, in bytes: what its route says,
 * else the MTU of the device it leaves by. Undefined if there is no way there.
 */
export function pathMtu(rt: Rtnetlink, address: Address): number | undefined {
  const path = rt.routeTo(address);
  return path && (path.mtu_bytes ?? rt.getLink(path.index)?.mtu_bytes);
}

/**
 * The interface by which packets to this address leave this host, and the largest of them in bytes,
 * by the route's own MTU or else that of the interface, whatever is learnt of the path beyond.
 * Undefined if there is no way there.
 */
export function underlay(
  rt: Rtnetlink,
  address: Address,
): { readonly link: LinkInfo; readonly mtu_bytes: number } | undefined {
  const path = rt.routeTo(address);
  const link = path && rt.getLink(path.index);
  const configured = path?.learnt ? undefined : path?.mtu_bytes;
  return link && { link, mtu_bytes: configured ?? link.mtu_bytes };
}
