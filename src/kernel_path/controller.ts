/** Controls the kernel path: when there is one, what it follows, and what it has carried. */

import { SyscallError } from "../../ffi/libc.ts";
import { isOpen, type PeerRow, TRANSPORT } from "../forwarding/peer_row.ts";
import type { Route } from "../forwarding/prefixes.ts";
import type { Lanes } from "../dataplane/lanes/lanes.ts";
import { RunError } from "../base/errors.ts";
import { PATHS_PER_CHECK } from "../base/limits.ts";
import { takesTcpSuperPackets } from "../host/ethtool.ts";
import { ipsecPolicies } from "../host/netlink/ipsec.ts";
import type { Rtnetlink } from "../host/netlink/rtnetlink.ts";
import type { Log } from "../base/log.ts";
import { shortageOf } from "../base/shortage.ts";
import { parseAddress } from "../net/prefix.ts";
import { CAPABILITY } from "../wire/hello.ts";
import { HelperNamespace } from "./helper_namespace.ts";
import { KernelPath } from "./kernel_path.ts";
import { explained, reasonOf } from "./obstacle.ts";
import type { KernelPathParts } from "./resources.ts";

/** An open path, as the controller uses it. */
export type OpenedPath = Omit<KernelPath, "parts">;

/** What the controller asks of this host. */
export interface KernelPathHost {
  /** Throws a SyscallError. */
  readonly openNamespace: () => HelperNamespace;
  /** Throws a RunError that says why there is none, or a SyscallError for a shortage. */
  readonly open: (parts: KernelPathParts) => Promise<OpenedPath>;
  readonly ipsecPolicies: () => number;
  /** Whether a device takes super-packets of TCP as they are. */
  readonly takesTcpSuperPackets: (device: string) => boolean;
}

const THIS_HOST: KernelPathHost = {
  openNamespace: () => HelperNamespace.make(),
  open: (parts) => KernelPath.open(parts),
  ipsecPolicies,
  takesTcpSuperPackets,
};

/** What the controller needs. */
export interface ControllerParts {
  readonly rt: Rtnetlink;
  /** Where is counted what never comes to a lane. */
  readonly counters: Pick<Lanes, "countForKernel" | "countCarried">;
  /** Where the node's UDP socket listens, and by which IP version nodes reach each other. */
  readonly listen: { readonly host: string; readonly port: number };
  readonly ipVersion: 4 | 6;
  /** Why there is to be no kernel path; undefined: it is wanted. */
  readonly unwanted: string | undefined;
  readonly log: Log;
  readonly host?: KernelPathHost;
}

/** A device that the path is for. */
type PathDevice = KernelPathParts["device"];

/** By which device, and with which address of ours, a peer is reached. */
interface UnderlayRoute {
  readonly address: Uint8Array;
  readonly ifindex: number;
  readonly source: Uint8Array;
  /** Whether super-packets of TCP leave by it, and are not bound for a wire. */
  readonly tcp: boolean;
}

/** The programs send what the kernel would encrypt, or hold back, as it is. */
const IPSEC = "this host has IPsec policies, which it would pass by";
const ANY_HOST: readonly string[] = ["0.0.0.0", "::"];

const same = (one: Uint8Array | undefined, other: Uint8Array | undefined): boolean =>
  String(one) === String(other);

const sameRoute = (one: UnderlayRoute | undefined, other: UnderlayRoute | undefined): boolean =>
  one?.ifindex === other?.ifindex && same(one?.source, other?.source) && one?.tcp === other?.tcp;

/** Opens and closes the kernel path, keeps it in step, and takes over its counts. */
export class KernelPathController {
  readonly #host: KernelPathHost;
  #path: OpenedPath | undefined;
  /** Made at the first opening, with rights that this process does not keep. */
  #namespace: HelperNamespace | undefined;
  readonly #rows = new Map<number, PeerRow>();
  #routes: readonly Route[] = [];
  #defaultPeer = -1;
  /** How the path's peers are reached; looked up once, then watched. */
  readonly #reached = new Map<number, UnderlayRoute>();
  /** How many rows have been watched in this round. */
  #watched = 0;
  /** Whether packets were lost before the last check, and none arrived. */
  #stuck = false;
  /** Whether packets are to go by the lanes alone for now. */
  #held = false;
  /** The device that it is open for, or was. */
  #device: PathDevice | undefined;
  /** Whether it is to be opened again once the host has again what it was out of. */
  #missing = false;
  #opening = false;
  #obstacle: string | undefined;
  /** Counts openings and closings: which one it is that has been waited for. */
  #generation = 0;

  constructor(readonly parts: ControllerParts) {
    this.#host = parts.host ?? THIS_HOST;
  }

  /** Whether packets may go by it. */
  get inUse(): boolean {
    return this.#path !== undefined;
  }

  /** Whether packets to and from a peer go by it, as far as the programs know them. */
  carries(peer: number): boolean {
    return this.#reached.has(peer);
  }

