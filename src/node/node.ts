/** One running node: its parts, brought up, kept up, and taken down. */

import { wantedFeatures } from "../dataplane/lanes/features.ts";
import { queuesFor } from "../dataplane/lanes/plan.ts";
import type { LaneEnd } from "../dataplane/lanes/lane.ts";
import type { Lanes } from "../dataplane/lanes/lanes.ts";
import { RunError } from "../base/errors.ts";
import {
  DEVICE_REOPEN_INTERVAL_MS,
  HEALTH_INTERVAL_MS,
  HELLO_INTERVAL_MS,
} from "../base/limits.ts";
import type { Rtnetlink } from "../host/netlink/rtnetlink.ts";
import { formatEndpoint } from "../net/prefix.ts";
import { INLINE_SOURCE } from "../config/inline.ts";
import { resolveHost } from "../peers/resolve.ts";
import { Tracer } from "../inspect/trace/tracer.ts";
import type { UdpSide } from "../io/udp_open.ts";
import { UdpPaths } from "../io/path_mtu.ts";
import { lanesOf, logEngine, makeLanes } from "./engine.ts";
import { enableForwarding } from "../host/ip_forward.ts";
import { Follower } from "../peers/resolve_loop.ts";
import { KernelDrops } from "./kernel_drops.ts";
import { KernelSide, whyNoKernelPath } from "./kernel_side.ts";
import { Liveness } from "../peers/liveness.ts";
import type { NodeOptions } from "./options.ts";
import { PathWatch } from "./path_watch.ts";
import { Paths } from "../peers/paths.ts";
import { Publisher } from "../peers/publish.ts";
import { logCounters } from "./report.ts";
import { Reloader } from "./reload.ts";
import { Roster } from "../peers/roster.ts";
import { WrongPorts } from "../peers/wrong_port.ts";
import { NodeStatus } from "./status.ts";
import type { Served } from "../service/service.ts";
import { TunnelDevice } from "./tunnel_device.ts";

const after = (delay_ms: number) => new Promise<void>((resolve) => setTimeout(resolve, delay_ms));

/** A node between `up` and `down`. */
export class Node {
  readonly roster: Roster;
  readonly device: TunnelDevice;
  readonly tracer: Tracer | undefined;
  readonly supervisor: Lanes;
  readonly kernel: KernelSide;
  readonly publisher: Publisher;
  readonly pathWatch: PathWatch;
  readonly kernelDrops: KernelDrops;
  readonly follower: Follower;
  readonly liveness: Liveness;
  readonly status: NodeStatus;
  readonly reloader: Reloader;
  readonly #ended = Promise.withResolvers<void>();
  #timers: ReturnType<typeof setInterval>[] = [];
  #stopping = false;

  constructor(readonly options: NodeOptions, rt: Rtnetlink, readonly udp: UdpSide) {
    const { loaded: { config, source }, self, workerUrl, engine, log } = options;
    // A lane may fail before anybody waits for the end.
    this.#ended.promise.catch(() => {});
    const paths = new Paths(rt, new UdpPaths(udp.fd, udp.ipVersion), udp.ipVersion);
    this.roster = new Roster(config, self, udp.ipVersion);
    const lanes = lanesOf(engine, config.mode);
    const wanted = { features: wantedFeatures(engine), queues: queuesFor(lanes) };
    this.device = new TunnelDevice(rt, paths, this.roster, wanted, log);
    this.tracer = options.trace && new Tracer({
      options: options.trace,
      device: config.device,
      link: config.mode === "tap" ? "ethernet" : "ip",
      application: `tunnet ${options.version}`,
      peer: (index) => this.roster.shown(index),
      totals: (direction) => this.supervisor.totals(direction),
      log,
    });
    this.supervisor = makeLanes(udp, workerUrl, lanes, config.mode, {
      onControl: (datagram) => this.liveness.hear(datagram),
      onEnd: (reason) => void this.#recover(reason),
    }, this.tracer);
    this.kernel = new KernelSide({
      rt,
      lanes: this.supervisor,
      listen: options.listen,
      ipVersion: udp.ipVersion,
      unwanted: whyNoKernelPath({
        wanted: udp.batch && wanted.features.has("kernel"),
        mode: config.mode,
        traced: options.trace !== undefined,
      }),
      log,
    });
    this.publisher = new Publisher(this.roster, paths, this.supervisor, this.kernel);
    const deviceName = () => this.roster.config.device;
    this.kernelDrops = new KernelDrops(this.supervisor, udp.fd, rt, deviceName);
    this.pathWatch = new PathWatch(this.roster, paths, this.publisher, this.device, log);
    this.follower = new Follower(this.roster, log, resolveHost, () => performance.now());
    const sharedNames = source !== INLINE_SOURCE;
    const wrongPorts = new WrongPorts(this.roster, log);
    this.liveness = new Liveness({
      roster: this.roster,
      publisher: this.publisher,
      follower: this.follower,
      wrongPorts,
      socketFd: udp.fd,
      sharedNames,
      log,
    });
    this.status = new NodeStatus({
      options,
      roster: this.roster,
      device: this.device,
      supervisor: this.supervisor,
      kernel: this.kernel,
      udp,
      wrongPorts,
      reload: () => this.reloader.reload(),
      sharedNames,
    });
    this.reloader = new Reloader(this);
  }

