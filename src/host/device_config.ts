/** Gives a device its MTU, addresses and routes, and takes back exactly what it gave. */

import { ERRNO } from "../../ffi/errno.ts";
import { SyscallError } from "../../ffi/libc.ts";
import { RTPROT_KERNEL, RTPROT_TUNNET_DEVICE } from "../../ffi/netlink.ts";
import { RunError } from "../base/errors.ts";
import { MTU_IPV6_MIN_BYTES } from "../base/limits.ts";
import {
  type Address,
  formatAddress,
  formatPrefix,
  type IpVersion,
  type Prefix,
  prefixContains,
} from "../net/prefix.ts";
import { explain } from "./netlink/explain.ts";
import {
  type LinkAddress,
  type LinkInfo,
  type RouteInfo,
  routeMetric,
  type RouteSpec,
  type Rtnetlink,
} from "./netlink/rtnetlink.ts";

/** What a device is to have. */
export interface DevicePlan {
  readonly index: number;
  readonly mtu_bytes: number;
  /** Each is added unless the device has another address of its IP version. */
  readonly addresses: readonly { readonly address: Address; readonly length_bits: number }[];
  readonly routes: readonly { readonly prefix: Prefix; readonly source?: Address | undefined }[];
  /**
   * Where the device has no address of an IP version, one of another device in these is the
   * source of this host's own packets.
   */
  readonly sources?: readonly Prefix[] | undefined;
}

/** A configured device. */
export interface DeviceConfig {
  /**
   * Goes over to another plan in two steps: gives the device now what it lacks,
   * and returns what takes away the rest. Between the two, old and new exist
   * side by side. What cannot be added throws a RunError, and nothing has
   * changed then. While the device is down or gone it only takes note.
   */
  change(plan: Omit<DevicePlan, "index">): () => void;
  /**
   * Puts back what is missing while the device is up: the kernel flushes routes
   * and IPv6 addresses when a link goes down. Returns what it put back, such as
   * `route 172.0.0.0/8`. Throws a RunError as configureDevice does.
   */
  reapply(): readonly string[];
  /**
   * Removes the routes and addresses that were added, and restores MTU, state
   * and addresses as they were before. Without effect when called again or when
   * the device is gone. Does all it can before it throws a RunError.
   */
  undo(): void;
}

const textOf = ({ address, length_bits }: Omit<LinkAddress, "index">): string =>
  `${formatAddress(address.bytes)}/${length_bits}`;

const routeKey = (route: Pick<RouteSpec, "prefix" | "metric">): string =>
  `${formatPrefix(route.prefix)} ${routeMetric(route)}`;

/** fe80::/10 (RFC 4291) and 169.254.0.0/16 (RFC 3927): a device gets these by itself. */
function isLinkLocal({ version, bytes }: Address): boolean {
  return version === 6
    ? bytes[0] === 0xfe && (bytes[1]! & 0xc0) === 0x80
    : bytes[0] === 169 && bytes[1] === 254;
}

class ConfiguredDevice implements DeviceConfig {
  #plan: DevicePlan;
  #routes: readonly RouteSpec[] = [];
  #addressTexts: ReadonlySet<string> = new Set();
  readonly #ownAddresses = new Map<string, LinkAddress>();
  readonly #ownRoutes = new Map<string, RouteSpec>();
  #undone = false;

  constructor(
    readonly rt: Rtnetlink,
    plan: DevicePlan,
    readonly before: LinkInfo,
    readonly addressesBefore: readonly LinkAddress[],
  ) {
    this.#plan = plan;
    this.#adopt(plan);
  }

