/**
 * The messages of rtnetlink (RFC 3549, rtnetlink(7)): encoding and decoding, pure.
 *
 * Multi-byte fields are in host byte order, which is little-endian on all
 * machines that tunnet supports (ffi/netlink.ts). A decoder checks each length
 * before it uses it, and throws a MalformedMessage where one cannot hold.
 */

import {
  ARPHRD_ETHER,
  IFA_ADDRESS,
  IFA_F_DADFAILED,
  IFA_F_TENTATIVE,
  IFA_FLAGS,
  IFA_LOCAL,
  IFADDRMSG_BYTES,
  IFF_UP,
  IFINFOMSG_BYTES,
  IFLA_IFALIAS,
  IFLA_IFNAME,
  IFLA_INFO_KIND,
  IFLA_LINKINFO,
  IFLA_MASTER,
  IFLA_MTU,
  IFLA_STATS64,
  LOOPBACK_IFINDEX,
  NLA_TYPE_MASK,
  NLATTR_BYTES,
  NLM_F_ACK_TLVS,
  NLM_F_CAPPED,
  NLMSGERR_ATTR_MSG,
  NLMSGHDR_BYTES,
  RTA_CACHEINFO,
  RTA_DST,
  RTA_EXPIRES,
  RTA_GATEWAY,
  RTA_METRICS,
  RTA_MULTIPATH,
  RTA_OIF,
  RTA_PREFSRC,
  RTA_PRIORITY,
  RTA_TABLE,
  RTA_VIA,
  RTAX_MTU,
  RTMSG_BYTES,
  RTN_LOCAL,
  RTN_UNICAST,
  RTN_UNREACHABLE,
  RTNEXTHOP_BYTES,
  RTNH_F_ONLINK,
  STATS64,
} from "../../../ffi/netlink.ts";
import { AF_INET, AF_INET6 } from "../../../ffi/socket.ts";
import {
  type Address,
  addressBits,
  type IpVersion,
  maskBytes,
  type Prefix,
} from "../../net/prefix.ts";
import type {
  LinkAddress,
  LinkCounts,
  LinkInfo,
  NextHop,
  RouteInfo,
  RouteKind,
  RoutePath,
} from "./rtnetlink.ts";

/** The longest attribute: its length field has 16 bits. */
const ATTRIBUTE_MAX_BYTES = 0xffff;

/** A message whose lengths or values cannot hold. */
export class MalformedMessage extends Error {
  constructor(what: string) {
    super(`malformed netlink message: ${what}`);
    this.name = "MalformedMessage";
  }
}

/** A message without its length field. */
export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** The port it comes from or belongs to; 0 is the kernel. */
  readonly port: number;
  readonly payload: Uint8Array;
}

/** An attribute to encode. */
export interface Attribute {
  readonly type: number;
  readonly data: Uint8Array;
}

/** Decoded attributes by type, flag bits cleared; of several of one type the last, as in the kernel. */
export type Attributes = ReadonlyMap<number, Uint8Array>;

/** The kernel's answer to a change: 0 is success. */
export interface Answer {
  readonly errno: number;
  /** The kernel's own words, where it has any. */
  readonly reason: string | undefined;
}

const align = (size: number): number => (size + 3) & ~3;

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** AF_INET or AF_INET6. */
export function familyOf(version: IpVersion): number {
  return version === 4 ? AF_INET : AF_INET6;
}

function versionOf(family: number): IpVersion | undefined {
  return family === AF_INET ? 4 : family === AF_INET6 ? 6 : undefined;
}

/** An attribute holding an unsigned 32-bit number. */
export function u32Attribute(type: number, value: number): Attribute {
  const data = new Uint8Array(4);
  viewOf(data).setUint32(0, value, true);
  return { type, data };
}

/** An attribute holding text with a closing NUL. */
export function textAttribute(type: number, text: string): Attribute {
  return { type, data: new TextEncoder().encode(text + "\0") };
}