  /** Makes the device and starts the lanes. Throws a RunError; `down` is due then as well. */
  async up(): Promise<void> {
    const { log, self, loaded, version, listen, sysctl, engine } = this.options;
    await this.follower.resolveAll();
    const tun = this.device.open();
    this.kernelDrops.deviceOpened();
    // Frames are switched, not routed.
    if (sysctl && loaded.config.mode === "tun") enableForwarding(self, log);
    this.publisher.publish();
    await this.tracer?.start();
    // The lanes' threads come up in the meantime.
    await Promise.all([this.supervisor.start(tun), this.#openKernelPath()]);
    logEngine(log, engine, this.udp, tun, this.supervisor.laneCount, this.kernel.inUse);
    this.#timers = [
      setInterval(() => this.liveness.tick(), HELLO_INTERVAL_MS),
      setInterval(() => this.#health(), HEALTH_INTERVAL_MS),
    ];
    this.liveness.helloAll();
    const served = await this.status.open();
    const { device } = loaded.config;
    const { mtu_bytes } = this.device;
    const peers = this.roster.peers.length;
    log.info(
      "ready",
      `ready: ${self.name} on ${device} (MTU ${mtu_bytes}), UDP ` +
        `${formatEndpoint(listen.host, listen.port)}, ${peers} ${peers === 1 ? "peer" : "peers"}`,
      { node: self.name, device, mtu_bytes, peers, version, ...served },
    );
  }

  /** Resolves when the node has been stopped; rejects when it cannot go on. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** Makes `ended` resolve. */
  stop(): void {
    this.#ended.resolve();
  }

  /** Logs what was carried and dropped so far. */
  logCounters(): void {
    this.kernelDrops.read();
    this.kernel.read();
    logCounters(this.supervisor, this.options.log);
  }

  /** What a service manager sees of this node. */
  served(): Served {
    const { log, loaded: { file, source }, watchConfig } = this.options;
    return {
      log,
      file,
      source,
      watchConfig,
      needsBpf: () => this.kernel.inUse,
      onReload: (listener) => this.reloader.listener = listener,
      reload: () => this.reloader.reload(),
      turns: () => this.supervisor.turns(),
      wakeLanes: () => this.supervisor.wake(),
      describe: () => {
        const { roster: { self, peers, book }, device } = this;
        const up = peers.filter(({ index }) => book.peers[index]?.state === "up").length;
        return `${self.name}: ${up} of ${peers.length} peers up, MTU ${device.mtu_bytes}`;
      },
    };
  }

  /** Ends the lanes and leaves the host as it was. */
  async down(): Promise<void> {
    this.#stopping = true;
    await this.status.close();
    for (const timer of this.#timers) clearInterval(timer);
    await this.supervisor.stop();
    await this.tracer?.close();
    // After the last packet: what comes later is of a new start.
    this.liveness.goodbye();
    this.kernel.close();
    this.device.close();
  }

  #health(): void {
    this.supervisor.macs?.tick(performance.now() / 1000);
    this.#checkKernelPath();
    this.liveness.check();
    if (this.publisher.stale) this.publisher.republish();
    this.device.check();
    try {
      this.kernelDrops.read();
      if (this.pathWatch.check()) this.liveness.announce();
    } catch (error) {
      // The kernel was short of memory, or the device has just gone: the next check looks again.
      this.options.log.debug("health", error instanceof Error ? error.message : String(error));
    }
  }

  async #openKernelPath(): Promise<void> {
    await this.kernel.open({ name: this.roster.config.device, index: this.device.index });
    this.device.describeKernelPath(this.kernel.inUse);
  }

  /** Looks after the path; the peers are told when it has been given up. */
  #checkKernelPath(): void {
    try {
      if (this.kernel.check()) this.publisher.markStale();
    } catch (error) {
      this.options.log.debug("kernel_path", error instanceof Error ? error.message : String(error));
    }
    this.device.describeKernelPath(this.kernel.inUse);
    this.liveness.announce();
  }

  /** The lanes have ended: a lost device is made again, a bug ends the node. */
  async #recover(reason: LaneEnd | RunError): Promise<void> {
    if (this.#stopping) return;
    const { log, loaded: { config: { device } } } = this.options;
    if (reason instanceof RunError) return this.#ended.reject(reason);
    log.warn("device_gone", `${device} was removed; making it again`);
    await this.supervisor.stop();
    this.tracer?.closeRings();
    this.kernel.close();
    this.device.close();
    for (let failure = ""; !this.#stopping;) {
      try {
        const tun = this.device.open();
        await this.#openKernelPath();
        if (this.#stopping) return;
        await this.supervisor.start(tun);
        // The new device may have another MTU or other features.
        this.liveness.announce();
        log.info("device_back", `${device} is back`);
        return;
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        if (message !== failure) log.error("device_gone", message);
        failure = message;
        await after(DEVICE_REOPEN_INTERVAL_MS);
      }
    }
  }
}
