/** A node passes packets on between its pods and the device: that needs ip_forward. */

import { SyscallError } from "../../ffi/libc.ts";
import type { NodeConfig } from "../config/types.ts";
import { readSysctl, writeSysctl } from "./sysctl.ts";
import type { Log } from "../base/log.ts";
import type { IpVersion } from "../net/prefix.ts";

const SETTING = { 4: "net.ipv4.ip_forward", 6: "net.ipv6.conf.all.forwarding" } as const;

/** Reads and writes settings; sysctl.ts has the real ones. */
export interface Sysctl {
  /** Undefined where it does not exist, or cannot be read now. */
  readonly read: (name: string) => string | undefined;
  /** Throws a SyscallError where that is not allowed. */
  readonly write: (name: string, value: string) => void;
}

/** The IP versions that a node has pods of. */
const versionsOf = ({ subnets }: NodeConfig) =>
  ([4, 6] as const).filter((one) => subnets.some(({ version }) => version === one));

/** Forwarding on this host, as the node wants it and as it is. */
export class Forwarding {
  /** Whether it was on when it was looked at last. */
  readonly #on = new Map<IpVersion, boolean>();
  /** Whether it was off, when that was looked at last for the kernel path. */
  #hinders = false;

  constructor(
    readonly log: Log,
    readonly sysctl: Sysctl = { read: readSysctl, write: writeSysctl },
  ) {}

  /** Switches forwarding on for each IP version that the node has pods of, and says so. */
  enable(self: NodeConfig): void {
    const { log, sysctl } = this;
    for (const version of versionsOf(self)) {
      const name = SETTING[version];
      this.#on.set(version, true);
      if (sysctl.read(name) === "1") continue;
      try {
        sysctl.write(name, "1");
        log.info("sysctl", `switched on ${name} (pods need it; --no-sysctl leaves it)`);
      } catch (error) {
        if (!(error instanceof SyscallError)) throw error;
        this.#on.set(version, false);
        log.warn("sysctl", `${name} is off and cannot be set; try: sysctl -w ${name}=1`);
      }
    }
  }

  /**
   * Tells why the kernel path sends nothing while forwarding of the underlay's IP version is off:
   * its look-up of the next hop (bpf_fib_lookup) answers only where packets are passed on. It is
   * not switched on for that: over IPv6, a host that forwards takes no router advertisements.
   * Called again and again, it tells of changes alone.
   */
  tellOfKernelPath(underlay: IpVersion): void {
    const { log, sysctl } = this;
    const name = SETTING[underlay];
    const value = sysctl.read(name);
    if (value === undefined) return;
    const off = value === "0";
    const before = this.#hinders;
    this.#hinders = off;
    if (off === before) return;
    if (!off) return log.info("kernel_path", `${name} is on: the kernel path can send`);
    log.info(
      "kernel_path",
      `packets to peers go by the lanes: the kernel path needs ${name}, which is off; try: sysctl ` +
        `-w ${name}=1 (over IPv6, with accept_ra=2 where this host gets its routes from a router)`,
    );
  }

  /** Tells when somebody has switched it off under the node, or on again: whoever does may mean it. */
  check(self: NodeConfig): void {
    const { log, sysctl } = this;
    for (const version of versionsOf(self)) {
      const name = SETTING[version];
      const value = sysctl.read(name);
      if (value === undefined) continue;
      const on = value !== "0";
      const before = this.#on.get(version);
      this.#on.set(version, on);
      if (before === true && !on) {
        const pods = `IPv${version} packets to and from pods are dropped by this host`;
        log.warn("forwarding_off", `${name} was switched off: ${pods}; try: sysctl -w ${name}=1`);
      }
      if (before === false && on) log.info("forwarding_on", `${name} is on again`);
    }
  }
}
