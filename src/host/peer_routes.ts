/**
 * Keeps the way to other nodes outside the device: where what the device takes covers a node's own
 * address, a host route leads there as the routes beside the device's have it.
 */

import { ERRNO } from "../../ffi/errno.ts";
import { SyscallError } from "../../ffi/libc.ts";
import { RTPROT_TUNNET } from "../../ffi/netlink.ts";
import type { RunError } from "../base/errors.ts";
import {
  type Address,
  addressBits,
  formatAddress,
  formatPrefix,
  type Prefix,
  prefixContains,
  sameBytes,
} from "../net/prefix.ts";
import { explain } from "./netlink/explain.ts";
import type { NextHop, RouteInfo, RouteSpec, Rtnetlink } from "./netlink/rtnetlink.ts";

/** Of rtnetlink's RTPROT numbers, what the host routes bear. */
export const HOST_ROUTE_PROTOCOL: number = RTPROT_TUNNET;

/** What the host routes follow from. */
export interface PeerRoutesPlan {
  /** The device's index; 0 before there is one. */
  readonly index: number;
  /** What is routed to the device. */
  readonly taken: readonly Prefix[];
  /** Where the other nodes are reached. */
  readonly addresses: readonly Address[];
}

/** What has become of the host routes, in words. */
export interface PeerRoutesChange {
  /** New ways, such as `10.0.2.5 by 10.0.1.1 on eth0`. */
  readonly ways: readonly string[];
  /** Addresses that only the device would lead to. */
  readonly none: readonly string[];
}

/** Whether a route was made here, in this process or in one that was killed. */
function isOurs({ protocol, prefix: { version, length_bits } }: RouteInfo): boolean {
  return protocol === RTPROT_TUNNET && length_bits === addressBits(version);
}

/**
 * The host routes that a table calls for. An address to which only the device would lead gets one
 * of kind `unreachable`: a tunnel that is carried by itself would never end.
 */
export function peerRoutes(
  table: readonly RouteInfo[],
  { index, taken, addresses }: PeerRoutesPlan,
): readonly RouteSpec[] {
  const others = table.filter((route) => route.index !== index && !isOurs(route));
  // Several nodes may share an address.
  const each = new Map(addresses.map((address) => [formatAddress(address.bytes), address]));
  return [...each.values()].flatMap((address): RouteSpec[] => {
    const covering = taken.filter((prefix) => prefixContains(prefix, address));
    if (covering.length === 0) return [];
    const length_bits = Math.max(...covering.map((prefix) => prefix.length_bits));
    const leading = others.filter(({ prefix }) => prefixContains(prefix, address));
    const best = leading.reduce<RouteInfo | undefined>(
      (one, other) => one && !isBetter(other, one) ? one : other,
      undefined,
    );
    if (best && best.prefix.length_bits > length_bits) return [];
    const prefix = { ...address, length_bits: addressBits(address.version) };
    const rest = { prefix, protocol: RTPROT_TUNNET };
    if (best?.kind !== "unicast") return [{ ...rest, index: 0, kind: "unreachable" }];
    const { gateway, onlink, source, mtu_bytes } = best;
    // The other next hops of the same route: what comes from there by one of them counts.
    const more = leading.filter((one) => one !== best && isEqual(one, best)).map(hopOf);
    return [{ ...rest, index: best.index, gateway, onlink, source, mtu_bytes, others: more }];
  });
}

function isBetter(one: RouteInfo, other: RouteInfo): boolean {
  const longer = one.prefix.length_bits - other.prefix.length_bits;
  return longer > 0 || longer === 0 && one.metric < other.metric;
}

const isEqual = (one: RouteInfo, other: RouteInfo): boolean =>
  one.kind === other.kind && !isBetter(one, other) && !isBetter(other, one);

const hopOf = ({ index, gateway, onlink }: NextHop): NextHop => ({ index, gateway, onlink });

const hopText = ({ index, gateway, onlink }: NextHop): string =>
  `${index} ${gateway ? formatAddress(gateway.bytes) : ""} ${onlink ?? false}`;

const hopsText = (hops: readonly NextHop[]): string => hops.map(hopText).toSorted().join();

