/** The node's device: opened, configured, looked after, and taken back. */

import type { Feature } from "../base/features.ts";
import { DATA_MESSAGE_MIN_BYTES } from "../wire/data_message.ts";
import type { Config, NodeConfig } from "../config/types.ts";
import { RunError } from "../base/errors.ts";
import {
  MTU_ETHERNET_BYTES,
  MTU_IPV6_MIN_BYTES,
  MTU_MAX_BYTES,
  OVERHEAD_ETHERNET_BYTES,
} from "../base/limits.ts";
import { type BridgePort, joinBridge } from "../host/bridge_port.ts";
import { configureDevice, type DeviceConfig, type DevicePlan } from "../host/device_config.ts";
import { areOthers } from "../host/device_lock.ts";
import { DeviceNote, putBack } from "../host/device_note.ts";
import { LocalSources } from "../host/local_sources.ts";
import { PeerRoutes } from "../host/peer_routes.ts";
import { whyNoIpv6 } from "../host/netlink/explain.ts";
import { deviceSysctl, ignoreRouters, routerSettings } from "../host/router_discovery.ts";
import type { Rtnetlink } from "../host/netlink/rtnetlink.ts";
import {
  type Address,
  formatPrefix,
  parseAddress,
  type Prefix,
  prefixContains,
  prefixCovers,
} from "../net/prefix.ts";
import type { Log } from "../base/log.ts";
import { CAPABILITY } from "../wire/hello.ts";
import type { OpenTun } from "../io/device.ts";
import { closeQueues, closeTun, openTun } from "../io/tun_linux.ts";
import type { Paths } from "../peers/paths.ts";
import { deviceAddresses, kernelRoutes } from "../peers/plan.ts";
import type { Registry } from "../peers/registry.ts";
import type { MembersDiff } from "../peers/source/source.ts";

/** So many of a list are written out. */
const LISTED_MAX = 4;

/**
 * Addresses and routes that the device is to have. A node with IPv4 pods only does without the
 * other nodes' IPv6 pods where this host has no IPv6.
 */
function planOf(
  config: Config,
  self: NodeConfig,
  withoutIpv6: boolean,
): Pick<DevicePlan, "addresses" | "routes" | "sources"> {
  // In mode tap the device is a port of a switch: addresses are the stations' affair.
  if (config.mode === "tap") return { addresses: [], routes: [] };
  const addresses = deviceAddresses(self);
  const routes = kernelRoutes(config, self)
    .filter(({ version }) => version === 4 || !withoutIpv6 || hasIpv6([self]))
    .map((prefix) => ({ prefix }));
  return { addresses, routes, sources: withoutAddress(self) };
}

/** The own subnets of IP versions that the device gets no address of. */
function withoutAddress(self: NodeConfig): readonly Prefix[] {
  const given = deviceAddresses(self).map(({ address }) => address.version);
  return self.subnets.filter(({ version }) => !given.includes(version));
}

/**
 * Whether the kernel may take packets from this host's own addresses from the device. A default
 * node sends on what comes from anywhere: it could pose as this host.
 */
function mayAnswer({ defaultNode }: Config, { name }: NodeConfig): boolean {
  return defaultNode === undefined || defaultNode === name;
}

/** Whether some nodes have IPv6 pods. */
function hasIpv6(nodes: readonly NodeConfig[]): boolean {
  return nodes.some((node) => node.subnets.some(({ version }) => version === 6));
}

/**
 * `mtu: auto` where `inner_bytes` fit. IPv6 pods have a device of 1,280 bytes at
 * least: what the path does not carry whole is fragmented (dataplane/transmit.ts).
 * A bridge drops without a word what is too big for a port: in mode tap, the
 * device takes what any station sends, and the sender is told what fits.
 */