  /** Why there is none, since it was last opened; undefined while there is one. */
  get obstacle(): string | undefined {
    return this.#path ? undefined : this.#obstacle;
  }

  /** Whether it is held back, or missing for now: it will be opened again. */
  get held(): boolean {
    return this.#held || this.#missing;
  }

  /** Closes the path, which `open` does not open until this is taken back. */
  hold(held: boolean): void {
    this.#held = held;
    if (held) this.close();
  }

  /**
   * Opens the path for a device, if it is wanted and works here; says so if not.
   * It follows what was set so far.
   */
  async open(device: PathDevice): Promise<void> {
    const { unwanted, log } = this.parts;
    if (this.#held) return;
    this.#obstacle = unwanted;
    // The line on the engine has it.
    if (unwanted !== undefined) return;
    if (this.#host.ipsecPolicies() > 0) {
      this.#obstacle = IPSEC;
      return log.info("kernel_path", `no kernel path: ${IPSEC}`);
    }
    this.close();
    this.#device = device;
    await this.#tryOpen(device);
  }

  /** Follows one peer's row. */
  setPeer(index: number, row: PeerRow): void {
    this.#rows.set(index, row);
    this.#update(index);
  }

  /** An index is nobody's any more. */
  clearPeer(index: number): void {
    this.#rows.delete(index);
    this.#update(index);
  }

  /** Follows the routes. `defaultPeer` is -1 where there is none. */
  setRoutes(routes: readonly Route[], defaultPeer: number): void {
    this.#routes = routes;
    this.#defaultPeer = defaultPeer;
    this.#follow((path) => path.setRoutes(routes, defaultPeer));
  }

  /** Each change is in step at once. */
  published(): void {}

  /**
   * Looks whether the path still carries, whether anybody captures on the
   * device, and whether peers are reached by another device now.
   */
  check(): void {
    const path = this.#path;
    if (!path) return void this.#openAgain();
    const lost = path.lost();
    const { counters, log } = this.parts;
    counters.countForKernel("outbound", "send_failed", lost.sendFailed);
    counters.countForKernel("inbound", "device_rejected", lost.rejected);
    counters.countForKernel("inbound", "backlog_overflow", lost.overflow);
    counters.countForKernel("inbound", "unknown_peer", lost.foreign);
    if (this.#host.ipsecPolicies() > 0) return this.#giveUp(IPSEC);
    if (this.#restoreHelper(path)) this.#stuck = false;
    if (path !== this.#path) return;
    const stuck = path.isStuck(lost);
    if (stuck && this.#stuck) return this.#giveUp(`nothing comes out of ${path.helperName}`);
    this.#stuck = stuck;
    if (stuck) void this.#testAgain(path);
    const change = path.watch();
    if (change === "paused") log.info("kernel_path", "somebody captures: packets go by the lanes");
    if (change === "resumed") log.info("kernel_path", "nobody captures any more");
    this.#watchRoutes();
  }

  /** Adds what was carried since the last time to the counters. */
  sample(): void {
    for (const index of this.#reached.keys()) this.#sample(index);
  }

  /** Takes the path away, and what it would be opened with again. */
  end(): void {
    this.close();
    this.#namespace?.close();
    this.#namespace = undefined;
  }

  /** Takes the path away. */
  close(): void {
    this.#missing = false;
    this.#shut();
  }

  #shut(): void {
    this.sample();
    const path = this.#path;
    this.#path = undefined;
    this.#generation++;
    this.#stuck = false;
    this.#reached.clear();
    path?.close();
  }

  async #tryOpen(device: PathDevice): Promise<void> {
    const { rt, ipVersion, listen: { port }, log } = this.parts;
    const generation = this.#generation;
    try {
      const namespace = this.#openNamespace();
      const path = await this.#host.open({ rt, namespace, device, ipVersion, port });
      // The device may have been closed in the meantime.
      if (generation !== this.#generation) return path.close();
      this.#path = path;
      this.#follow((path) => path.setRoutes(this.#routes, this.#defaultPeer));
      for (const index of this.#rows.keys()) this.#update(index);
      // The kernel may have refused some of it.
      if (path !== this.#path) return;
      log.debug("kernel_path", `kernel path with ${path.helperName}`);
      if (this.#missing) log.info("kernel_path", "the kernel path is back");
      this.#missing = false;
    } catch (error) {
      const isShort = shortageOf(error) !== undefined;
      if (!isShort && !(error instanceof RunError)) throw error;
      if (generation !== this.#generation) return;
      if (!(error instanceof RunError)) return this.#miss((error as Error).message);
      this.#missing = false;
      this.#obstacle = reasonOf(error);
      log.info("kernel_path", `${error.message}; packets go by the lanes`);
    }
  }

  /** There is no path until the host has again what it is out of. */
  #miss(why: string): void {
    if (!this.#missing) {
      const until = "packets go by the lanes until it can be opened";
      this.parts.log.warn("kernel_path", `no kernel path for now: ${why}; ${until}`);
    }
    this.#missing = true;
    this.#obstacle = why;
  }

  /** Tries again to open a path that is missing. */
  async #openAgain(): Promise<void> {
    if (!this.#missing || this.#opening || !this.#device) return;
    this.#opening = true;
    try {
      await this.#tryOpen(this.#device);
    } finally {
      this.#opening = false;
    }
  }

  /** Changes the open path; one that the kernel refuses to change is given up. */
  #follow(change: (path: OpenedPath) => void): void {
    if (!this.#path) return;
    try {
      change(this.#path);
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      if (!shortageOf(error)) return this.#giveUp(error.message);
      this.#shut();
      this.#miss(error.message);
    }
  }

  /** Brings one peer of the path in step; `anew` looks up again how it is reached. */
  #update(index: number, anew = false): void {
    this.#follow((path) => {
      const row = this.#rows.get(index);
      const reached = row && this.#takesKernelPath(row) ? this.#reach(index, row, anew) : undefined;
      if (!row || !reached) return this.#drop(path, index);
      this.#reached.set(index, reached);
      const { port, mtu_bytes, transport } = row;
      path.setPeer({ index, port, mtu_bytes, takes: transport === TRANSPORT.kernel, ...reached });
    });
  }

  #drop(path: OpenedPath, index: number): void {
    if (!this.#reached.has(index)) return;
    // Its counts go with it.
    this.#sample(index);
    this.#reached.delete(index);
    path.clearPeer(index);
  }

  #sample(index: number): void {
    const carried = this.#path?.carried(index);
    if (!carried) return;
    this.parts.counters.countCarried("outbound", index, carried.outbound);
    this.parts.counters.countCarried("inbound", index, carried.inbound);
  }

  /** Whether a peer says, and has said not long ago, that it runs the kernel path. */
  #takesKernelPath({ address, capabilities, transport }: PeerRow): boolean {
    return isOpen(transport) && address.length === (this.parts.ipVersion === 4 ? 4 : 16) &&
      (capabilities & CAPABILITY.kernelPath) !== 0;
  }

  /** Throws a RunError. */
  #openNamespace(): HelperNamespace {
    try {
      return this.#namespace ??= this.#host.openNamespace();
    } catch (error) {
      throw explained(error);
    }
  }

  /** Makes the helper again if somebody has removed it, and tells whether that was so. */
  #restoreHelper(path: OpenedPath): boolean {
    let restored = false;
    this.#follow((path) => void (restored = path.restoreHelper()));
    if (restored) {
      this.parts.log.warn("kernel_path", `${path.helperName} was removed; it is back`);
    }
    return restored;
  }

  /** Gives a path up on which packets have got lost, if nothing else gets through either. */
  async #testAgain(path: OpenedPath): Promise<void> {
    try {
      await path.selfTest();
    } catch (error) {
      // The node may have gone on, or down, in the meantime.
      if (path === this.#path) this.#giveUp(error instanceof RunError ? error.message : `${error}`);
    }
  }

  #giveUp(why: string): void {
    this.parts.log.warn("kernel_path", `the kernel path is given up: ${why}`);
    this.#obstacle = why;
    this.close();
  }

  /** Looks at some peers at a time. */
  #watchRoutes(): void {
    const begin = this.#watched < this.#rows.size ? this.#watched : 0;
    this.#watched = begin + PATHS_PER_CHECK;
    for (const [index, row] of [...this.#rows].slice(begin, this.#watched)) {
      if (!this.#takesKernelPath(row)) continue;
      if (!sameRoute(this.#reached.get(index), this.#routeTo(row))) this.#update(index, true);
    }
  }

  #reach(index: number, row: PeerRow, anew: boolean): UnderlayRoute | undefined {
    const known = this.#reached.get(index);
    return !anew && same(known?.address, row.address) ? known : this.#routeTo(row);
  }

  /** The kernel's choice; undefined if there is none by a device whose headers the programs know. */
  #routeTo({ address }: PeerRow): UnderlayRoute | undefined {
    const { rt, ipVersion, listen: { host } } = this.parts;
    const path = rt.routeTo({ version: ipVersion, bytes: address });
    const source = ANY_HOST.includes(host) ? path?.source : parseAddress(host);
    const link = path && rt.getLink(path.index);
    if (!link?.ethernet || source?.version !== ipVersion) return undefined;
    const tcp = link.kind === "veth" && this.#host.takesTcpSuperPackets(link.name);
    return { address, ifindex: link.index, source: source.bytes, tcp };
  }
}

/** Why a node is to have no kernel path, by what it runs with; undefined if it may. */
export function whyNoKernelPath(
  { wanted, sealed, mode, traced }: {
    readonly wanted: boolean;
    /** Whether every peer has a key. */
    readonly sealed: boolean;
    readonly mode: "tun" | "tap";
    readonly traced: boolean;
  },
): string | undefined {
  if (!wanted) return "switched off";
  if (sealed) return "every node has a key";
  if (mode === "tap") return "mode tap has none";
  return traced ? "every packet is to be seen" : undefined;
}
