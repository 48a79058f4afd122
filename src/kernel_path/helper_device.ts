/**
 * The helper of the kernel path's ingress: a VXLAN-GPE device of this host, to
 * which the program on the underlay's device hands what it has wrapped
 * (underlay_ingress.ts says why). It has no address, and what its own program does not let
 * through goes nowhere: the program stays on the device even if a crash leaves
 * that behind.
 */

import { ERRNO } from "../../ffi/errno.ts";
import { SyscallError } from "../../ffi/libc.ts";
import { RunError } from "../base/errors.ts";
import {
  DEVICE_NAME_MAX_BYTES,
  HELPER_MTU_BYTES,
  HELPER_PORT_FIRST,
  HELPER_PORTS,
} from "../base/limits.ts";
import type { Ipv4Settings, Rtnetlink } from "../host/netlink/rtnetlink.ts";
import { readSysctl } from "../host/sysctl.ts";

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
  #loopbackBefore: Required<Ipv4Settings> | undefined;

  private constructor(
    readonly rt: Rtnetlink,
    readonly name: string,
    readonly index: number,
    readonly port: number,
    readonly loopback: number,
  ) {}

  /**
   * Makes the helper of a tunnel's device. `guard` gets its index before it
   * receives anything: packets come in with `admitLoopback`. One that exists is of a
   * start that crashed, and is made anew. Throws a RunError or a SyscallError.
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
    const existing = rt.getLink(name);
    if (existing && existing.kind !== "vxlan") {
      throw new RunError({
        what: `no helper ${name}`,
        why: "there is another device of this name",
      });
    }
    if (existing) rt.removeLink(existing.index);
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

  /**
   * Makes `lo` take IPv4 that is wrapped, which has a peer's address and
   * goes to 127.0.0.1; again, if somebody has changed that. IPv6 needs no leave.
   * Throws a SyscallError.
   */
  admitLoopback(): void {
    const read = (name: string, setting: string) =>
      Number(readSysctl(`net/ipv4/conf/${name}/${setting}`) ?? 0);
    const rpFilter = read("lo", "rp_filter");
    const routeLocalnet = read("lo", "route_localnet") !== 0;
    // No route to a peer leads over lo. The larger of the two holds.
    const strict = Math.max(read("all", "rp_filter"), rpFilter) === STRICT;
    if (!strict && routeLocalnet) return;
    this.#loopbackBefore ??= { rpFilter, routeLocalnet };
    const change = { ...(strict ? { rpFilter: LOOSE } : {}), routeLocalnet: true };
    this.rt.setIpv4(this.loopback, change);
  }

  /** Removes the device, and leaves `lo` as it was. */
  close(): void {
    try {
      if (this.#loopbackBefore) this.rt.setIpv4(this.loopback, this.#loopbackBefore);
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