  apply(): void {
    const { index, mtu_bytes } = this.#plan;
    const { name } = this.before;
    if (this.before.mtu_bytes !== mtu_bytes) {
      this.#change(
        `cannot set the MTU of ${name} to ${mtu_bytes}`,
        () => this.rt.setLink(index, { mtu_bytes }),
      );
    }
    this.#addAddresses([]);
    if (!this.before.up) {
      this.#change(`cannot switch ${name} on`, () => this.rt.setLink(index, { up: true }));
    }
    this.#addRoutes([]);
  }

  change(change: Omit<DevicePlan, "index">): () => void {
    const { rt } = this;
    const old = this.#plan;
    const { index } = old;
    const next = { ...change, index };
    const link = this.#undone ? undefined : rt.getLink(index);
    this.#adopt(next);
    if (!link?.up) return () => this.#prune();
    const setMtu = (mtu_bytes: number) => {
      if (next.mtu_bytes !== old.mtu_bytes) rt.setLink(index, { mtu_bytes });
    };
    try {
      this.#change(
        `cannot set the MTU of ${link.name} to ${next.mtu_bytes}`,
        () => setMtu(next.mtu_bytes),
      );
      this.#addAddresses([]);
      this.#addRoutes([]);
    } catch (error) {
      this.#adopt(old);
      try {
        setMtu(old.mtu_bytes);
        this.#prune();
      } catch {
        // What went wrong first is what the user has to know.
      }
      throw error;
    }
    return () => this.#prune();
  }

  reapply(): readonly string[] {
    const mended: string[] = [];
    const ready = () => !this.#undone && this.rt.getLink(this.#plan.index)?.up;
    if (!ready()) return mended;
    try {
      this.#addAddresses(mended);
      this.#addRoutes(mended);
    } catch (error) {
      // Gone or down since: there is nothing to mend until it is back.
      if (ready()) throw error;
    }
    return mended;
  }

  undo(): void {
    if (this.#undone) return;
    this.#undone = true;
    const { rt } = this;
    const { index } = this.#plan;
    if (!rt.getLink(index)) return;
    let failure: RunError | undefined;
    const attempt = (what: string, gone: readonly number[], make: () => void) => {
      try {
        make();
      } catch (error) {
        if (!(error instanceof SyscallError)) throw error;
        if (error.errno === ERRNO.ENODEV || gone.includes(error.errno)) return;
        failure ??= explain(what, error, this.before);
      }
    };
    attempt("cannot list the routes", [], () => {
      // A route that somebody has removed must not take its double with another metric along.
      const present = new Set(rt.routes(index).map(routeKey));
      for (const [key, route] of this.#ownRoutes) {
        if (!present.has(key)) continue;
        const what = `cannot remove the route ${formatPrefix(route.prefix)}`;
        attempt(what, [ERRNO.ESRCH], () => rt.removeRoute(route));
      }
    });
    const restore = `cannot restore ${this.before.name}`;
    attempt(restore, [], () => {
      const foreign = rt.routes(index).filter(({ kind }) => kind === "unicast");
      for (const [text, { address, length_bits }] of this.#ownAddresses) {
        attempt(
          `cannot remove the address ${text}`,
          [ERRNO.EADDRNOTAVAIL],
          () => rt.removeAddress(index, address, length_bits),
        );
      }
      // With a device's last IPv4 address the kernel drops its routes, those of others too.
      if (this.before.up) this.#restoreRoutes(foreign);
    });
    attempt(restore, [], () => this.#restoreLink());
    if (failure) throw failure;
  }

  #adopt(plan: DevicePlan): void {
    const { index } = plan;
    this.#plan = plan;
    this.#routes = plan.routes.map(({ prefix, source }) => ({
      ...{ prefix, index, source },
      protocol: RTPROT_TUNNET_DEVICE,
    }));
    this.#addressTexts = new Set(plan.addresses.map(textOf));
  }

  /** Removes what was added for an earlier plan and is not part of this one. */
  #prune(): void {
    const { rt } = this;
    const { index } = this.#plan;
    if (this.#undone || !rt.getLink(index)) return;
    const wanted = new Set(this.#routes.map(routeKey));
    const present = new Set(rt.routes(index).map(routeKey));
    for (const [key, route] of this.#ownRoutes) {
      if (wanted.has(key)) continue;
      const what = `cannot remove the route ${formatPrefix(route.prefix)}`;
      if (present.has(key)) this.#change(what, () => rt.removeRoute(route));
      this.#ownRoutes.delete(key);
    }
    const kept = rt.routes(index).filter(({ kind }) => kind === "unicast");
    for (const [text, { address, length_bits }] of this.#ownAddresses) {
      if (this.#addressTexts.has(text)) continue;
      this.#change(
        `cannot remove the address ${text}`,
        () => rt.removeAddress(index, address, length_bits),
      );
      this.#ownAddresses.delete(text);
    }
    // With a device's last IPv4 address the kernel drops its routes.
    if (rt.getLink(index)?.up) this.#restoreRoutes(kept);
  }

  #restoreRoutes(routes: readonly RouteInfo[]): void {
    const present = new Set(this.rt.routes(this.#plan.index).map(routeKey));
    for (const route of routes) {
      // Routes that the kernel made itself (RTPROT_KERNEL) went with the address they belong to.
      if (route.prefix.version !== 4 || route.protocol === RTPROT_KERNEL) continue;
      if (!present.has(routeKey(route))) this.rt.addRoute(route);
    }
  }

  #restoreLink(): void {
    const { rt, before } = this;
    const plan = this.#plan;
    const now = rt.getLink(plan.index);
    if (!now) return;
    // Switching off flushes IPv6 addresses, and so did an MTU below IPv6's least.
    const flushed = plan.mtu_bytes < MTU_IPV6_MIN_BYTES ? this.addressesBefore : [];
    const foreign = [...flushed, ...rt.addresses(plan.index)].filter(({ address }) =>
      address.version === 6 && !isLinkLocal(address)
    );
    // An MTU that somebody else has set meanwhile is theirs.
    const mtu_bytes = now.mtu_bytes === plan.mtu_bytes && now.mtu_bytes !== before.mtu_bytes
      ? before.mtu_bytes
      : undefined;
    rt.setLink(plan.index, { mtu_bytes, up: now.up && !before.up ? false : undefined });
    if (foreign.length === 0 || (mtu_bytes ?? now.mtu_bytes) < MTU_IPV6_MIN_BYTES) return;
    const present = new Set(rt.addresses(plan.index).map(textOf));
    for (const found of foreign) {
      const text = textOf(found);
      if (present.has(text)) continue;
      rt.addAddress(plan.index, found.address, found.length_bits);
      present.add(text);
    }
  }

  #addAddresses(added: string[]): void {
    const { rt } = this;
    const { index, addresses } = this.#plan;
    const present = rt.addresses(index);
    const texts = new Set(present.map(textOf));
    const taken = new Set(
      present
        .filter((found) => !isLinkLocal(found.address) && !this.#isOurs(textOf(found)))
        .map(({ address }) => address.version),
    );
    for (const { address, length_bits } of addresses) {
      const text = textOf({ address, length_bits });
      if (texts.has(text) || taken.has(address.version)) continue;
      this.#change(
        `cannot give ${this.before.name} the address ${text}`,
        () => rt.addAddress(index, address, length_bits),
        address.version,
      );
      this.#ownAddresses.set(text, { index, address, length_bits });
      added.push(`address ${text}`);
    }
  }

  #isOurs(address: string): boolean {
    return this.#addressTexts.has(address) || this.#ownAddresses.has(address);
  }

  #addRoutes(added: string[]): void {
    const { rt } = this;
    const { index } = this.#plan;
    const present = new Set(
      rt.routes(index).filter(({ kind }) => kind === "unicast").map(routeKey),
    );
    const missing = this.#routes.filter((route) => !present.has(routeKey(route)));
    if (missing.length === 0) return;
    this.#checkHidden(missing);
    for (const route of missing) {
      const text = formatPrefix(route.prefix);
      this.#change(
        `cannot route ${text} to ${this.before.name}`,
        () => this.#addRoute(route),
        route.prefix.version,
      );
      this.#ownRoutes.set(routeKey(route), route);
      added.push(`route ${text}`);
    }
  }

  #addRoute(route: RouteSpec): void {
    try {
      // Chosen anew each time: with an IPv4 address the kernel removes the routes that name it.
      this.rt.addRoute({ ...route, source: route.source ?? this.#foreignSource(route.prefix) });
    } catch (error) {
      if (!(error instanceof SyscallError) || error.errno !== ERRNO.EEXIST) throw error;
      const metric = routeMetric(route);
      throw this.#conflict(
        route,
        this.rt.routesTo(route.prefix).find((found) => found.metric === metric),
      );
    }
  }

  #foreignSource({ version }: Prefix): Address | undefined {
    const { sources = [], index } = this.#plan;
    if (!sources.some((one) => one.version === version)) return undefined;
    const found = this.rt.addresses().filter(({ address }) =>
      address.version === version && !isLinkLocal(address)
    );
    if (found.some((one) => one.index === index)) return undefined;
    return found.find(({ address }) => sources.some((one) => prefixContains(one, address)))
      ?.address;
  }

  /**
   * IPv6 has metrics below its default (256 for a device's own network), so a
   * route through another device may exist beside ours and take all packets.
   */
  #checkHidden(missing: readonly RouteSpec[]): void {
    const { index } = this.#plan;
    const ipv6 = new Map(
      missing.filter(({ prefix }) => prefix.version === 6)
        .map((route) => [formatPrefix(route.prefix), route]),
    );
    if (ipv6.size === 0) return;
    for (const found of this.rt.routes()) {
      if (found.prefix.version !== 6 || found.index === index) continue;
      const route = ipv6.get(formatPrefix(found.prefix));
      if (route && found.metric < routeMetric(route)) throw this.#conflict(route, found);
    }
  }

  #conflict({ prefix }: RouteSpec, found: RouteInfo | undefined): RunError {
    const text = formatPrefix(prefix);
    const through = found && this.rt.getLink(found.index)?.name;
    if (found && found.kind !== "unicast") {
      return new RunError({
        what: `route ${text} exists already`,
        why: `of type ${found.kind}`,
        how: `ip route del ${found.kind} ${text}, or another network`,
      });
    }
    return new RunError({
      what: `route ${text} exists already`,
      ...(through ? { why: `through ${through}` } : {}),
      how: `ip route del ${text}${through ? ` dev ${through}` : ""}, or another network`,
    });
  }

  /** Runs a change, and turns what the kernel says into words. */
  #change(what: string, make: () => void, version?: IpVersion): void {
    try {
      make();
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      throw explain(what, error, this.rt.getLink(this.#plan.index), version);
    }
  }
}

/**
 * Gives a device MTU, addresses, state (up) and routes, in this order. A route
 * that exists already on this device is kept and stays at undo. When anything
 * fails, what was done is undone, and a RunError says what the obstacle was.
 */
export function configureDevice(rt: Rtnetlink, plan: DevicePlan): DeviceConfig {
  const before = rt.getLink(plan.index);
  if (!before) throw new RunError({ what: `the device with index ${plan.index} is gone` });
  const device = new ConfiguredDevice(rt, plan, before, rt.addresses(plan.index));
  try {
    device.apply();
    return device;
  } catch (error) {
    try {
      device.undo();
    } catch {
      // What went wrong first is what the user has to know.
    }
    throw error;
  }
}
