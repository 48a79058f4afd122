/** One running node: brings it up, keeps it up, and leaves the host as it was. */

import { libc } from "../../ffi/libc.ts";
import type { LoadedConfig, NodeConfig } from "../config/types.ts";
import type { FibPeer } from "../engine/fib.ts";
import type { LaneEnd } from "../engine/lane.ts";
import { Supervisor } from "../engine/supervisor.ts";
import { openEvent, signalEvent } from "../engine/wait.ts";
import { RunError } from "../errors.ts";
import {
  HEALTH_INTERVAL_MS,
  HELLO_INTERVAL_MS,
  MTU_IPV6_MIN_BYTES,
  MTU_MAX_BYTES,
  OVERHEAD_IPV4_BYTES,
  OVERHEAD_IPV6_BYTES,
} from "../limits.ts";
import { configureDevice, type DeviceConfig } from "../link/device_config.ts";
import type { Rtnetlink } from "../link/link.ts";
import { openRtnetlink, pathMtu } from "../link/linux.ts";
import type { Log } from "../log.ts";
import { type Address, formatAddress, formatEndpoint } from "../net/prefix.ts";
import { CAPABILITY } from "../peers/hello.ts";
import { PeerBook } from "../peers/peers.ts";
import { pickVersion, resolveHost } from "../peers/resolve.ts";
import type { OpenTun } from "../tun/device.ts";
import { closeTun, openTun } from "../tun/linux.ts";
import { openUdp, sendDatagram, type UdpSide } from "../udp/datagram.ts";
import { enableForwarding } from "./forwarding.ts";
import { deviceAddresses, kernelRoutes, peersOf, tableRoutes } from "./plan.ts";

/** What a node runs with. */
export interface NodeOptions {
  readonly loaded: LoadedConfig;
  readonly self: NodeConfig;
  /** Where the UDP side listens. */
  readonly listen: { readonly host: string; readonly port: number };
  /** Whether ip_forward may be switched on. */
  readonly sysctl: boolean;
  readonly log: Log;
  readonly workerUrl: string;
  readonly version: string;
}

/** Underlay MTU that is assumed where no route to a peer exists yet: Ethernet's. */
const UNDERLAY_MTU_FALLBACK_BYTES = 1500;

/** Whether to use the device's segmentation and checksum offloads. */
const OFFLOAD = true;

/** How often a lost device is asked for again. */
const REOPEN_INTERVAL_MS = 250;

const after = (delay_ms: number) => new Promise<void>((resolve) => setTimeout(resolve, delay_ms));

/** A node between `up` and `down`. */
class Node {
  readonly #peers: readonly NodeConfig[];
  readonly #book: PeerBook;
  readonly #supervisor: Supervisor;
  readonly #overhead_bytes: number;
  readonly #ended = Promise.withResolvers<void>();
  #addresses: (Address | undefined)[] = [];
  /** What the last health check complained of. */
  #trouble = "";
  /** Whether the published table is behind. */
  #stale = false;
  #mtu_bytes = 0;
  #tun: OpenTun | undefined;
  #device: DeviceConfig | undefined;
  #timers: ReturnType<typeof setInterval>[] = [];
  #stopping = false;