function autoMtu(config: Config, inner_bytes: number): number {
  if (config.mode === "tap") {
    const packet_bytes = inner_bytes - OVERHEAD_ETHERNET_BYTES;
    return Math.min(MTU_MAX_BYTES, Math.max(packet_bytes, MTU_ETHERNET_BYTES));
  }
  const least_bytes = hasIpv6(config.nodes) ? MTU_IPV6_MIN_BYTES : 0;
  return Math.min(MTU_MAX_BYTES, Math.max(inner_bytes, least_bytes));
}

/** The device between `open` and `close`; may be opened again. */
export class TunnelDevice {
  #mtu_bytes = 0;
  #tun: OpenTun | undefined;
  #config: DeviceConfig | undefined;
  #port: BridgePort | undefined;
  #hearRouters = () => {};
  /** What a device that was there before is put back to, should this process not do so. */
  #note: DeviceNote | undefined;
  #localSources: LocalSources | undefined;
  #index = 0;
  /** Whether the device was there before: it stays when it is closed. */
  #existed = false;
  /** Descriptors of lost devices. */
  readonly #spare: number[] = [];
  #kernelPath = false;
  readonly #peerRoutes: PeerRoutes;
  /** What the last check complained of. */
  #trouble = "";
  /** Whether the other nodes' IPv6 pods are left out, for want of IPv6 on this host. */
  #withoutIpv6 = false;
  /** The subnets that were told of, as too small for an address. */
  #withoutAddress = "";

  constructor(
    readonly rt: Rtnetlink,
    readonly paths: Paths,
    readonly registry: Registry,
    /** What to use where the kernel has it: features, and that many queues. */
    readonly wanted: { readonly features: ReadonlySet<Feature>; readonly queues: number },
    readonly log: Log,
  ) {
    this.#peerRoutes = new PeerRoutes(rt);
  }

  /** The device's MTU. */
  get mtu_bytes(): number {
    return this.#mtu_bytes;
  }