const sameAddress = (one: Address | undefined, other: Address | undefined): boolean =>
  one === other || one !== undefined && other !== undefined && sameBytes(one.bytes, other.bytes);

/** Whether a route, which is listed once for each next hop, is as it is wanted. */
function isAsWanted(listed: readonly RouteInfo[], wanted: RouteSpec): boolean {
  const [found] = listed;
  if (wanted.kind === "unreachable") return found!.kind === "unreachable";
  return found!.kind === "unicast" &&
    hopsText(listed) === hopsText([wanted, ...wanted.others ?? []]) &&
    sameAddress(found!.source, wanted.source) && found!.mtu_bytes === wanted.mtu_bytes;
}

/** The host routes of one node. */
export class PeerRoutes {
  /** What was made and is to go at the end, by its prefix. */
  readonly #own = new Map<string, RouteSpec>();

  constructor(readonly rt: Rtnetlink) {}

  /**
   * Makes what a plan calls for, and says what is new of it. Nothing is asked of the kernel where
   * no address is covered. Throws a RunError.
   */
  keep(plan: PeerRoutesPlan): PeerRoutesChange {
    const covered = plan.addresses.filter((address) =>
      plan.taken.some((prefix) => prefixContains(prefix, address))
    );
    if (covered.length === 0 && this.#own.size === 0) return { ways: [], none: [] };
    const table = this.rt.routes();
    const wanted = peerRoutes(table, { ...plan, addresses: covered });
    const present = Map.groupBy(table.filter(isOurs), ({ prefix }) => formatPrefix(prefix));
    const made = wanted.filter((route) => {
      const key = formatPrefix(route.prefix);
      const found = present.get(key);
      // One that a killed process has left behind is this one's now.
      const known = this.#own.has(key);
      this.#own.set(key, route);
      if (found && isAsWanted(found, route)) return !known;
      if (found) this.#remove({ ...found[0]!, others: found.slice(1) });
      this.#add(route);
      return true;
    });
    const keys = new Set(wanted.map(({ prefix }) => formatPrefix(prefix)));
    for (const [key, route] of this.#own) {
      if (keys.has(key)) continue;
      if (present.has(key)) this.#remove(route);
      this.#own.delete(key);
    }
    const leadOn = (route: RouteSpec) => route.kind !== "unreachable";
    return {
      ways: made.filter(leadOn).map((route) => this.#textOf(route)),
      none: made.filter((route) => !leadOn(route)).map(({ prefix }) => formatAddress(prefix.bytes)),
    };
  }

  /** Takes away what processes that were killed have left and nobody keeps: there are no other nodes. */
  clearLeft(): void {
    const left = Map.groupBy(this.rt.routesBy(RTPROT_TUNNET), ({ prefix }) => formatPrefix(prefix));
    for (const [key, [first, ...others]] of left) {
      if (!this.#own.has(key) && isOurs(first!)) this.#remove({ ...first!, others });
    }
  }

  /** Takes all of them away. */
  undo(): void {
    const routes = [...this.#own.values()];
    this.#own.clear();
    for (const route of routes) this.#remove(route);
  }

  #add(route: RouteSpec): void {
    try {
      this.rt.addRoute(route);
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      throw this.#explain("route", route, error);
    }
  }

  #remove(route: RouteSpec): void {
    try {
      this.rt.removeRoute(route);
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      // It went with its device.
      if (error.errno === ERRNO.ESRCH || error.errno === ERRNO.ENODEV) return;
      throw this.#explain("remove the route", route, error);
    }
  }

  #explain(doing: string, { prefix, index }: RouteSpec, error: SyscallError): RunError {
    const link = this.rt.getLink(index === 0 ? "lo" : index);
    return explain(`cannot ${doing} ${formatPrefix(prefix)}`, error, link, prefix.version);
  }

  #textOf({ prefix, others = [], ...first }: RouteSpec): string {
    const hops = [first, ...others].map(({ index, gateway }) => {
      const by = gateway ? ` by ${formatAddress(gateway.bytes)}` : "";
      return `${by} on ${this.rt.getLink(index)?.name ?? "a device that is gone"}`;
    });
    return formatAddress(prefix.bytes) + hops.join(" and");
  }
}
