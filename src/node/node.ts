/** One running node: its parts, brought up, kept up, and taken down. */

import { wantedFeatures } from "../dataplane/lanes/features.ts";
import { queuesFor } from "../dataplane/lanes/plan.ts";
import type { LaneEnd } from "../dataplane/lanes/lane.ts";
import type { Lanes } from "../dataplane/lanes/lanes.ts";
import { RunError } from "../base/errors.ts";
import { RATE_SAMPLE_INTERVAL_MS, SESSION_CHECK_INTERVAL_MS } from "../base/limits.ts";
import type { Time, Timer } from "../base/time.ts";
import { type ForwardGuard, forwardTableName } from "../host/forward_guard.ts";
import { netnsName } from "../host/netns.ts";
import type { Rtnetlink } from "../host/netlink/rtnetlink.ts";
import { formatEndpoint, formatPrefix, parseAddress } from "../net/prefix.ts";
import { INLINE_SOURCE } from "../config/inline.ts";
import { Probe } from "../io/probe_socket.ts";
import { sendDatagram, type UdpSide } from "../io/udp_open.ts";
import { UdpPaths, withoutFragments } from "../io/path_mtu.ts";
import { attachFilter, discardWaiting } from "../io/socket_filter.ts";
import { Forwarding } from "../host/ip_forward.ts";
import { KernelPathController, whyNoKernelPath } from "../kernel_path/controller.ts";
import { HelloLoop } from "../peers/hello_loop.ts";
import { Interfaces } from "../peers/interfaces.ts";
import { Paths } from "../peers/paths.ts";
import { acceptedBy } from "../peers/plan.ts";
import { Prober } from "../peers/prober.ts";
import { Publisher } from "../peers/publish.ts";
import { Registry } from "../peers/registry.ts";
import type { SealingControl } from "../peers/sealing.ts";
import { resolveHost } from "../peers/resolve.ts";
import { ResolveLoop } from "../peers/resolve_loop.ts";
import { FileSource } from "../peers/source/file.ts";
import { InlineSource } from "../peers/source/inline.ts";
import type { MemberSource } from "../peers/source/source.ts";
import { WrongPorts } from "../peers/wrong_port.ts";
import type { Served } from "../service/service.ts";
import { StatusServer } from "../status/server.ts";
import { lanesOf, logEngine, makeLanes } from "./engine.ts";
import { localIdentity } from "../wireguard/handshake.ts";
import { openSealingControl } from "./open_sealing.ts";
import { runAll } from "./guard.ts";
import { KernelDrops } from "./kernel_drops.ts";
import { LiveNode } from "./live.ts";
import type { NodeOptions } from "./options.ts";
import type { OwnAddress } from "./own_address.ts";
import { PathWatch } from "./path_watch.ts";
import { applyMembers, Reloader } from "./reload.ts";
import { logCounters } from "./report.ts";
import { Sampler } from "./sampler.ts";
import { nodeStatus } from "./status.ts";
import { TunnelDevice } from "./tunnel_device.ts";

/** What a node has of its host from the start. */
export interface NodeHost {
  readonly rt: Rtnetlink;
  readonly udp: UdpSide;
  readonly ownAddress: OwnAddress;
  readonly forwardGuard: ForwardGuard;
}

/** A node between `up` and `down`. */
export class Node {
  readonly #options: NodeOptions;
  readonly #udp: UdpSide;
  readonly #ownAddress: OwnAddress;
  readonly #forwardGuard: ForwardGuard;
  readonly #time: Time;
  readonly #registry: Registry;
  readonly #device: TunnelDevice;
  readonly #forwarding: Forwarding;
  readonly #live: LiveNode;
  readonly #lanes: Lanes;
  readonly #kernel: KernelPathController;
  readonly #interfaces: Interfaces;
  readonly #publisher: Publisher;
  readonly #pathWatch: PathWatch;
  readonly #kernelDrops: KernelDrops;
  readonly #sampler: Sampler;
  readonly #resolver: ResolveLoop;
  readonly #hellos: HelloLoop;
  readonly #sealing: SealingControl | undefined;
  readonly #server: StatusServer;
  readonly #members: MemberSource;
  readonly #reloader: Reloader;
  readonly #ended = Promise.withResolvers<void>();
  #timers: Timer[] = [];
  #stopping = false;

