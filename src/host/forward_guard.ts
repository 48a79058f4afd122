/**
 * What this host passes on to other nodes: no datagrams with an address that is not behind the
 * interface by which they came. A container with a raw socket could otherwise pose as a node
 * towards the others, which see but this host's own interface; rp_filter does not help where it is
 * loose, nor over IPv6. The kernel itself looks up the routes (nft_fib). What a killed process has
 * left is taken over by the next one with the same device.
 */

import { SyscallError } from "../../ffi/libc.ts";
import type { Log } from "../base/log.ts";
import {
  count,
  drop,
  type Expression,
  ForwardTable,
  isEqual,
  loadProtocol,
  loadReversePath,
  loadTransport,
} from "./netlink/nftables.ts";

const UDP_PROTOCOL = 17;
/** Where UDP's header has the destination port. */
const PORT_AT = 2;

/** As many ports of nodes are looked at: one is the rule. */
const PORTS_MAX = 16;

/** Drops UDP to a port that does not come from where its source is. */
function ruleFor(port: number): readonly Expression[] {
  return [
    ...[loadProtocol, isEqual(UDP_PROTOCOL)],
    ...[loadTransport(PORT_AT, 2), isEqual(port >> 8, port & 0xff)],
    ...[loadReversePath, isEqual(0, 0, 0, 0)],
    ...[count, drop],
  ];
}

/** The table of the node with a device, whose name may hold what no table's should. */
export function forwardTableName(device: string): string {
  const hex = (one: string) => `_${one.charCodeAt(0).toString(16)}`;
  return `tunnet-${device.replace(/[^A-Za-z0-9.-]/g, hex)}`;
}

/** The table as it is used here. */
type Guarding = Pick<ForwardTable, "make" | "replace" | "remove">;

/** Guards what this host passes on, from the first `cover` to `close`. */
export class ForwardGuard {
  #table: Guarding | undefined;
  #ports: readonly number[] = [];
  #failed = false;

  constructor(
    readonly device: string,
    readonly log: Log,
    readonly open: (name: string) => Guarding = (name) => new ForwardTable(name),
  ) {}

  /** Datagrams to these ports of nodes are looked at. Where that cannot be, it is told once. */
  cover(ports: Iterable<number>): void {
    const wanted = [...new Set(ports)].slice(0, PORTS_MAX);
    if (String(wanted) === String(this.#ports)) return;
    this.#ports = wanted;
    this.#try((table) => {
      table.make();
      table.replace(wanted.map(ruleFor));
    });
  }

  /** Puts it back where somebody has removed it, as the start of a firewall does. */
  check(): void {
    this.#try((table) => {
      if (!table.make()) return;
      table.replace(this.#ports.map(ruleFor));
      this.log.info(
        "forward_guard",
        `the packet filter ${forwardTableName(this.device)} was put back`,
      );
    });
  }

  /** Takes it away. */
  close(): void {
    this.#try((table) => table.remove());
    this.#table = undefined;
    this.#ports = [];
  }

  #try(work: (table: Guarding) => void): void {
    if (this.#failed || this.#ports.length === 0) return;
    try {
      this.#table ??= this.open(forwardTableName(this.device));
      work(this.#table);
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      this.#failed = true;
      this.log.warn(
        "forward_guard",
        "containers with a raw socket could send to other nodes in a node's name: this host has " +
          `no packet filter against that (${error.message})`,
      );
    }
  }
}