/** An attribute holding other attributes, behind a fixed structure where its type has one. */
export function nestedAttribute(
  type: number,
  attributes: readonly Attribute[],
  body = new Uint8Array(0),
): Attribute {
  // As a message, they would be behind a header.
  const header = { type: 0, flags: 0, sequence: 0 };
  return { type, data: encodeMessage(header, body, attributes).subarray(NLMSGHDR_BYTES) };
}

/** A whole request. `body` is the fixed structure that the type asks for. */
export function encodeMessage(
  { type, flags, sequence }: Pick<Message, "type" | "flags" | "sequence">,
  body: Uint8Array,
  attributes: readonly Attribute[] = [],
): Uint8Array<ArrayBuffer> {
  const sizes = attributes.map(({ data }) => NLATTR_BYTES + data.length);
  if (sizes.some((size) => size > ATTRIBUTE_MAX_BYTES)) {
    throw new RangeError(`an attribute is longer than ${ATTRIBUTE_MAX_BYTES} bytes`);
  }
  const total = sizes.reduce((sum, size) => sum + align(size), NLMSGHDR_BYTES + align(body.length));
  const bytes = new Uint8Array(total);
  const view = viewOf(bytes);
  view.setUint32(0, total, true);
  view.setUint16(4, type, true);
  view.setUint16(6, flags, true);
  view.setUint32(8, sequence, true);
  // The port (12) stays 0: the kernel fills in whom the message comes from.
  bytes.set(body, NLMSGHDR_BYTES);
  let offset = NLMSGHDR_BYTES + align(body.length);
  attributes.forEach(({ type, data }, i) => {
    view.setUint16(offset, sizes[i]!, true);
    view.setUint16(offset + 2, type, true);
    bytes.set(data, offset + NLATTR_BYTES);
    offset += align(sizes[i]!);
  });
  return bytes;
}

/** struct ifinfomsg. `change` tells which of the flags count. */
export function linkBody(index: number, flags = 0, change = 0): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(IFINFOMSG_BYTES);
  const view = viewOf(bytes);
  view.setInt32(4, index, true);
  view.setUint32(8, flags, true);
  view.setUint32(12, change, true);
  return bytes;
}

/** struct ifaddrmsg. Flags and scope stay 0: the kernel derives the scope of IPv6. */
export function addressBody(family: number, length_bits: number, index: number): Uint8Array {
  const bytes = new Uint8Array(IFADDRMSG_BYTES);
  bytes[0] = family;
  bytes[1] = length_bits;
  viewOf(bytes).setUint32(4, index, true);
  return bytes;
}

/** The fields of struct rtmsg that tunnet sets. */
export interface RouteHeader {
  readonly family: number;
  readonly length_bits?: number;
  readonly table?: number;
  readonly protocol?: number;
  readonly scope?: number;
  readonly type?: number;
  readonly flags?: number;
}

/** struct rtmsg. */
export function routeBody(header: RouteHeader): Uint8Array {
  const bytes = new Uint8Array(RTMSG_BYTES);
  bytes[0] = header.family;
  bytes[1] = header.length_bits ?? 0;
  bytes[4] = header.table ?? 0;
  bytes[5] = header.protocol ?? 0;
  bytes[6] = header.scope ?? 0;
  bytes[7] = header.type ?? 0;
  viewOf(bytes).setUint32(8, header.flags ?? 0, true);
  return bytes;
}

/** The messages of one datagram from the kernel, in order. Payloads are views on `bytes`. */
export function decodeMessages(bytes: Uint8Array): readonly Message[] {
  const view = viewOf(bytes);
  const messages: Message[] = [];
  for (let offset = 0; offset < bytes.length;) {
    if (bytes.length - offset < NLMSGHDR_BYTES) throw new MalformedMessage("a cut header");
    const size = view.getUint32(offset, true);
    if (size < NLMSGHDR_BYTES || size > bytes.length - offset) {
      throw new MalformedMessage(`length ${size} of ${bytes.length - offset}`);
    }
    messages.push({
      type: view.getUint16(offset + 4, true),
      flags: view.getUint16(offset + 6, true),
      sequence: view.getUint32(offset + 8, true),
      port: view.getUint32(offset + 12, true),
      payload: bytes.subarray(offset + NLMSGHDR_BYTES, offset + size),
    });
    // `size` is at most the buffer's length, so aligning it cannot overflow.
    offset += align(size);
  }
  return messages;
}