  constructor(
    readonly options: NodeOptions,
    readonly rt: Rtnetlink,
    readonly udp: UdpSide,
  ) {
    const { loaded: { config }, self, workerUrl } = options;
    this.#peers = peersOf(config, self);
    this.#overhead_bytes = udp.ipVersion === 4 ? OVERHEAD_IPV4_BYTES : OVERHEAD_IPV6_BYTES;
    this.#book = new PeerBook(this.#peers.map(({ name }) => name), {
      name: self.name,
      mode: config.mode,
      mtu_bytes: 0,
      capabilities: 0,
    });
    // A lane may fail before anybody waits for the end.
    this.#ended.promise.catch(() => {});
    this.#supervisor = new Supervisor({
      workerUrl,
      socketFd: udp.fd,
      ipVersion: udp.ipVersion,
      waker: {
        open: openEvent,
        signal: signalEvent,
        close: (eventFd) => void libc().call.close(eventFd),
      },
      onControl: (peer, datagram) => this.#hear(peer, datagram),
      onEnd: (reason) => void this.#recover(reason),
    });
  }

  async up(): Promise<void> {
    const { log, self, loaded, version } = this.options;
    await this.#resolve();
    const tun = this.#openDevice();
    if (this.options.sysctl) enableForwarding(self, log);
    this.#publish();
    await this.#supervisor.start(tun);
    this.#timers = [
      setInterval(() => void this.#helloAll(), HELLO_INTERVAL_MS),
      setInterval(() => this.#health(), HEALTH_INTERVAL_MS),
    ];
    await this.#helloAll();
    const { device } = loaded.config;
    log.info(
      "ready",
      `ready: ${self.name} on ${device} (MTU ${this.#mtu_bytes}), UDP ` +
        `${formatEndpoint(this.options.listen.host, this.options.listen.port)}, ` +
        `${this.#peers.length} ${this.#peers.length === 1 ? "peer" : "peers"}`,
      { node: self.name, device, mtu_bytes: this.#mtu_bytes, peers: this.#peers.length, version },
    );
  }

  /** Resolves when the node has been stopped; rejects when it cannot go on. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  stop(): void {
    this.#ended.resolve();
  }

  logCounters(): void {
    const totals = {
      outbound: this.#supervisor.totals("outbound"),
      inbound: this.#supervisor.totals("inbound"),
    };
    const drops = Object.entries(totals).flatMap(([direction, counters]) =>
      Object.entries(counters)
        .filter(([name, value]) => value > 0 && name !== "packets" && name !== "bytes")
        .map(([name, value]) => `${direction} ${name} ${value}`)
    );
    this.options.log.info(
      "counters",
      `sent ${totals.outbound.packets} packets (${totals.outbound.bytes} B), received ` +
        `${totals.inbound.packets} packets (${totals.inbound.bytes} B)` +
        (drops.length > 0 ? `; ${drops.join(", ")}` : "; no drops"),
      totals,
    );
  }

  async down(): Promise<void> {
    this.#stopping = true;
    for (const timer of this.#timers) clearInterval(timer);
    await this.#supervisor.stop();
    this.#closeDevice();
  }

  #openDevice(): OpenTun {
    const { loaded: { config }, self, log } = this.options;
    const paths = this.#addresses.map((address) => this.#pathMtu(address));
    const inner = paths.map((mtu_bytes) => mtu_bytes - this.#overhead_bytes);
    const auto = Math.min(
      MTU_MAX_BYTES,
      ...(inner.length > 0 ? inner : [UNDERLAY_MTU_FALLBACK_BYTES - this.#overhead_bytes]),
    );
    this.#mtu_bytes = config.mtu_bytes === "auto" ? auto : config.mtu_bytes;
    const hasIpv6 = config.nodes.some((node) => node.subnets.some(({ version }) => version === 6));
    if (hasIpv6 && this.#mtu_bytes < MTU_IPV6_MIN_BYTES) {
      log.warn("mtu", `MTU ${this.#mtu_bytes} is below IPv6's minimum of ${MTU_IPV6_MIN_BYTES}`);
    }
    const stood = this.rt.getLink(config.device) !== undefined;
    const tun = openTun(config.device, config.mode, OFFLOAD);
    this.#tun = tun;
    try {
      const link = this.rt.getLink(config.device);
      if (!link) throw new RunError({ what: `the device ${config.device} vanished` });
      this.#device = configureDevice(this.rt, {
        index: link.index,
        mtu_bytes: this.#mtu_bytes,
        addresses: deviceAddresses(self),
        routes: kernelRoutes(config, this.#peers).map((prefix) => ({ prefix })),
      });
      log.debug("device", `${stood ? "took over" : "created"} ${config.device}`, {
        index: link.index,
      });
      const { features } = tun;
      this.#book.self = {
        name: self.name,
        mode: config.mode,
        mtu_bytes: this.#mtu_bytes,
        capabilities: features.checksum ? CAPABILITY.partialChecksum : 0,
      };
      return tun;
    } catch (error) {
      this.#closeDevice();
      throw error;
    }
  }

  #closeDevice(): void {
    try {
      this.#device?.undo();
    } finally {
      this.#device = undefined;
      if (this.#tun) closeTun(this.#tun);
      this.#tun = undefined;
    }
  }

  #pathMtu(address: Address | undefined): number {
    return (address && pathMtu(this.rt, address)) || UNDERLAY_MTU_FALLBACK_BYTES;
  }

  /** Looks up the peers' addresses; tells whether any changed. */
  async #resolve(): Promise<boolean> {
    const found = await Promise.all(this.#peers.map(async ({ name, endpoint }) => {
      const addresses = await resolveHost(endpoint.host);
      const address = pickVersion(addresses, this.udp.ipVersion);
      if (!address) {
        const why = addresses.length > 0
          ? `it has no IPv${this.udp.ipVersion} address`
          : "its name is not known";
        this.options.log.warn("unresolved", `${name} (${endpoint.host}) is out of reach: ${why}`, {
          peer: name,
        });
      }
      return address;
    }));
    const text = (addresses: readonly (Address | undefined)[]) =>
      addresses.map((address) => address && formatAddress(address.bytes)).join();
    const changed = text(found) !== text(this.#addresses);
    this.#addresses = found;
    return changed;
  }

  #publish(): void {
    const { config } = this.options.loaded;
    const peers: FibPeer[] = this.#peers.map(({ endpoint }, i) => {
      const address = this.#addresses[i];
      return {
        address: address?.bytes ?? new Uint8Array(this.udp.ipVersion === 4 ? 4 : 16),
        port: endpoint.port,
        mtu_bytes: Math.max(0, this.#pathMtu(address) - this.#overhead_bytes),
        capabilities: this.#book.peers[i]!.capabilities,
      };
    });
    const reachable = this.#addresses.map((address) => address !== undefined);
    const defaultPeer = this.#peers.findIndex(({ name }) => name === config.defaultNode);
    const routes = tableRoutes(this.options.self, this.#peers, reachable);
    this.#supervisor.fib.publish(peers, routes, reachable[defaultPeer] ? defaultPeer : -1);
  }

  async #helloAll(): Promise<void> {
    const now_ms = performance.now();
    for (const { peer } of this.#book.expire(now_ms)) {
      const { name } = this.#book.peers[peer]!;
      this.options.log.warn("peer_silent", `${name} has fallen silent`, { peer: name });
      this.#stale = true;
    }
    await this.#findLost();
    this.#peers.forEach((_, peer) => this.#hello(peer));
  }

  /** Asks again for the peers whose name was not known. */
  async #findLost(): Promise<void> {
    if (!this.#addresses.includes(undefined)) return;
    if (await this.#resolve()) this.#stale = true;
    this.#republish();
  }

  /** Publishes the table again; when a lane still reads the one before, the next tick does it. */
  #republish(): void {
    const { fib, laneCount } = this.#supervisor;
    this.#stale = !fib.settled(laneCount);
    if (this.#stale) return;
    this.#publish();
    this.#supervisor.wake();
  }

  #hello(peer: number): void {
    const address = this.#addresses[peer];
    if (!address || this.#stopping) return;
    const { name, endpoint } = this.#peers[peer]!;
    try {
      const hello = this.#book.hello(peer, performance.now());
      sendDatagram(this.udp.fd, hello, address, endpoint.port);
    } catch (error) {
      // The underlay may be down: the next hello tries again.
      const why = error instanceof Error ? error.message : String(error);
      this.options.log.debug("hello_failed", `hello to ${name}: ${why}`);
    }
  }

  #hear(peer: number, datagram: Uint8Array): void {
    const event = this.#book.hear(peer, datagram, performance.now());
    if (!event) return;
    const { name, saidName, saidMode } = this.#book.peers[peer]!;
    const { log, loaded } = this.options;
    if (event.kind === "bad_control") {
      log.debug("bad_control", `${name} sent a control datagram that is no hello`, { peer: name });
      return;
    }
    this.#republish();
    if (event.kind === "capabilities") return;
    log.info("peer_up", `${name} is up`, { peer: name });
    if (saidName !== name && this.options.loaded.source !== "command line") {
      log.warn("peer_name", `${name} calls itself ${saidName}: are the config files the same?`);
    }
    if (saidMode !== loaded.config.mode) {
      log.warn("peer_mode", `${name} runs in mode ${saidMode}, this node in ${loaded.config.mode}`);
    }
    // It may have just started: let it know of us at once.
    this.#hello(peer);
  }

  #health(): void {
    const { log, loaded } = this.options;
    if (this.#stale) this.#republish();
    try {
      const link = this.rt.getLink(loaded.config.device);
      if (!link?.up || !this.#device) return;
      const mended = this.#device.reapply();
      this.#trouble = "";
      if (mended.length > 0) log.info("mended", `put back: ${mended.join(", ")}`);
    } catch (error) {
      const trouble = error instanceof Error ? error.message : String(error);
      // A lasting trouble is told once, not twice a second.
      if (trouble !== this.#trouble) log.warn("health", trouble);
      this.#trouble = trouble;
    }
  }

  async #recover(reason: LaneEnd | RunError): Promise<void> {
    if (this.#stopping) return;
    const { log, loaded: { config: { device } } } = this.options;
    if (reason instanceof RunError) return this.#ended.reject(reason);
    log.warn("device_gone", `${device} was removed; making it again`);
    await this.#supervisor.stop();
    this.#closeDevice();
    for (let failure = ""; !this.#stopping;) {
      try {
        await this.#supervisor.start(this.#openDevice());
        log.info("device_back", `${device} is back`);
        return;
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        if (message !== failure) log.error("device_gone", message);
        failure = message;
        await after(REOPEN_INTERVAL_MS);
      }
    }
  }
}

const STOP_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Runs a node until a signal ends it. Throws a RunError when it cannot run. */
export async function runNode(options: NodeOptions): Promise<void> {
  const { log, loaded, listen } = options;
  for (const warning of loaded.warnings) log.warn("config", warning);
  using rt = openRtnetlink();
  const udp = openUdp(listen.host, listen.port);
  const node = new Node(options, rt, udp);
  const stop = () => node.stop();
  const logCounters = () => node.logCounters();
  // Before the device is made: a signal must never leave it half configured.
  for (const signal of STOP_SIGNALS) Deno.addSignalListener(signal, stop);
  Deno.addSignalListener("SIGUSR2", logCounters);
  try {
    await node.up();
    await node.ended;
    log.info("stopping", "stopping");
    node.logCounters();
  } finally {
    await node.down();
    for (const signal of STOP_SIGNALS) Deno.removeSignalListener(signal, stop);
    Deno.removeSignalListener("SIGUSR2", logCounters);
    udp.connection.close();
  }
}
