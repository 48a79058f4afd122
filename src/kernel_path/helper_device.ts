/**
 * The helper of the kernel path's ingress: the end on this host of the veth pair
 * that leads to the helper's namespace. It has no address, and programs on both
 * its ways: what comes has been unwrapped, nothing of this host goes there.
 */

import { RunError } from "../base/errors.ts";
import {
  DEVICE_NAME_MAX_BYTES,
  HELPER_MTU_BYTES,
  HELPER_NAME_ATTEMPTS,
  HELPER_NAME_INTERVAL_MS,
} from "../base/limits.ts";
import type { Rtnetlink } from "../host/netlink/rtnetlink.ts";
import type { HelperNamespace } from "./helper_namespace.ts";

/** What the helper's name has more than the tunnel device's. */
const SUFFIX = "-in";

/** What makes and removes the pair that the helper is one end of. */
export type HelperPair = Pick<HelperNamespace, "connect" | "disconnect">;

/** Attaches programs to a device, before it receives anything. */
export type Guard = (index: number) => void;

// Nobody tells how far the kernel is.
const wait = (): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, HELPER_NAME_INTERVAL_MS));

/** The helper device, from its making to `close`. */
export class Helper {
  private constructor(
    readonly rt: Rtnetlink,
    readonly pair: HelperPair,
    readonly guard: Guard,
    readonly name: string,
    readonly index: number,
  ) {}

  /**
   * The name of a tunnel device's helper, once there is no device of this name: one
   * of a process that was killed just now goes when the kernel has got round to it.
   * Throws a RunError if it stays.
   */
  static async freeName(rt: Rtnetlink, tunName: string, pause = wait): Promise<string> {
    const name = tunName + SUFFIX;
    if (name.length > DEVICE_NAME_MAX_BYTES) {
      throw new RunError({
        what: `no helper for ${tunName}`,
        why: "the device's name is too long",
      });
    }
    for (let attempt = 0; attempt < HELPER_NAME_ATTEMPTS; attempt++) {
      if (!rt.getLink(name)) return name;
      await pause();
    }
    throw new RunError({ what: `no helper ${name}`, why: "there is another device of this name" });
  }

  /** Makes the device. Throws a RunError or a SyscallError, and nothing is left then. */
  static make(rt: Rtnetlink, pair: HelperPair, name: string, guard: Guard): Helper {
    try {
      pair.connect(name);
      const link = rt.getLink(name);
      if (!link) throw new RunError({ what: `the device ${name} vanished` });
      const helper = new Helper(rt, pair, guard, name, link.index);
      helper.#switchOn();
      return helper;
    } catch (error) {
      pair.disconnect();
      throw error;
    }
  }

  /**
   * Makes the device again, as it was, if somebody has removed it or taken it
   * elsewhere, and switches it on. Tells whether there was anything to do. Throws
   * a SyscallError where that does not work.
   */
  restore(): boolean {
    const link = this.rt.getLink(this.index);
    if (link?.up) return false;
    if (link) {
      this.rt.setLink(this.index, { up: true });
    } else {
      this.pair.connect(this.name, this.index);
      this.#switchOn();
    }
    return true;
  }

  /** Removes the device. */
  close(): void {
    this.pair.disconnect();
  }

  #switchOn(): void {
    this.guard(this.index);
    // Below 1,280 bytes the kernel runs no IPv6 on a device. Nothing is ever sent by it.
    this.rt.setLink(this.index, { mtu_bytes: HELPER_MTU_BYTES, up: true });
  }
}