/** The attributes that fill `bytes`. */
export function decodeAttributes(bytes: Uint8Array): Attributes {
  const view = viewOf(bytes);
  const attributes = new Map<number, Uint8Array>();
  for (let offset = 0; offset < bytes.length;) {
    if (bytes.length - offset < NLATTR_BYTES) {
      throw new MalformedMessage("a cut attribute header");
    }
    const size = view.getUint16(offset, true);
    if (size < NLATTR_BYTES || size > bytes.length - offset) {
      throw new MalformedMessage(`attribute length ${size} of ${bytes.length - offset}`);
    }
    const type = view.getUint16(offset + 2, true) & NLA_TYPE_MASK;
    attributes.set(type, bytes.subarray(offset + NLATTR_BYTES, offset + size));
    offset += align(size);
  }
  return attributes;
}

function body(payload: Uint8Array, size: number, what: string): DataView {
  if (payload.length < size) throw new MalformedMessage(`${what} of ${payload.length} bytes`);
  return viewOf(payload);
}

function u32(attributes: Attributes, type: number): number | undefined {
  const data = attributes.get(type);
  if (!data) return undefined;
  if (data.length < 4) throw new MalformedMessage(`a number of ${data.length} bytes`);
  return viewOf(data).getUint32(0, true);
}

function text(attributes: Attributes, type: number): string | undefined {
  const data = attributes.get(type);
  if (!data) return undefined;
  const end = data.indexOf(0);
  return new TextDecoder().decode(end < 0 ? data : data.subarray(0, end));
}

function address(attributes: Attributes, type: number, version: IpVersion): Address | undefined {
  const data = attributes.get(type);
  if (!data) return undefined;
  if (data.length !== addressBits(version) / 8) {
    throw new MalformedMessage(`an IPv${version} address of ${data.length} bytes`);
  }
  // Copied: the receive buffer is used again.
  return { version, bytes: data.slice() };
}

function checkLength(length_bits: number, version: IpVersion): void {
  if (length_bits > addressBits(version)) {
    throw new MalformedMessage(`an IPv${version} prefix of ${length_bits} bits`);
  }
}

/** The payload of NLMSG_ERROR (struct nlmsgerr), an acknowledgement included. */
export function decodeAnswer({ payload, flags }: Pick<Message, "payload" | "flags">): Answer {
  const view = body(payload, 4 + NLMSGHDR_BYTES, "an answer");
  const result = view.getInt32(0, true);
  if (result > 0) throw new MalformedMessage(`error ${result}`);
  let reason: string | undefined;
  if (flags & NLM_F_ACK_TLVS) {
    // The failed request is before the attributes, unless it was left out.
    const echoed = (flags & NLM_F_CAPPED) ? NLMSGHDR_BYTES : view.getUint32(4, true);
    if (echoed < NLMSGHDR_BYTES || echoed > payload.length - 4) {
      throw new MalformedMessage(`a repeated request of ${echoed} bytes`);
    }
    reason = text(decodeAttributes(payload.subarray(4 + align(echoed))), NLMSGERR_ATTR_MSG);
  }
  return { errno: result === 0 ? 0 : -result, reason };
}

/** The errno that ends a dump (payload of NLMSG_DONE): 0, or why it broke off. */
export function decodeDone(payload: Uint8Array): number {
  if (payload.length < 4) return 0;
  const result = viewOf(payload).getInt32(0, true);
  return result < 0 ? -result : 0;
}