  /** `time` takes what its timers' work throws. */
  constructor(options: NodeOptions, host: NodeHost, time: Time) {
    const { loaded: { config, source }, self, workerUrl, engine, timers, log } = options;
    const { rt, udp, ownAddress } = host;
    this.#time = time;
    this.#forwardGuard = host.forwardGuard;
    this.#options = options;
    this.#udp = udp;
    this.#ownAddress = ownAddress;
    // A lane may fail before anybody waits for the end.
    this.#ended.promise.catch(() => {});
    const paths = new Paths(rt, new UdpPaths(udp.fd, udp.ipVersion), udp.ipVersion);
    const registry = new Registry({ config, self }, udp.ipVersion, timers);
    this.#registry = registry;
    const laneCount = lanesOf(engine, config.mode);
    const wanted = { features: wantedFeatures(engine), queues: queuesFor(laneCount) };
    this.#forwarding = new Forwarding(log);
    this.#device = new TunnelDevice(rt, paths, registry, wanted, log);
    this.#live = new LiveNode({
      ...{ options, registry, time },
      lanes: () => this.#lanes,
      onLooked: (looked) => this.#holdKernelPath(looked),
    });
    this.#interfaces = new Interfaces({
      ...{ registry, rt, time, log },
      keyed: options.keys !== undefined,
      ipVersion: udp.ipVersion,
      attach: (program) => attachFilter(udp.fd, program),
    });
    const wrongPorts = new WrongPorts(registry, log);
    const lanes = makeLanes(
      udp,
      workerUrl,
      laneCount,
      config.mode,
      {
        control: {
          onMail: () => this.#hellos.onMail(),
          onWrongPort: ({ sender, bytes }) => wrongPorts.hear(sender, bytes),
          onWrongInterface: (peer) => this.#interfaces.hear(peer),
        },
        keys: options.keys && {
          mac1Key: localIdentity(options.keys.privateKey).mac1Key,
          libcrypto: !engine.noLibcrypto,
          onSealed: (event) => this.#sealing?.hear(event),
        },
        onEnd: (reason) => void this.#recover(reason),
      },
      this.#live.hub,
      () => options.leave === "root" && Deno.uid() === 0,
    );
    this.#lanes = lanes;
    this.#kernel = new KernelPathController({
      rt,
      counters: lanes,
      listen: options.listen,
      ipVersion: udp.ipVersion,
      unwanted: whyNoKernelPath({
        wanted: udp.batch && wanted.features.has("kernel"),
        sealed: config.keys?.allowPlain === false,
        mode: config.mode,
        traced: options.trace !== undefined,
      }),
      log,
    });
    const publisher = new Publisher(
      registry,
      paths,
      lanes,
      // Who counts comes first.
      [this.#interfaces, this.#kernel],
      time,
      parseAddress(self.endpoint.host) ?? parseAddress(options.listen.host),
      () => this.#device.answerAddresses,
    );
    this.#publisher = publisher;
    this.#kernelDrops = new KernelDrops(lanes, udp.fd, rt, () => registry.config.device);
    this.#sampler = new Sampler({
      ...{ registry, lanes, time, log },
      kernel: this.#kernel,
      drops: this.#kernelDrops,
    });
    this.#resolver = new ResolveLoop(registry, log, resolveHost, time);
    const sharedNames = source !== INLINE_SOURCE;
    this.#hellos = new HelloLoop({
      ...{ registry, publisher, sharedNames, time, log },
      mailbox: lanes.mailbox,
      resolver: this.#resolver,
      prober: new Prober(
        registry,
        (address, port) => new Probe(address, port),
        log,
        (peer) => publisher.publishPeer(peer),
      ),
      // One that arrives in fragments would tell nothing of the path.
      send: (peer, address, hello) =>
        withoutFragments(udp.fd, udp.ipVersion, () => {
          if (!peer.isSealed) sendDatagram(udp.fd, hello, address, peer.port);
          else if (!peer.node.keys?.wireguard) this.#sealing?.send(peer, hello);
        }),
      packets: () => lanes.countersOf("inbound").peerPackets,
      sentPackets: () => lanes.countersOf("outbound").peerPackets,
    });
    this.#sealing = options.keys && openSealingControl(options.keys, {
      ...{ registry, lanes, log, time },
      mode: config.mode,
      ipVersion: udp.ipVersion,
      send: (datagram, address, port) => sendDatagram(udp.fd, datagram, address, port),
      publishPeer: (peer) => publisher.publishPeer(peer),
      onEstablished: (peer) => this.#hellos.hello(peer, { asking: true }),
    });
    this.#pathWatch = new PathWatch(registry, paths, this.#hellos, this.#device, log);
    const members: MemberSource = options.etcd
      ? options.etcd.source
      : options.load
      ? new FileSource({ config, self, endpoint: options.endpoint }, options.load, log)
      : new InlineSource(source);
    members.watch((diff) =>
      applyMembers({
        ...{ registry, lanes, publisher, resolveHost },
        device: this.#device,
        resolver: this.#resolver,
        hellos: this.#hellos,
        checkFiles: (config) => this.#sealing?.checkFiles(config),
        bringInStep: () => this.#bringInStep(),
        followNodes: () => this.#followNodes(),
      }, diff).finally(() => this.#tellSubnet())
    );
    this.#members = members;
    this.#reloader = new Reloader(members, log, time);
    const statusParts = {
      rt,
      ...{ options, registry, lanes, udp, ownAddress, wrongPorts, sharedNames, time, publisher },
      reloader: this.#reloader,
      device: this.#device,
      pathWatch: this.#pathWatch,
      kernel: this.#kernel,
      sampler: this.#sampler,
      sealing: this.#sealing,
    };
    this.#server = new StatusServer({
      ...options.status,
      status: () => nodeStatus(statusParts),
      reload: () => this.#reloader.reload(),
      events: () => log.recent(),
      history: this.#sampler.history,
      clock: () => ({ wall_ms: time.wall_ms(), monotonic_ms: time.now_ms() }),
      packets: this.#live.packets,
      place: { device: config.device, netns: netnsName(), uid: Deno.uid() ?? 0 },
      leavesRoot: options.leave === "root",
      filter: forwardTableName(config.device),
      log,
    });
  }

  /** Makes the device and starts the lanes. Throws a RunError; `down` is due then as well. */
  async up(): Promise<void> {
    const { log, self, loaded, version, listen, engine, timers } = this.#options;
    await this.#resolver.resolveAll();
    await this.#live.start();
    await this.#bringUp();
    const { tun } = this.#device;
    const { laneCount } = this.#lanes;
    const { aead } = this.#sealing ?? {};
    if (tun) logEngine(log, engine, this.#udp, tun, laneCount, this.#kernel, aead);
    this.#tellAccepted();
    this.#tellSubnet();
    this.#sampler.sample();
    // Each has a timer of its own: what one of them cannot do now, the others do.
    const every = (interval_ms: number, ...work: readonly (() => void)[]) =>
      work.map((run) => this.#time.every(interval_ms, run));
    this.#timers = [
      ...every(timers.hello_ms, () => this.#hellos.tick()),
      ...every(
        timers.health_ms,
        () => this.#lanes.macs?.tick(this.#time.now_ms() / 1000),
        () => this.#checkKernelPath(),
        () => this.#hellos.check(),
        () => this.#publisher.retry(),
        () => this.#interfaces.check(),
        () => this.#device.check(),
        () => this.#ownAddress.check(),
        () => this.#checkForwarding(),
        () => this.#forwardGuard.check(),
        () => this.#tellSubnet(),
        () => this.#pathWatch.check() && this.#hellos.announce(),
      ),
      ...every(RATE_SAMPLE_INTERVAL_MS, () => this.#sampler.sample()),
      ...(this.#sealing ? every(SESSION_CHECK_INTERVAL_MS, () => this.#sealing!.check()) : []),
    ];
    await this.#server.open();
    const { socket = null, http = null } = this.#server;
    const { device } = loaded.config;
    const { mtu_bytes } = this.#device;
    const peers = this.#registry.peers.length;
    log.info(
      "ready",
      `ready: ${self.name} on ${device} (MTU ${mtu_bytes}), UDP ` +
        `${formatEndpoint(listen.host, listen.port)}, ${peers} ${peers === 1 ? "peer" : "peers"}` +
        (http === null ? "" : `; its page: ${http}/`),
      { node: self.name, device, mtu_bytes, peers, version, status_socket: socket, http },
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
    this.#sampler.sample();
    logCounters(this.#lanes, this.#options.log);
  }

  /** What a service manager sees of this node. */
  served(): Served {
    const { log, loaded: { file, source }, watchConfig, leave } = this.#options;
    return {
      log,
      file,
      source,
      watchConfig,
      leave,
      time: this.#time,
      needsBpf: () => this.#kernel.inUse || this.#kernel.held,
      onReload: (listener) => this.#reloader.listener = listener,
      reload: () => this.#reloader.reload(),
      turns: () => this.#lanes.turns(),
      wakeLanes: () => this.#lanes.wake(),
      describe: () => {
        const { self, peers } = this.#registry;
        const up = peers.filter(({ liveness }) => liveness.state === "up").length;
        return `${self.name}: ${up} of ${peers.length} peers up, MTU ${this.#device.mtu_bytes}`;
      },
    };
  }

  /** Makes `ended` reject. */
  fail(error: RunError): void {
    this.#ended.reject(error);
  }

  /** Ends the lanes and leaves the host as it was, as far as each part lets it. */
  async down(): Promise<void> {
    this.#stopping = true;
    for (const timer of this.#timers) timer.cancel();
    await runAll([
      () => this.#members.close(),
      () => this.#server.close(),
      () => this.#lanes.stop(),
      () => this.#live.close(),
      // After the last packet: what comes later is of a new start.
      () => this.#hellos.goodbye(),
      () => this.#kernel.end(),
      () => this.#device.close(),
      () => this.#forwardGuard.close(),
    ]);
  }

  /** Opens the device and all that belongs to it: at the start, and after a device was lost. */
  async #bringUp(): Promise<void> {
    const tun = this.#device.open();
    this.#kernelDrops.deviceOpened();
    this.#bringInStep();
    const device = { name: this.#registry.config.device, index: this.#device.index };
    // What came before it was known whom to take it from, or for a device that is gone.
    discardWaiting(this.#udp.fd);
    // The lanes' threads come up in the meantime.
    await Promise.all([this.#lanes.start(tun), this.#kernel.open(device)]);
    this.#tellKernelPath();
  }

  #tellKernelPath(): void {
    this.#device.describeKernelPath(this.#kernel.inUse);
    if (this.#kernel.inUse) this.#forwarding.tellOfKernelPath(this.#udp.ipVersion);
    this.#hellos.announce();
  }

  /** Somebody looks at the packets: the kernel path, which shows none, waits until nobody does. */
  #holdKernelPath(held: boolean): void {
    this.#kernel.hold(held);
    if (!this.#device.tun || this.#stopping) return;
    this.#tellKernelPath();
    if (held) return;
    const device = { name: this.#registry.config.device, index: this.#device.index };
    this.#kernel.open(device).then(
      () => this.#tellKernelPath(),
      (error) => this.#ended.reject(error),
    );
  }

  /** Lets go of a device that is lost, and of all that belongs to it. */
  async #letGo(): Promise<void> {
    await this.#lanes.stop();
    this.#live.hub.closeRings();
    this.#kernel.close();
    this.#device.release();
  }

  /** Brings in step what follows from the config and the device; a reload does the same. */
  #bringInStep(): void {
    const { sysctl } = this.#options;
    const { config: { mode }, self } = this.#registry;
    // Frames are switched, not routed.
    if (sysctl && mode === "tun") this.#forwarding.enable(self);
    this.#device.describe();
    this.#followNodes();
    this.#publisher.publishAll();
  }

  /** Brings in step what knows of each node, before rows and routes are published. */
  #followNodes(): void {
    const { config: { nodes } } = this.#registry;
    this.#forwardGuard.cover(nodes.map(({ endpoint }) => endpoint.port));
    this.#sealing?.followRegistry();
  }

  #checkForwarding(): void {
    const { config: { mode }, self } = this.#registry;
    if (mode === "tun") this.#forwarding.check(self);
  }

  /** Tells pods' programs of the own subnet, where it comes from etcd. */
  #tellSubnet(): void {
    const { config: { networks: [network] }, self: { subnets: [subnet] } } = this.#registry;
    const { mtu_bytes } = this.#device;
    if (network && subnet) this.#options.etcd?.subnetFile.write({ network, subnet, mtu_bytes });
  }

  /** Says what peers reach through this node besides its pods. */
  #tellAccepted(): void {
    const { config, self } = this.#registry;
    const accepted = acceptedBy(config, self);
    if (accepted.length === 0 || config.mode === "tap") return;
    const why = self.name === config.defaultNode ? "it is the default node" : "accept";
    const prefixes = accepted.map(formatPrefix);
    const text = `besides its subnets, packets from peers may be for ${
      prefixes.join(", ")
    } (${why})`;
    this.#options.log.info("accept", `${self.name}: ${text}`, { prefixes });
  }

  /** Looks after the path; the peers are told when it has been given up. */
  #checkKernelPath(): void {
    try {
      this.#kernel.check();
    } finally {
      this.#tellKernelPath();
    }
  }

  /** The lanes have ended: a lost device is made again, a bug ends the node. */
  async #recover(reason: LaneEnd | RunError): Promise<void> {
    if (this.#stopping) return;
    const { log, timers, loaded: { config: { device } } } = this.#options;
    if (reason instanceof RunError) return this.#ended.reject(reason);
    log.warn("device_gone", `${device} was removed; making it again`);
    for (let failure = ""; !this.#stopping;) {
      try {
        // Also what an attempt has left that came half of the way.
        await this.#letGo();
        if (this.#stopping) return;
        await this.#bringUp();
        if (!this.#stopping) log.info("device_back", `${device} is back`);
        return;
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        if (message !== failure) log.error("device_gone", message);
        failure = message;
        await this.#time.sleep(timers.reopen_ms);
      }
    }
  }
}
