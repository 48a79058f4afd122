/** The node's side of the kernel path: when there is one, what it follows, and what it has done. */

import { SyscallError } from "../../ffi/libc.ts";
import { isOpen, type PeerRow } from "../forwarding/peer_row.ts";
import type { Lanes } from "../dataplane/lanes/lanes.ts";
import { RunError } from "../base/errors.ts";
import { KernelPath } from "../kernel_path/kernel_path.ts";
import type { KernelPathPeer } from "../kernel_path/maps/tables.ts";
import { PATHS_PER_CHECK } from "../base/limits.ts";
import { takesTcpSuperPackets } from "../host/ethtool.ts";
import { ipsecPolicies } from "../host/netlink/ipsec.ts";
import type { Rtnetlink } from "../host/netlink/rtnetlink.ts";
import type { Log } from "../base/log.ts";
import { parseAddress } from "../net/prefix.ts";
import { CAPABILITY } from "../wire/hello.ts";
import type { PublishedTable } from "../peers/publish.ts";

/** What the node's side needs. */
export interface KernelSideParts {
  readonly rt: Rtnetlink;
  readonly lanes: Lanes;
  /** Where the node's UDP socket listens, and by which IP version nodes reach each other. */
  readonly listen: { readonly host: string; readonly port: number };
  readonly ipVersion: 4 | 6;
  /** Why there is to be no kernel path; undefined: it is wanted. */
  readonly unwanted: string | undefined;
  readonly log: Log;
}

/** By which device, and with which address of ours, a peer is reached. */
interface Way {
  readonly address: Uint8Array;
  readonly ifindex: number;
  readonly source: Uint8Array;
  /** Whether super-packets of TCP leave by it, and are not bound for a wire. */
  readonly tcp: boolean;
}

const NO_TABLE: PublishedTable = {
  entries: [],
  routes: [],
  defaultPeer: -1,
  hearsUs: () => false,
};
/** The programs send what the kernel would encrypt, or hold back, as it is. */
const IPSEC = "this host has IPsec policies, which it would pass by";
const ANY_HOST: readonly string[] = ["0.0.0.0", "::"];

const sameAddress = (way: Way | undefined, { address }: PeerRow): boolean =>
  String(way?.address) === String(address);

const sameWay = (one: Way | undefined, other: Way | undefined): boolean =>
  one?.ifindex === other?.ifindex && String(one?.source) === String(other?.source) &&
  one?.tcp === other?.tcp;

/** Opens and closes the kernel path, keeps it in step, and takes over its counts. */
export class KernelSide {
  #path: KernelPath | undefined;
  #table = NO_TABLE;
  /** The ways that were published, by the peer's index; looked up once, then watched. */
  #ways = new Map<number, Way>();
  /** The peer whose way is looked at next. */
  #next = 0;
  /** Whether packets were lost before the last check, and none arrived. */
  #stuck = false;
  /** Counts openings and closings: which one it is that has been waited for. */
  #generation = 0;

  constructor(readonly parts: KernelSideParts) {}

  /** Whether packets may go by it. */
  get inUse(): boolean {
    return this.#path !== undefined;
  }