/** The payload of RTM_NEWLINK. */
export function decodeLink(payload: Uint8Array): LinkInfo {
  const view = body(payload, IFINFOMSG_BYTES, "a link");
  const attributes = decodeAttributes(payload.subarray(IFINFOMSG_BYTES));
  const name = text(attributes, IFLA_IFNAME);
  if (!name) throw new MalformedMessage("a link without a name");
  const info = attributes.get(IFLA_LINKINFO);
  return {
    index: view.getInt32(4, true),
    name,
    mtu_bytes: u32(attributes, IFLA_MTU) ?? 0,
    up: (view.getUint32(8, true) & IFF_UP) !== 0,
    master: u32(attributes, IFLA_MASTER) ?? 0,
    kind: info && text(decodeAttributes(info), IFLA_INFO_KIND),
    ethernet: view.getUint16(2, true) === ARPHRD_ETHER,
    alias: text(attributes, IFLA_IFALIAS),
  };
}

/** What passed a device and what it dropped, from RTM_NEWLINK; undefined if it does not say. */
export function decodeCounts(payload: Uint8Array): LinkCounts | undefined {
  body(payload, IFINFOMSG_BYTES, "a link");
  const stats = decodeAttributes(payload.subarray(IFINFOMSG_BYTES)).get(IFLA_STATS64);
  if (!stats || stats.length < STATS64.txDropped + 8) return undefined;
  const count = (offset: number) => Number(viewOf(stats).getBigUint64(offset, true));
  return {
    sentPackets: count(STATS64.txPackets),
    receivedPackets: count(STATS64.rxPackets),
    sentDropped: count(STATS64.txDropped),
    receivedDropped: count(STATS64.rxDropped),
  };
}

/** The payload of RTM_NEWADDR; undefined for what is no IP address. */
export function decodeAddress(payload: Uint8Array): LinkAddress | undefined {
  const view = body(payload, IFADDRMSG_BYTES, "an address");
  const version = versionOf(payload[0]!);
  if (!version) return undefined;
  const length_bits = payload[1]!;
  checkLength(length_bits, version);
  const attributes = decodeAttributes(payload.subarray(IFADDRMSG_BYTES));
  // On a point-to-point link IFA_ADDRESS is the far end, and IFA_LOCAL ours.
  const local = address(attributes, IFA_LOCAL, version) ??
    address(attributes, IFA_ADDRESS, version);
  const flags = u32(attributes, IFA_FLAGS) ?? payload[2]!;
  const duplicate = flags & IFA_F_DADFAILED
    ? "found"
    : flags & IFA_F_TENTATIVE
    ? "possible"
    : undefined;
  const index = view.getUint32(4, true);
  return local && { index, address: local, length_bits, ...(duplicate ? { duplicate } : {}) };
}

const ROUTE_KINDS = new Map<number, RouteKind>([
  [RTN_UNICAST, "unicast"],
  [6, "blackhole"],
  [RTN_UNREACHABLE, "unreachable"],
  [8, "prohibit"],
  [9, "throw"],
]);

/** The address of struct rtvia, which names its family. */
function via(attributes: Attributes): Address | undefined {
  const data = attributes.get(RTA_VIA);
  if (!data || data.length < 2) return undefined;
  const version = versionOf(viewOf(data).getUint16(0, true));
  if (!version || data.length !== 2 + addressBits(version) / 8) return undefined;
  return { version, bytes: data.slice(2) };
}

function nextHop(
  index: number,
  flags: number,
  attributes: Attributes,
  version: IpVersion,
): NextHop {
  const gateway = address(attributes, RTA_GATEWAY, version) ?? via(attributes);
  const onlink = (flags & RTNH_F_ONLINK) !== 0;
  return { index, ...(gateway ? { gateway } : {}), ...(onlink ? { onlink } : {}) };
}

/** Next hops of RTA_MULTIPATH: a run of struct rtnexthop, each with its own attributes. */
function decodeNextHops(bytes: Uint8Array, version: IpVersion): readonly NextHop[] {
  const view = viewOf(bytes);
  const hops: NextHop[] = [];
  for (let offset = 0; offset < bytes.length;) {
    if (bytes.length - offset < RTNEXTHOP_BYTES) throw new MalformedMessage("a cut next hop");
    const size = view.getUint16(offset, true);
    if (size < RTNEXTHOP_BYTES || size > bytes.length - offset) {
      throw new MalformedMessage(`next hop length ${size} of ${bytes.length - offset}`);
    }
    const attributes = decodeAttributes(bytes.subarray(offset + RTNEXTHOP_BYTES, offset + size));
    hops.push(nextHop(view.getInt32(offset + 4, true), bytes[offset + 2]!, attributes, version));
    offset += align(size);
  }
  return hops;
}

