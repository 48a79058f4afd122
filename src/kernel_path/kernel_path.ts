/**
 * The kernel path: packets between two nodes that both have it never leave the
 * kernel. Three programs (tun_egress.ts, underlay_ingress.ts) share maps with this process,
 * which keeps them in step with the forwarding table, reads what they count, and
 * tells when they turn out not to carry. The lanes stay, and get every packet
 * that the programs leave alone.
 */

import { ERRNO } from "../../ffi/errno.ts";
import { libc, SyscallError } from "../../ffi/libc.ts";
import { RunError } from "../base/errors.ts";
import {
  PACKET_SOCKETS_MAX_BYTES,
  SELF_TEST_ATTEMPTS,
  SELF_TEST_INTERVAL_MS,
} from "../base/limits.ts";
import { readKernelFile } from "../host/sysctl.ts";
import type { Route } from "../forwarding/prefixes.ts";
import { attachProgram } from "./bpf/syscalls.ts";
import { Helper } from "./helper_device.ts";
import { explained } from "./obstacle.ts";
import { isWatched } from "./packet_sockets.ts";
import { type KernelPathParts, KernelResources } from "./resources.ts";
import { type KernelPathPeer, KernelTables } from "./maps/tables.ts";
import { type Carried, type Lost, Tally } from "./maps/tally.ts";

/** The kernel path between `open` and `close`. */
export class KernelPath {
  readonly #resources: KernelResources;
  readonly #tables: KernelTables;
  readonly #tally: Tally;
  /** Links of the ingress program, by the index of the device that it is attached to. */
  readonly #underlays = new Map<number, number>();
  /** Link of the egress program, while it is attached. */
  #egressLink: number | undefined;

  private constructor(readonly parts: KernelPathParts, helperName: string) {
    this.#resources = new KernelResources(parts, helperName);
    const { maps } = this.#resources;
    this.#tables = new KernelTables(maps);
    this.#tally = new Tally(maps.counts, maps.events);
  }

  /**
   * Loads the programs, makes the helper, and tries whether packets come through.
   * Throws a RunError that says why there is no kernel path here, or a SyscallError where the host
   * is out of something for now; nothing of it is left then.
   */
  static async open(parts: KernelPathParts): Promise<KernelPath> {
    let path: KernelPath | undefined;
    try {
      path = new KernelPath(parts, await Helper.freeName(parts.rt, parts.device.name));
      await path.selfTest();
      path.watch();
      return path;
    } catch (error) {
      path?.close();
      throw explained(error);
    }
  }

  /** Name of the helper device. */
  get helperName(): string {
    return this.#resources.helper.name;
  }

  /**
   * Takes over what is known of one peer. Like `setRoutes`, it throws a
   * SyscallError where the kernel takes no more; the path is to be closed then.
   */
  setPeer(peer: KernelPathPeer): void {
    // Before packets are sent there, and answered.
    this.#attach(peer.ifindex);
    this.#tables.setPeer(peer);
    this.#detachIdle();
  }

  /** Forgets one peer, and its counts. */
  clearPeer(index: number): void {
    this.#tables.clearPeer(index);
    this.#tally.forget(index);
    this.#detachIdle();
  }

  /** Takes over all routes. `defaultPeer` is -1 where there is none. */
  setRoutes(routes: readonly Route[], defaultPeer: number): void {
    this.#tables.setRoutes(routes, defaultPeer);
  }

  /** What was carried to and from a peer since the last call. */
  carried(index: number): Carried | undefined {
    return this.#tally.carried(index);
  }

  /** What was lost since the last call. */
  lost(): Lost {
    return this.#tally.lost();
  }

  /** Whether packets that come in do not come through, going by what `lost` has just told. */
  isStuck(lost: Lost): boolean {
    return this.#tally.isStuck(lost);
  }

  /**
   * Makes the helper again if somebody has removed it, or switches it on. Tells
   * whether that was so. Throws a SyscallError where it does not work.
   */
  restoreHelper(): boolean {
    return this.#resources.helper.restore();
  }

  /** Throws a RunError if a packet that is to be unwrapped does not come out of the helper. */
  async selfTest(): Promise<void> {
    const before = this.#tally.selfTests();
    for (let attempt = 0; attempt < SELF_TEST_ATTEMPTS; attempt++) {
      this.parts.namespace.sendSelfTest();
      if (this.#tally.selfTests() > before) return;
      // A count of the kernel's wakes nobody.
      await new Promise((resolve) => setTimeout(resolve, SELF_TEST_INTERVAL_MS));
    }
    throw new RunError({
      what: "no kernel path",
      why: `nothing comes out of ${this.helperName}`,
    });
  }

  /**
   * Leaves what goes out to the lanes while somebody captures on the device: the
   * kernel shows a packet there only after the program (tcx runs before the
   * taps), so tcpdump would see half of what goes on. Tells what has changed.
   */
  watch(): "paused" | "resumed" | undefined {
    const sockets = readKernelFile("/proc/net/packet", PACKET_SOCKETS_MAX_BYTES) ?? "";
    const watched = isWatched(sockets, this.parts.device.index);
    if (watched === (this.#egressLink === undefined)) return undefined;
    if (watched) {
      this.#detach(this.#egressLink!);
      this.#egressLink = undefined;
      return "paused";
    }
    this.#egressLink = attachProgram(
      this.#resources.programs.out,
      this.parts.device.index,
      "out",
    );
    return "resumed";
  }

  /** Takes the programs away, and everything that was made for them. */
  close(): void {
    if (this.#egressLink !== undefined) this.#detach(this.#egressLink);
    this.#egressLink = undefined;
    for (const link of this.#underlays.values()) this.#detach(link);
    this.#underlays.clear();
    this.#resources.close();
  }

  /** Attaches the ingress program to a device by which a peer is reached. */
  #attach(ifindex: number): void {
    if (this.#underlays.has(ifindex)) return;
    try {
      this.#underlays.set(ifindex, attachProgram(this.#resources.programs.in, ifindex, "in"));
    } catch (error) {
      // It has just gone; the peers will be reached by another one, or not at all.
      if (!(error instanceof SyscallError) || error.errno !== ERRNO.ENODEV) throw error;
    }
  }

  /** Detaches it where no peer is reached any more. */
  #detachIdle(): void {
    const used = new Set<number>();
    for (const { ifindex } of this.#tables.peers.values()) used.add(ifindex);
    for (const [ifindex, link] of this.#underlays) {
      if (used.has(ifindex)) continue;
      this.#detach(link);
      this.#underlays.delete(ifindex);
    }
  }

  #detach(link: number): void {
    libc().call.close(link);
  }
}