  /**
   * Opens the path for a device, if it is wanted and works here; says so if not.
   * It follows the last table.
   */
  async open(device: { readonly name: string; readonly index: number }): Promise<void> {
    const { rt, ipVersion, listen: { port }, unwanted, log } = this.parts;
    if (unwanted !== undefined) return log.debug("kernel_path", `no kernel path: ${unwanted}`);
    if (ipsecPolicies() > 0) return log.info("kernel_path", `no kernel path: ${IPSEC}`);
    this.close();
    const generation = this.#generation;
    try {
      const path = await KernelPath.open({ rt, device, ipVersion, port });
      // The device may have been closed in the meantime.
      if (generation !== this.#generation) return path.close();
      this.#path = path;
      this.publish(this.#table);
      const { helper } = path;
      log.debug("kernel_path", `kernel path with ${helper.name} on UDP port ${helper.port} of lo`);
    } catch (error) {
      if (!(error instanceof RunError)) throw error;
      log.info("kernel_path", `${error.message}; packets go by the lanes`);
    }
  }

  /** Follows a table. */
  publish(table: PublishedTable): void {
    this.#table = table;
    if (!this.#path) return;
    this.read();
    const known = this.#ways;
    this.#ways = new Map();
    const peers: KernelPathPeer[] = [];
    table.entries.forEach((entry, index) => {
      if (!this.#runsKernelPath(entry)) return;
      const way = sameAddress(known.get(index), entry) ? known.get(index) : this.#wayTo(entry);
      if (!way) return;
      this.#ways.set(index, way);
      const { port, mtu_bytes } = entry;
      peers.push({ index, port, mtu_bytes, takes: table.hearsUs(index), ...way });
    });
    try {
      this.#path.publish(peers, table.routes, table.defaultPeer);
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      this.#giveUp(error.message);
    }
  }

  /**
   * Looks whether the path still carries, and whether anybody captures on the
   * device. Tells whether the table is to be published again, because a peer is
   * reached by another way now.
   */
  check(): boolean {
    const path = this.#path;
    if (!path) return false;
    this.read();
    const lost = path.lost();
    const { lanes, log } = this.parts;
    lanes.countForKernel("outbound", "send_failed", lost.sendFailed);
    lanes.countForKernel("inbound", "device_rejected", lost.rejected);
    lanes.countForKernel("inbound", "backlog_overflow", lost.overflow);
    lanes.countForKernel("inbound", "unknown_peer", lost.foreign);
    if (ipsecPolicies() > 0) {
      this.#giveUp(IPSEC);
      return false;
    }
    path.letIn();
    const stuck = path.isStuck(lost);
    if (stuck && this.#stuck) {
      this.#giveUp(`nothing comes out of ${path.helper.name}`);
      return false;
    }
    this.#stuck = stuck;
    if (stuck) void this.#proveAgain(path);
    const change = path.watch();
    if (change === "paused") log.info("kernel_path", "somebody captures: packets go by the lanes");
    if (change === "resumed") log.info("kernel_path", "nobody captures any more");
    return this.#waysChanged();
  }

  /** Adds what was carried since the last time to the counters. */
  read(): void {
    for (const { peer, outbound, inbound } of this.#path?.carried() ?? []) {
      this.parts.lanes.countCarried("outbound", peer, outbound);
      this.parts.lanes.countCarried("inbound", peer, inbound);
    }
  }

  /** Takes the path away. */
  close(): void {
    this.read();
    const path = this.#path;
    this.#path = undefined;
    this.#generation++;
    this.#stuck = false;
    this.#ways.clear();
    path?.close();
  }

  /** Whether a peer says, and has said not long ago, that it runs the kernel path. */
  #runsKernelPath({ address, capabilities, transport }: PeerRow): boolean {
    return isOpen(transport) && address.length === (this.parts.ipVersion === 4 ? 4 : 16) &&
      (capabilities & CAPABILITY.kernelPath) !== 0;
  }

  /** Gives a path up on which packets have got lost, if nothing else gets through either. */
  async #proveAgain(path: KernelPath): Promise<void> {
    try {
      await path.prove();
    } catch (error) {
      // The node may have gone on, or down, in the meantime.
      if (path === this.#path) this.#giveUp(error instanceof RunError ? error.message : `${error}`);
    }
  }

  #giveUp(why: string): void {
    this.parts.log.warn("kernel_path", `the kernel path is given up: ${why}`);
    this.close();
  }

  #waysChanged(): boolean {
    const { entries } = this.#table;
    if (this.#next >= entries.length) this.#next = 0;
    const begin = this.#next;
    this.#next += PATHS_PER_CHECK;
    const changed = entries.slice(begin, this.#next).flatMap((entry, i) => {
      const index = begin + i;
      if (!this.#runsKernelPath(entry)) return [];
      return sameWay(this.#ways.get(index), this.#wayTo(entry)) ? [] : [index];
    });
    // It is looked up anew when the table is published.
    for (const index of changed) this.#ways.delete(index);
    return changed.length > 0;
  }

  /** The kernel's choice; undefined if there is none by a device whose headers the programs know. */
  #wayTo({ address }: PeerRow): Way | undefined {
    const { rt, ipVersion, listen: { host } } = this.parts;
    const path = rt.routeTo({ version: ipVersion, bytes: address });
    const source = ANY_HOST.includes(host) ? path?.source : parseAddress(host);
    const link = path && rt.getLink(path.index);
    if (!link?.ethernet || source?.version !== ipVersion) return undefined;
    const tcp = link.kind === "veth" && takesTcpSuperPackets(link.name);
    return { address, ifindex: link.index, source: source.bytes, tcp };
  }
}

/** Why a node is to have no kernel path, by what it runs with; undefined if it may. */
export function whyNoKernelPath(
  { wanted, mode, traced }: {
    readonly wanted: boolean;
    readonly mode: "tun" | "tap";
    readonly traced: boolean;
  },
): string | undefined {
  if (!wanted) return "switched off";
  if (mode === "tap") return "mode tap has none";
  return traced ? "every packet is to be seen" : undefined;
}
