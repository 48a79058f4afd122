/**
 * A tunnel's device asks for no routers and hears none: a router advertisement that came
 * through it would give this host an address and its IPv6 default route.
 */

import { SyscallError } from "../../ffi/libc.ts";
import type { Sysctl } from "./ip_forward.ts";
import { readSysctl, writeSysctl } from "./sysctl.ts";

/** Of Documentation/networking/ip-sysctl.rst, below net.ipv6.conf.DEVICE. */
const SETTINGS = [
  ["accept_ra", "0"],
  // No link-local address, from which the kernel would ask for routers and report groups.
  ["addr_gen_mode", "1"],
] as const;

/**
 * Switches both off, before the device is switched on; what is returned puts back what was.
 * Where that is not allowed, or without IPv6, nothing happens: lanes drop what comes anyway.
 */
export function ignoreRouters(
  device: string,
  sysctl: Sysctl = { read: readSysctl, write: writeSysctl },
): () => void {
  const changed: (readonly [name: string, before: string])[] = [];
  const write = (name: string, value: string): boolean => {
    try {
      sysctl.write(name, value);
      return true;
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      return false;
    }
  };
  for (const [setting, value] of SETTINGS) {
    const name = `net/ipv6/conf/${device}/${setting}`;
    const before = sysctl.read(name);
    if (before === undefined || before === value) continue;
    if (write(name, value)) changed.push([name, before]);
  }
  return () => {
    for (const [name, before] of changed) write(name, before);
  };
}
