/**
 * By which interfaces datagrams of each peer count: those through which this host
 * would answer it. So a container that sends with a peer's address, or a user of
 * this host, is not taken for the peer, whatever rp_filter says; where nodes really
 * are behind a bridge, or on lo, the routes say so.
 */

import { SyscallError } from "../../ffi/libc.ts";
import { PATHS_PER_CHECK, ROUTES_LOOK_INTERVAL_MS } from "../base/limits.ts";
import type { Log } from "../base/log.ts";
import type { Time } from "../base/time.ts";
import type { PeerRow } from "../forwarding/peer_row.ts";
import type { Rtnetlink } from "../host/netlink/rtnetlink.ts";
import { interfaceFilter } from "../io/interface_filter.ts";
import { formatAddress, type IpVersion, sameBytes } from "../net/prefix.ts";
import type { TableFollower } from "./publish.ts";
import type { Registry } from "./registry.ts";

/** What leads to a peer. */
interface Reached {
  readonly address: Uint8Array;
  readonly interfaces: readonly number[];
}

const same = (one: readonly number[], other: readonly number[]): boolean =>
  String(one) === String(other);

/** What `Interfaces` needs. */
export interface InterfacesParts {
  readonly registry: Pick<Registry, "at">;
  readonly rt: Pick<Rtnetlink, "getLink" | "interfacesTo">;
  readonly ipVersion: IpVersion;
  /** Whether there are peers whose datagrams tell by themselves who sent them. */
  readonly keyed: boolean;
  /** Gives the socket a filter (io/interface_filter.ts). Throws a SyscallError. */
  readonly attach: (program: Uint8Array<ArrayBuffer>) => void;
  readonly time: Pick<Time, "now_ms">;
  readonly log: Log;
}

/** Keeps the socket's filter in step with peers and routes. */
export class Interfaces implements TableFollower {
  readonly #reached = new Map<number, Reached>();
  /** Peers of which a wrong interface was told since their routes have changed. */
  readonly #told = new Set<number>();
  #stale = false;
  #exact = true;
  /** The program that the socket has. */
  #program = new Uint8Array(0);
  /** How many peers have been looked at in this round. */
  #looked = 0;
  #lookedAtAll_ms = -Infinity;
  #trouble = "";

  /** Until a peer is set, nothing counts. Throws a SyscallError. */
  constructor(readonly parts: InterfacesParts) {
    this.#attach();
  }

  /** Follows one peer's row: `published` brings the filter in step. */
  setPeer(index: number, { address }: PeerRow): void {
    const before = this.#reached.get(index);
    if (before && sameBytes(before.address, address)) return;
    if (address.length === 0) return this.clearPeer(index);
    this.#set(index, { address, interfaces: this.#interfacesTo(address, []) });
  }

  /** An index is nobody's any more. */
  clearPeer(index: number): void {
    this.#told.delete(index);
    if (this.#reached.delete(index)) this.#stale = true;
  }

  /** Whose subnets are where does not matter. */
  setRoutes(): void {}

  /** Brings the filter in step with the rows. */
  published(): void {
    if (!this.#stale) return;
    try {
      this.#attach();
      this.#trouble = "";
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      // The kernel is short of memory: the last filter holds, and the next check tries again.
      if (error.message !== this.#trouble) this.parts.log.warn("interfaces", error.message);
      this.#trouble = error.message;
    }
  }

  /** Looks at the routes to some peers. */
  check(): void {
    const peers = [...this.#reached.keys()];
    const begin = this.#looked < peers.length ? this.#looked : 0;
    this.#looked = begin + PATHS_PER_CHECK;
    const changed = peers.slice(begin, this.#looked).filter((index) => this.#look(index));
    if (changed.length > 0) this.#lookAtAll();
    this.published();
  }

  /**
   * A datagram has come from a peer's address by another interface: has its route
   * changed? Lanes report a bounded number per second.
   */
  hear(index: number): void {
    if (!this.#reached.has(index)) return;
    if (this.#look(index)) {
      this.#lookAtAll();
      this.published();
    } else this.#tell(index);
  }

  #set(index: number, reached: Reached): void {
    this.#reached.set(index, reached);
    this.#told.delete(index);
    this.#stale = true;
  }

  /** Looks up how a peer is reached; tells whether that has changed. */
  #look(index: number): boolean {
    const { address, interfaces: before } = this.#reached.get(index)!;
    const interfaces = this.#interfacesTo(address, before);
    if (same(before, interfaces)) return false;
    this.#set(index, { address, interfaces });
    return true;
  }

  /** An underlay that has moved has done so for many. */
  #lookAtAll(): void {
    const now_ms = this.parts.time.now_ms();
    if (now_ms - this.#lookedAtAll_ms < ROUTES_LOOK_INTERVAL_MS) return;
    this.#lookedAtAll_ms = now_ms;
    for (const index of this.#reached.keys()) this.#look(index);
  }

  /** `otherwise` where the kernel is short of memory: the next check asks again. */
  #interfacesTo(address: Uint8Array, otherwise: readonly number[]): readonly number[] {
    const { rt, ipVersion } = this.parts;
    try {
      // A lookup begins with whichever next hop it meets.
      return rt.interfacesTo({ version: ipVersion, bytes: address }).toSorted();
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      return otherwise;
    }
  }

  #attach(): void {
    const { ipVersion, keyed, attach, log } = this.parts;
    const { program, exact } = interfaceFilter([...this.#reached.values()], ipVersion, keyed);
    if (!sameBytes(program, this.#program)) attach(program);
    this.#program = program;
    this.#stale = false;
    if (this.#exact && !exact) {
      log.warn(
        "interfaces",
        "peers are behind too many interfaces, in turn, for the socket's filter: an interface " +
          "that leads to one of them counts for all",
      );
    }
    this.#exact = exact;
  }

  #tell(index: number): void {
    const peer = this.parts.registry.at(index);
    if (!peer || this.#told.has(index)) return;
    this.#told.add(index);
    const { address, interfaces } = this.#reached.get(index)!;
    const names = interfaces.map((one) => this.parts.rt.getLink(one)?.name ?? `${one}`);
    const led = names.length === 0 ? "no route leads there" : `${names.join(", ")} leads there`;
    this.parts.log.warn(
      "wrong_interface",
      `datagrams from ${formatAddress(address)} (${peer.name}) come in by another interface, but ` +
        `${led}: they are dropped; somebody forges them, or the routes there and back differ`,
      { peer: peer.name, interfaces: names },
    );
  }
}