  /** The addresses that errors may come from: the device's own, if the kernel takes these. */
  get answerAddresses(): readonly Address[] {
    const { config, self } = this.registry;
    if (config.mode === "tap") return [];
    return deviceAddresses(self).map(({ address }) => address)
      .filter(({ version }) => version === 6 || this.#localSources?.on === true);
  }

  /** Whether the device is there and switched on. */
  get state(): "up" | "down" | "gone" {
    const link = this.#config && this.rt.getLink(this.registry.config.device);
    return link === undefined ? "gone" : link.up ? "up" : "down";
  }

  /** The open device's index. */
  get index(): number {
    return this.#index;
  }

  /** The open device; undefined while there is none. */
  get tun(): OpenTun | undefined {
    return this.#tun;
  }

  /** Opens and configures the device, and describes what it can do. Throws a RunError. */
  open(): OpenTun {
    const { rt, log, wanted, registry: { config, self, peers } } = this;
    this.#mtu_bytes = this.#chooseMtu(config, peers.map(({ address }) => address));
    if (putBack(rt, config.device)) {
      log.info("device", `put ${config.device} back as it was before a node that was killed`);
    }
    const existed = rt.getLink(config.device) !== undefined;
    this.#existed = existed;
    this.#index = 0;
    try {
      const { features, queues } = wanted;
      const tun = openTun(config.device, config.mode, features, queues, this.#spare);
      this.#tun = tun;
      const link = rt.getLink(config.device);
      if (!link) throw new RunError({ what: `the device ${config.device} vanished` });
      this.#index = link.index;
      const why = this.#whyWithoutIpv6(config, self);
      const plan = planOf(config, self, why !== undefined);
      this.#noteIpv6(why);
      const isPort = config.mode === "tap" && config.bridge !== undefined;
      const localSources = config.mode === "tun" ? new LocalSources(rt, link) : undefined;
      if (existed) {
        this.#note = DeviceNote.write(rt, link, {
          addresses: plan.addresses,
          joins: config.bridge !== undefined && link.master === 0,
          settings: config.mode === "tun" || isPort ? routerSettings(config.device) : [],
          accepts: localSources?.isOn() === false || undefined,
        });
        if (!this.#note) log.debug("device", `no note on ${config.device} of what it was before`);
      }
      // Before the routes to the device, which would take the way to the peers away.
      this.#keepPeers(plan.routes, peers.map(({ address }) => address));
      if (!areOthers(config.device)) this.#peerRoutes.clearLeft();
      // Of a tap device, routers may be among the stations; but a port of a bridge is no station.
      if (config.mode === "tun" || isPort) {
        this.#hearRouters = ignoreRouters(config.device, deviceSysctl(rt, link));
      }
      localSources?.set(mayAnswer(config, self));
      this.#localSources = localSources;
      this.#config = configureDevice(rt, {
        index: link.index,
        mtu_bytes: this.#mtu_bytes,
        ...plan,
      });
      this.#tellOfAddresses(config, self);
      if (config.bridge !== undefined) {
        this.#port = joinBridge(rt, link, config.bridge);
      }
      log.debug("device", `${existed ? "took over" : "created"} ${config.device}`, {
        index: link.index,
      });
      this.describe();
      return tun;
    } catch (error) {
      this.release();
      throw error;
    }
  }

  /**
   * Lets go of a device that is lost, or came half of the way. Its descriptors are kept: a lost
   * device is made again by them, also where only root may open the driver.
   */
  release(): void {
    const { rt } = this;
    const exists = this.#index !== 0 && rt.getLink(this.#index) !== undefined;
    if (exists && this.#existed) return this.close();
    this.#takeBack(() => {
      if (exists) rt.removeLink(this.#index);
      this.#spare.push(...this.#tun?.queues ?? []);
    });
  }

  /**
   * Gives the device what a new config asks for; what is returned takes away
   * what it asks for no more. `addresses` are the peers' underlay addresses.
   * Throws a RunError, and nothing has changed then.
   */
  change(
    config: Config,
    self: NodeConfig,
    addresses: readonly (Address | undefined)[],
  ): () => void {
    const mtu_bytes = this.#chooseMtu(config, addresses);
    const why = this.#whyWithoutIpv6(config, self);
    const plan = planOf(config, self, why !== undefined);
    // Those of before as well, which are reached until the new ones are; `check` takes them away.
    const { registry } = this;
    const before = planOf(registry.config, registry.self, this.#withoutIpv6);
    this.#keepPeers(
      [...before.routes, ...plan.routes],
      [...registry.peers.map(({ address }) => address), ...addresses],
    );
    this.#note = this.#note?.add(plan.addresses);
    const prune = this.#config?.change({ mtu_bytes, ...plan });
    this.#localSources?.set(mayAnswer(config, self));
    this.#noteIpv6(why);
    this.#mtu_bytes = mtu_bytes;
    this.#tellOfAddresses(config, self);
    return prune ?? (() => {});
  }

  /**
   * Whether the device can stay as it is: nodes come and go, and what leads to their pods leads there
   * already. In doubt, it cannot.
   */
  suits({ config, self, added, changed, removed }: MembersDiff): boolean {
    const { registry } = this;
    const { config: before } = registry;
    if (
      self !== registry.self || config.mode === "tap" || config.networks !== before.networks ||
      config.mtu_bytes !== before.mtu_bytes || config.defaultNode !== before.defaultNode
    ) return false;
    const gone = new Set([...removed, ...changed.map(({ name }) => name)]);
    const old = registry.peers.filter(({ name }) => gone.has(name)).map(({ node }) => node);
    return [...old, ...added, ...changed].every(({ subnets }) =>
      subnets.every((subnet) => this.#leadsTo(config, subnet))
    ) && [...added, ...changed].every((node) => this.#isReached(config, node));
  }

  /** Whether the network's route, and nothing longer, leads to the pods of a subnet. */
  #leadsTo({ networks }: Config, subnet: Prefix): boolean {
    const { self } = this.registry;
    return subnet.version === 4 && networks.some((network) => prefixCovers(network, subnet)) &&
      !self.subnets.some((own) => prefixCovers(own, subnet));
  }

  /** Whether a node is outside the tunnel, and what the device sends fits into the way there. */
  #isReached({ networks, mtu_bytes, keys }: Config, { endpoint: { host } }: NodeConfig): boolean {
    const address = parseAddress(host);
    if (!address || networks.some((network) => prefixContains(network, address))) return false;
    if (mtu_bytes !== "auto") return true;
    const sealed_bytes = keys ? DATA_MESSAGE_MIN_BYTES : 0;
    return this.paths.localMtu_bytes(address) - sealed_bytes >= this.#mtu_bytes;
  }

  /**
   * Follows the underlay's MTU, where the config says `auto`: `inner_bytes` is
   * what fits now. Tells whether the device's MTU was changed.
   */
  followUnderlay(inner_bytes: number): boolean {
    const { log, registry: { config, self } } = this;
    const before = this.#mtu_bytes;
    const now = autoMtu(config, inner_bytes);
    if (config.mtu_bytes !== "auto" || now === before || this.state !== "up") return false;
    try {
      this.#config?.change({ mtu_bytes: now, ...planOf(config, self, this.#withoutIpv6) })();
    } catch (error) {
      // Told by the next health check, if it lasts.
      log.debug("mtu", error instanceof Error ? error.message : String(error));
      return false;
    }
    this.#mtu_bytes = now;
    this.describe();
    log.info("mtu", `the MTU of ${config.device} is ${now} now, not ${before}`, { mtu_bytes: now });
    return true;
  }

  /** Sets what this node says of itself in its hellos. */
  describe(): void {
    const { config: { mode }, self: { name } } = this.registry;
    const partial = this.#tun?.features.partial === true;
    const capabilities = (partial ? CAPABILITY.partialChecksum : 0) |
      (this.#kernelPath ? CAPABILITY.kernelPath : 0);
    this.registry.description = { name, mode, mtu_bytes: this.#mtu_bytes, capabilities };
  }

  /** Sets whether this node takes what a kernel path sends. */
  describeKernelPath(there: boolean): void {
    if (this.#kernelPath === there) return;
    this.#kernelPath = there;
    this.describe();
  }

  /** Takes back what the device was given, and lets go of it. */
  close(): void {
    this.#takeBack(() => {
      if (this.#tun) closeTun(this.#tun);
      closeQueues(this.#spare.splice(0));
    });
  }

  /** Takes back what the device was given, then does `end`. */
  #takeBack(end: () => void): void {
    try {
      this.#port?.leave();
      // Before it is switched off, which removes the link-local address that comes with this.
      this.#hearRouters();
      this.#localSources?.undo();
      this.#config?.undo();
      this.#note?.clear();
      this.#peerRoutes.undo();
    } finally {
      this.#hearRouters = () => {};
      this.#note = undefined;
      this.#localSources = undefined;
      this.#port = undefined;
      this.#config = undefined;
      end();
      this.#tun = undefined;
    }
  }

  /** Puts back addresses, routes and the place in the bridge that have been lost. */
  check(): void {
    const { rt, log, registry: { config } } = this;
    try {
      const link = rt.getLink(config.device);
      if (!link?.up || !this.#config) return;
      this.#followIpv6();
      const { self, peers } = this.registry;
      const { routes } = planOf(config, self, this.#withoutIpv6);
      this.#keepPeers(routes, peers.map(({ address }) => address));
      const fixed = [...this.#config.reapply(), ...(this.#port?.reapply() ?? [])];
      this.#trouble = "";
      if (fixed.length > 0) log.info("fixed", `put back: ${fixed.join(", ")}`);
    } catch (error) {
      const trouble = error instanceof Error ? error.message : String(error);
      // A lasting trouble is told once, not twice a second.
      if (trouble !== this.#trouble) log.warn("health", trouble);
      this.#trouble = trouble;
    }
  }

  /** Why the other nodes' IPv6 pods are left out, if they are. */
  #whyWithoutIpv6(config: Config, self: NodeConfig): string | undefined {
    const concerned = config.mode === "tun" && hasIpv6(config.nodes) && !hasIpv6([self]);
    return concerned ? whyNoIpv6(config.device) : undefined;
  }

  /** Tells when they are left out, and when they are not any more. */
  #noteIpv6(why: string | undefined): void {
    const without = why !== undefined;
    if (without === this.#withoutIpv6) return;
    this.#withoutIpv6 = without;
    if (without) this.log.warn("ipv6", `the other nodes' IPv6 pods are left out: ${why}`);
    else this.log.info("ipv6", "the other nodes' IPv6 pods are not left out any more");
  }

  /** Keeps the way to peers outside the device, where it would take that too. */
  #keepPeers(
    routes: DevicePlan["routes"],
    addresses: readonly (Address | undefined)[],
  ): void {
    const { ways, none } = this.#peerRoutes.keep({
      index: this.#index,
      taken: routes.map(({ prefix }) => prefix),
      addresses: addresses.filter((address) => address !== undefined),
    });
    const { device } = this.registry.config;
    const list = (texts: readonly string[]) =>
      texts.slice(0, LISTED_MAX).join(", ") +
      (texts.length > LISTED_MAX ? ` and ${texts.length - LISTED_MAX} more` : "");
    if (ways.length > 0) {
      this.log.info(
        "peer_routes",
        `what is routed to ${device} covers addresses of nodes: the way to these stays outside, ` +
          `by host routes: ${list(ways)}`,
      );
    }
    if (none.length > 0) {
      this.log.warn(
        "peer_routes",
        `no way but ${device} itself leads to ${list(none)}: nothing is sent there; give this ` +
          "host a route to it, or leave it out of network",
      );
    }
  }

  /** Goes over to a plan with IPv6 or without when somebody has switched it on or off. */
  #followIpv6(): void {
    const { config, self } = this.registry;
    const why = this.#whyWithoutIpv6(config, self);
    if ((why !== undefined) === this.#withoutIpv6) return;
    const plan = planOf(config, self, why !== undefined);
    this.#config?.change({ mtu_bytes: this.#mtu_bytes, ...plan })();
    this.#noteIpv6(why);
  }

  /** Tells of subnets too small for an address of this node's own. */
  #tellOfAddresses(config: Config, self: NodeConfig): void {
    if (config.mode === "tap") return;
    const subnets = withoutAddress(self);
    const text = subnets.map(formatPrefix).join(", ");
    if (text === this.#withoutAddress) return;
    this.#withoutAddress = text;
    if (text === "") return;
    this.log.info(
      "no_address",
      `${config.device} takes no address from ${text}: too small for more than a pod. Pods are ` +
        "not affected; where this node itself is to reach other nodes' pods, give a device " +
        `(lo, or a bridge) an address of these, or the node a larger subnet`,
    );
  }

  #chooseMtu(config: Config, addresses: readonly (Address | undefined)[]): number {
    const { mtu_bytes } = config;
    if (mtu_bytes === "auto") {
      const sealed_bytes = config.keys ? DATA_MESSAGE_MIN_BYTES : 0;
      const some = addresses.length > 0 ? addresses : [undefined];
      const inner = some.map((address) => this.paths.localMtu_bytes(address) - sealed_bytes);
      return autoMtu(config, Math.min(...inner));
    }
    if (hasIpv6(config.nodes) && mtu_bytes < MTU_IPV6_MIN_BYTES) {
      this.log.warn("mtu", `MTU ${mtu_bytes} is below IPv6's minimum of ${MTU_IPV6_MIN_BYTES}`);
    }
    return mtu_bytes;
  }
}
