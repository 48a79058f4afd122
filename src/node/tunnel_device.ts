/** The node's device: opened, configured, looked after, and taken back. */

import type { Feature } from "../io/features.ts";
import type { Config, NodeConfig } from "../config/types.ts";
import { RunError } from "../base/errors.ts";
import { MTU_IPV6_MIN_BYTES, MTU_MAX_BYTES, OVERHEAD_ETHERNET_BYTES } from "../base/limits.ts";
import { type BridgePort, joinBridge } from "../host/bridge_port.ts";
import { configureDevice, type DeviceConfig, type DevicePlan } from "../host/device_config.ts";
import type { Rtnetlink } from "../host/netlink/rtnetlink.ts";
import type { Address } from "../net/prefix.ts";
import type { Log } from "../base/log.ts";
import { CAPABILITY } from "../wire/hello.ts";
import type { OpenTun } from "../io/device.ts";
import { closeTun, openTun } from "../io/tun_linux.ts";
import type { Paths } from "../peers/paths.ts";
import { deviceAddresses, kernelRoutes } from "../peers/plan.ts";
import type { Registry } from "../peers/registry.ts";

/** Addresses and routes that the device is to have. */
function planOf(config: Config, self: NodeConfig): Pick<DevicePlan, "addresses" | "routes"> {
  // In mode tap the device is a port of a switch: addresses are the stations' affair.
  if (config.mode === "tap") return { addresses: [], routes: [] };
  return {
    addresses: deviceAddresses(self),
    routes: kernelRoutes(config, self).map((prefix) => ({ prefix })),
  };
}

/** Whether there are IPv6 pods anywhere. */
function hasIpv6({ nodes }: Config): boolean {
  return nodes.some((node) => node.subnets.some(({ version }) => version === 6));
}

/**
 * `mtu: auto` where `inner_bytes` fit. IPv6 pods have a device of 1,280 bytes at
 * least: what the path does not carry whole is fragmented (dataplane/transmit.ts).
 */
function autoMtu(config: Config, inner_bytes: number): number {
  const ethernet_bytes = config.mode === "tap" ? OVERHEAD_ETHERNET_BYTES : 0;
  const least_bytes = hasIpv6(config) ? MTU_IPV6_MIN_BYTES : 0;
  return Math.min(MTU_MAX_BYTES, Math.max(inner_bytes - ethernet_bytes, least_bytes));
}

/** The device between `open` and `close`; may be opened again. */
export class TunnelDevice {
  #mtu_bytes = 0;
  #tun: OpenTun | undefined;
  #config: DeviceConfig | undefined;
  #port: BridgePort | undefined;
  #index = 0;
  #kernelPath = false;
  /** What the last check complained of. */
  #trouble = "";

  constructor(
    readonly rt: Rtnetlink,
    readonly paths: Paths,
    readonly registry: Registry,
    /** What to use where the kernel has it: features, and that many queues. */
    readonly wanted: { readonly features: ReadonlySet<Feature>; readonly queues: number },
    readonly log: Log,
  ) {}

  /** The device's MTU. */
  get mtu_bytes(): number {
    return this.#mtu_bytes;
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
    const existed = rt.getLink(config.device) !== undefined;
    const tun = openTun(config.device, config.mode, wanted.features, wanted.queues);
    this.#tun = tun;
    try {
      const link = rt.getLink(config.device);
      if (!link) throw new RunError({ what: `the device ${config.device} vanished` });
      this.#index = link.index;
      this.#config = configureDevice(rt, {
        index: link.index,
        mtu_bytes: this.#mtu_bytes,
        ...planOf(config, self),
      });
      if (config.bridge !== undefined) {
        this.#port = joinBridge(rt, link, config.bridge);
      }
      log.debug("device", `${existed ? "took over" : "created"} ${config.device}`, {
        index: link.index,
      });
      this.describe();
      return tun;
    } catch (error) {
      this.close();
      throw error;
    }
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
    const prune = this.#config?.change({ mtu_bytes, ...planOf(config, self) });
    this.#mtu_bytes = mtu_bytes;
    return prune ?? (() => {});
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
      this.#config?.change({ mtu_bytes: now, ...planOf(config, self) })();
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
    try {
      this.#port?.leave();
      this.#config?.undo();
    } finally {
      this.#port = undefined;
      this.#config = undefined;
      if (this.#tun) closeTun(this.#tun);
      this.#tun = undefined;
    }
  }

  /** Puts back addresses, routes and the place in the bridge that have been lost. */
  check(): void {
    const { rt, log, registry: { config } } = this;
    try {
      const link = rt.getLink(config.device);
      if (!link?.up || !this.#config) return;
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

  #chooseMtu(config: Config, addresses: readonly (Address | undefined)[]): number {
    const { mtu_bytes } = config;
    if (mtu_bytes === "auto") {
      const some = addresses.length > 0 ? addresses : [undefined];
      const inner = some.map((address) => this.paths.localMtu_bytes(address));
      return autoMtu(config, Math.min(...inner));
    }
    if (hasIpv6(config) && mtu_bytes < MTU_IPV6_MIN_BYTES) {
      this.log.warn("mtu", `MTU ${mtu_bytes} is below IPv6's minimum of ${MTU_IPV6_MIN_BYTES}`);
    }
    return mtu_bytes;
  }
}