/** What RTM_NEWROUTE's payload says, before it is read as a table entry or as a path. */
function decodeRouteParts(payload: Uint8Array) {
  body(payload, RTMSG_BYTES, "a route");
  const version = versionOf(payload[0]!);
  if (!version) return undefined;
  const length_bits = payload[1]!;
  checkLength(length_bits, version);
  return {
    version,
    length_bits,
    kind: ROUTE_KINDS.get(payload[7]!) ?? "other",
    attributes: decodeAttributes(payload.subarray(RTMSG_BYTES)),
  };
}

/**
 * The payload of RTM_NEWROUTE as an entry of `table`, once for each next hop;
 * empty for other tables and for what is no IP route.
 */
export function decodeRoute(payload: Uint8Array, table: number): readonly RouteInfo[] {
  const route = decodeRouteParts(payload);
  if (!route) return [];
  const { version, length_bits, kind, attributes } = route;
  // A table above 255 is in the attribute alone.
  if ((u32(attributes, RTA_TABLE) ?? payload[4]!) !== table) return [];
  const bytes = address(attributes, RTA_DST, version)?.bytes ??
    new Uint8Array(addressBits(version) / 8);
  const prefix: Prefix = { version, bytes: maskBytes(bytes, length_bits), length_bits };
  const metric = u32(attributes, RTA_PRIORITY) ?? 0;
  const several = attributes.get(RTA_MULTIPATH);
  const flags = viewOf(payload).getUint32(8, true);
  const hops = several
    ? decodeNextHops(several, version)
    : [nextHop(u32(attributes, RTA_OIF) ?? 0, flags, attributes, version)];
  const metrics = attributes.get(RTA_METRICS);
  const mtu_bytes = metrics && u32(decodeAttributes(metrics), RTAX_MTU);
  const source = address(attributes, RTA_PREFSRC, version);
  const protocol = payload[5]!;
  const rest = { prefix, metric, kind, source, protocol, ...(mtu_bytes ? { mtu_bytes } : {}) };
  return hops.map((hop) => ({ ...rest, ...hop }));
}

const REFUSING: readonly RouteKind[] = ["blackhole", "unreachable", "prohibit", "throw"];

/**
 * The payload of RTM_NEWROUTE as the entry that a lookup has found: the devices
 * of all its next hops; lo for an address of this host, whatever device has it.
 */
export function decodeInterfaces(payload: Uint8Array): readonly number[] {
  const route = decodeRouteParts(payload);
  if (!route || REFUSING.includes(route.kind)) return [];
  if (payload[7] === RTN_LOCAL) return [LOOPBACK_IFINDEX];
  const hops = route.attributes.get(RTA_MULTIPATH);
  const index = u32(route.attributes, RTA_OIF);
  if (hops) return decodeNextHops(hops, route.version).map((hop) => hop.index);
  return index ? [index] : [];
}

/** The payload of RTM_NEWROUTE as the answer to a lookup; undefined if it leads nowhere. */
export function decodePath(payload: Uint8Array): RoutePath | undefined {
  const route = decodeRouteParts(payload);
  if (!route) return undefined;
  const index = u32(route.attributes, RTA_OIF);
  if (!index || REFUSING.includes(route.kind)) return undefined;
  const metrics = route.attributes.get(RTA_METRICS);
  const cache = route.attributes.get(RTA_CACHEINFO);
  const expires = cache && cache.length >= RTA_EXPIRES + 4
    ? new DataView(cache.buffer, cache.byteOffset).getInt32(RTA_EXPIRES, true)
    : 0;
  return {
    index,
    source: address(route.attributes, RTA_PREFSRC, route.version),
    mtu_bytes: metrics && u32(decodeAttributes(metrics), RTAX_MTU) || undefined,
    ...(expires !== 0 ? { learnt: true } : {}),
  };
}
