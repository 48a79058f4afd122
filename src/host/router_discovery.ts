/**
 * A tunnel's device asks for no routers and hears none: a router advertisement that came
 * through it would give this host an address and its IPv6 default route.
 */

import { SyscallError } from "../../ffi/libc.ts";
import type { Sysctl } from "./ip_forward.ts";
import type { Rtnetlink } from "./netlink/rtnetlink.ts";
import { readSysctl, writeSysctl } from "./sysctl.ts";

/** Of Documentation/networking/ip-sysctl.rst, below net.ipv6.conf.DEVICE. */
const SETTINGS = [
  ["accept_ra", "0"],
  // No link-local address, from which the kernel would ask for routers and report groups.
  ["addr_gen_mode", "1"],
] as const;

/** A setting below net.ipv6.conf.DEVICE, and a value of it. */
export type RouterSetting = readonly [name: string, value: string];

const SYSTEM: Sysctl = { read: readSysctl, write: writeSysctl };

const pathOf = (device: string, setting: string): string => `net/ipv6/conf/${device}/${setting}`;

/** The settings of a device; a service may not write all of them, but may configure its device. */
export function deviceSysctl(rt: Pick<Rtnetlink, "setLink">, { index }: { index: number }): Sysctl {
  return {
    read: readSysctl,
    write: (name, value) => {
      if (name.endsWith("/addr_gen_mode")) rt.setLink(index, { addressMode: Number(value) });
      else writeSysctl(name, value);
    },
  };
}

/** What `ignoreRouters` would change, as it is now. */
export function routerSettings(device: string, sysctl = SYSTEM): readonly RouterSetting[] {
  return SETTINGS.flatMap(([setting, value]) => {
    const before = sysctl.read(pathOf(device, setting));
    return before === undefined || before === value ? [] : [[setting, before] as const];
  });
}

/** Writes these settings, of which only those that `ignoreRouters` changes are; where that is not allowed, none. */
export function writeRouterSettings(
  device: string,
  settings: readonly RouterSetting[],
  sysctl = SYSTEM,
): void {
  for (const [setting, value] of settings) {
    if (!SETTINGS.some(([name]) => name === setting)) continue;
    try {
      sysctl.write(pathOf(device, setting), value);
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
    }
  }
}

/**
 * Switches both off, before the device is switched on; what is returned puts back what was.
 * Where that is not allowed, or without IPv6, nothing happens: lanes drop what comes anyway.
 */
export function ignoreRouters(device: string, sysctl = SYSTEM): () => void {
  const before = routerSettings(device, sysctl);
  const wanted = SETTINGS.filter(([name]) => before.some(([one]) => one === name));
  writeRouterSettings(device, wanted, sysctl);
  return () => writeRouterSettings(device, before, sysctl);
}
