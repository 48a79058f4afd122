/** What the kernel path holds in the kernel: its maps, programs and helper device. */

import { libc, SyscallError } from "../../ffi/libc.ts";
import { NODES_MAX, SUBNETS_MAX } from "../base/limits.ts";
import type { Rtnetlink } from "../host/netlink/rtnetlink.ts";
import { attachForGood, BpfMap, loadProgram } from "./bpf/syscalls.ts";
import { UNDERLAY } from "./programs/headers.ts";
import { Helper } from "./helper_device.ts";
import type { HelperNamespace } from "./helper_namespace.ts";
import * as records from "./maps/records.ts";
import { helperEgress, helperIngress, wayIn } from "./programs/underlay_ingress.ts";
import { wayOut } from "./programs/tun_egress.ts";

/** What the kernel path is made for. */
export interface KernelPathParts {
  readonly rt: Rtnetlink;
  /** Where the helper leads to. */
  readonly namespace: HelperNamespace;
  /** The tunnel's device. */
  readonly device: { readonly name: string; readonly index: number };
  /** The IP version that nodes reach each other by, and the node's UDP port. */
  readonly ipVersion: 4 | 6;
  readonly port: number;
}

/** The maps that the programs share with this process (records.ts has their layouts). */
export interface KernelMaps {
  readonly routes4: BpfMap;
  readonly routes6: BpfMap;
  readonly peers: BpfMap;
  readonly senders: BpfMap;
  readonly counts: BpfMap;
  readonly events: BpfMap;
}

/** New entries come before old ones go (mirror.ts); and what is reserved has some (tables.ts). */
const ROUTES_MAX = 2 * (SUBNETS_MAX + NODES_MAX) + 16;

/** Maps, programs and helper, from `open` to `close`. */
export class KernelResources {
  readonly #closers: (() => void)[] = [];
  readonly maps: KernelMaps;
  readonly helper: Helper;
  /** Descriptors of the programs that are attached to the tunnel's and the underlay's devices. */
  readonly programs: { readonly out: number; readonly in: number };

  /** Throws a RunError or a SyscallError, and nothing is left then. */
  constructor(
    { rt, namespace, device, ipVersion, port }: KernelPathParts,
    helperName: string,
  ) {
    try {
      this.maps = this.#makeMaps(UNDERLAY[ipVersion].addressBytes);
      const { maps } = this;
      const fds = Object.fromEntries(
        Object.entries(maps).map(([name, { fd }]) => [name, fd]),
      ) as Record<keyof KernelMaps, number>;
      const common = { ...fds, ipVersion, port, tunIfindex: device.index };
      const onHelper = {
        in: this.#program("tunnet_helper", helperIngress(common)),
        out: this.#program("tunnet_guard", helperEgress(common)),
      };
      this.helper = Helper.make(rt, namespace, helperName, (index) => {
        attachForGood(onHelper.in, index, "in");
        attachForGood(onHelper.out, index, "out");
      });
      this.#closers.push(() => this.helper.close());
      const helperIfindex = this.helper.index;
      this.programs = {
        out: this.#program("tunnet_out", wayOut(common)),
        in: this.#program("tunnet_in", wayIn({ ...common, helperIfindex })),
      };
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Lets go of everything, the last first; what the kernel refuses is left to it. */
  close(): void {
    for (const close of this.#closers.splice(0).reverse()) {
      try {
        close();
      } catch (error) {
        if (!(error instanceof SyscallError)) throw error;
      }
    }
  }

  #makeMaps(addressBytes: number): KernelMaps {
    const { ROUTE_KEY, OWNER_BYTES } = records;
    const senderKey = records.senderKeyLayout(addressBytes);
    const make = (...what: ConstructorParameters<typeof BpfMap>): BpfMap => {
      const map = new BpfMap(...what);
      this.#closers.push(() => map.close());
      return map;
    };
    return {
      routes4: make("lpmTrie", ROUTE_KEY.address + 4, OWNER_BYTES, ROUTES_MAX),
      routes6: make("lpmTrie", ROUTE_KEY.address + 16, OWNER_BYTES, ROUTES_MAX),
      peers: make("hash", 4, records.PEER.size, NODES_MAX),
      senders: make("hash", senderKey.size, records.SENDER.size, 2 * NODES_MAX),
      counts: make("perCpuHash", 4, records.COUNTS.size, NODES_MAX),
      events: make("perCpuArray", 4, records.EVENTS.size, 1),
    };
  }

  #program(name: string, instructions: Uint8Array<ArrayBuffer>): number {
    return this.#descriptor(loadProgram(name, instructions));
  }

  #descriptor(fd: number): number {
    this.#closers.push(() => void libc().call.close(fd));
    return fd;
  }
}
