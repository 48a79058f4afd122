/**
 * The helper of the kernel path's way in: a VXLAN-GPE device of this host, to
 * which the program on the underlay's device hands what it has wrapped
 * (way_in.ts says why). It has no address, and what its own program does not let
 * through goes nowhere: not even if a crash leaves the device behind.
 */

import { ERRNO } from "../../ffi/errno.ts";
import { SyscallError } from "../../ffi/libc.ts";
import { RunError } from "../errors.ts";
import {
  DEVICE_NAME_MAX_BYTES,
  HELPER_MTU_BYTES,
  HELPER_PORT_FIRST,
  HELPER_PORTS,
} from "../limits.ts";
import type { Rtnetlink } from "../link/link.ts";
import { readSysctl } from "../link/sysctl.ts";

/** What the helper's name has more than the tunnel device's. */
const SUFFIX = "-in";

/** Another program has the port; another device like this one has it. */
const TAKEN: readonly number[] = [ERRNO.EADDRINUSE, ERRNO.EEXIST];

/** rp_filter: the source has to come back by the device it came from; by any device. */
const STRICT = 1;
const LOOSE = 2;

/** The helper device, from its making to `close`. */
export class Helper {
  /** What `lo` checked before, if that had to be changed. */
  #loopbackBefore: number | undefined;
  #closed = false;

  private constructor(
    readonly rt: Rtnetlink,
    readonly name: string,
    readonly index: number,
    readonly port: number,
    readonly loopback: number,
  ) {}

  /**
   * Makes the helper of a tunnel's device. `guard` gets its index before it
   * receives anything. One that stands is of a start that crashed, and is made
   * anew. Throws a RunError or a SyscallError.
   */
  static make(rt: Rtnetlink, tunName: string, guard: (index: number) => void): Helper {
    const name = tunName + SUFFIX;
    if (name.length > DEVICE_NAME_MAX_BYTES) {
      throw new RunError({
        what: `no helper for ${tunName}`,
        why: "the device's name is too long",
      });
    }
    const loopback = rt.getLink("lo");
    if (!loopback?.up) throw new RunError({ what: "no helper", why: "lo is down" });
    const stands = rt.getLink(name);
    if (stands && stands.kind !== "vxlan") {
      throw new RunError({
        what: `no helper ${name}`,
        why: "there is another device of this name",
      });
    }
    if (stands) rt.removeLink(stands.index);
    for (let port = HELPER_PORT_FIRST; port < HELPER_PORT_FIRST + HELPER_PORTS; port++) {
      const index = addDevice(rt, name, port, guard);
      if (index !== undefined) return new Helper(rt, name, index, port, loopback.index);
    }
    const last = HELPER_PORT_FIRST + HELPER_PORTS - 1;
    throw new RunError({
      what: `no helper ${name}`,
      why: `the UDP ports ${HELPER_PORT_FIRST} to ${last} are taken`,
    });
  }

  /** Lets packets over `lo` come in. Throws a SyscallError. */
  letIn(): void {
    const [all, own] = ["all", "lo"].map((name) =>
      Number(readSysctl(`net/ipv4/conf/${name}/rp_filter`) ?? 0)
    );
    // What is wrapped has a peer's address, and no route to a peer leads over lo.
    if (Math.max(all!, own!) !== STRICT) return;
    this.rt.setIpv4(this.loopback, { rpFilter: LOOSE });
    this.#loopbackBefore = own!;
  }

  /** Removes the device, and leaves `lo` as it was. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    try {
      if (this.#loopbackBefore !== undefined) {
        this.rt.setIpv4(this.loopback, { rpFilter: this.#loopbackBefore });
      }
    } finally {
      if (this.rt.getLink(this.name)?.index === this.index) this.rt.removeLink(this.index);
    }
  }
}

/** Makes the device and switches it on; undefined: the port is taken. */
function addDevice(
  rt: Rtnetlink,
  name: string,
  port: number,
  guard: (index: number) => void,
): number | undefined {
  try {
    // Below 1,280 bytes the kernel runs no IPv6 on a device. Nothing is ever sent by it.
    rt.addVxlan({ name, port, mtu_bytes: HELPER_MTU_BYTES });
    const link = rt.getLink(name);
    if (!link) throw new RunError({ what: `the device ${name} vanished` });
    rt.setIpv4(link.index, { rpFilter: STRICT, forwarding: false });
    guard(link.index);
    rt.setLink(link.index, { up: true });
    return link.index;
  } catch (error) {
    const made = rt.getLink(name);
    if (made) rt.removeLink(made.index);
    if (error instanceof SyscallError && TAKEN.includes(error.errno)) return undefined;
    throw error;
  }
}
