/** What a change that the kernel refuses means to a user. */

import { ERRNO } from "../../../ffi/errno.ts";
import type { SyscallError } from "../../../ffi/libc.ts";
import { RunError } from "../../base/errors.ts";
import { MTU_IPV6_MIN_BYTES } from "../../base/limits.ts";
import type { IpVersion } from "../../net/prefix.ts";
import { RtnetlinkError } from "./exchange.ts";
import type { LinkInfo } from "./rtnetlink.ts";
import { readKernelFile, readSysctl } from "../sysctl.ts";

const KERNEL_WITHOUT_IPV6 = "this host's kernel runs without IPv6";

/** The setting that switches IPv6 off for this device. */
function ipv6Switch(device: string): string {
  const scope = ["all", "default"].find((name) =>
    readSysctl(`net.ipv6.conf.${name}.disable_ipv6`) === "1"
  );
  // sysctl(8) writes a dot inside a name as a slash.
  return `net.ipv6.conf.${scope ?? device.replaceAll(".", "/")}.disable_ipv6`;
}

/**
 * Why a device can have no IPv6: the setting that switches it off, or a kernel without it.
 * Undefined where it can, or where that cannot be seen.
 */
export function whyNoIpv6(device: string): string | undefined {
  const off = readSysctl(`net/ipv6/conf/${device}/disable_ipv6`) === "1";
  if (off) return `${ipv6Switch(device)} is 1`;
  const there = (file: string) => readKernelFile(`/proc/net/${file}`, 1) !== undefined;
  return there("dev") && !there("if_inet6") ? KERNEL_WITHOUT_IPV6 : undefined;
}

/**
 * The error that says in words what a failed change to a device means. `link` is
 * the device as it is now; `version` is set for addresses and routes.
 */
export function explain(
  what: string,
  error: SyscallError,
  link: LinkInfo | undefined,
  version?: IpVersion,
): RunError {
  const { errno } = error;
  if (errno === ERRNO.EPERM) {
    return new RunError({ what, why: "it needs root or CAP_NET_ADMIN", how: "sudo" });
  }
  if (!link) return new RunError({ what, why: "the device is gone" });
  if (version === 6) {
    if (errno === ERRNO.EACCES) {
      return new RunError({
        what,
        why: `IPv6 is switched off: ${ipv6Switch(link.name)} is 1`,
        how: `sysctl -w ${ipv6Switch(link.name)}=0`,
      });
    }
    if (errno === ERRNO.EAFNOSUPPORT || errno === ERRNO.EOPNOTSUPP) {
      return new RunError({
        what,
        why: KERNEL_WITHOUT_IPV6,
        how: "boot without ipv6.disable=1, or configure no IPv6 subnets",
      });
    }
    if (link.mtu_bytes < MTU_IPV6_MIN_BYTES) {
      return new RunError({
        what,
        why: `IPv6 needs an MTU of ${MTU_IPV6_MIN_BYTES} and the device has ${link.mtu_bytes}`,
        how: `mtu: ${MTU_IPV6_MIN_BYTES} or more`,
      });
    }
  }
  const reason = error instanceof RtnetlinkError ? error.reason : undefined;
  return new RunError({ what, why: reason ?? error.errnoName });
}
