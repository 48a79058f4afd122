/** Settings of the kernel that decide whether packets are passed on. Pure. */

import type { IpVersion } from "../../../net/prefix.ts";
import { type Check, checksOf, type Finding } from "../check.ts";
import type { Facts } from "../facts.ts";
import {
  bridgeOf,
  deviceOf,
  forwardingSetting,
  interfaceSetting,
  isRunning,
  isWithoutIpv6,
  settingText,
  versionName,
  versionsOf,
} from "../view.ts";

/** Of Documentation/networking/ip-sysctl.rst, rp_filter: 1 is strict, 2 loose. */
const STRICT = "1";
/** Read at boot; the service's own file is another. */
const SYSCTL_FILE = "/etc/sysctl.d/61-tunnet.conf";

/** Now, and at each boot (sysctl.d(5)). */
function set(setting: string, value: string): Required<Pick<Finding, "fix" | "lasting">> {
  const name = settingText(setting);
  return {
    fix: `sysctl -w ${name}=${value}`,
    lasting: `echo '${name} = ${value}' >>${SYSCTL_FILE}`,
  };
}

/** Names of the interfaces that a pod's packet crosses on this host. */
function crossed(facts: Facts, version: IpVersion): readonly string[] {
  const bridges = facts.self.subnets.filter((subnet) => subnet.version === version)
    .map((subnet) => bridgeOf(facts, subnet)?.name);
  const names = [deviceOf(facts)?.name, ...bridges].filter((name) => name !== undefined);
  return [...new Set(names)];
}

function forwarding(facts: Facts, version: IpVersion): Finding[] {
  const { sysctls } = facts;
  const setting = forwardingSetting(version);
  if (sysctls.get(setting) === "0") {
    const running = isRunning(facts);
    return [{
      status: running ? "fail" : "warn",
      why: `${settingText(setting)} is 0: the kernel drops what is not for itself` +
        (running ? "" : " (tunnet switches it on when it starts)"),
      ...set(setting, "1"),
    }];
  }
  // IPv6 knows only the one switch for all interfaces (net/ipv6/ip6_output.c, ip6_forward).
  if (version === 6) return [];
  return crossed(facts, 4).map((name) => interfaceSetting(4, name, "forwarding"))
    .filter((one) => sysctls.get(one) === "0")
    .map((one) => ({
      why: `${settingText(one)} is 0: what comes in there is not passed on`,
      ...set(one, "1"),
    }));
}

function ipv6Off(facts: Facts): Finding[] {
  if (!versionsOf(facts).includes(6)) {
    if (!isWithoutIpv6(facts)) return [];
    return [{
      status: "warn",
      why: "disable_ipv6 is 1: the other nodes' IPv6 pods are out of reach from here",
      ...set("net/ipv6/conf/all/disable_ipv6", "0"),
    }];
  }
  const names = crossed(facts, 6);
  const off = (name: string) =>
    facts.sysctls.get(interfaceSetting(6, name, "disable_ipv6")) === "1";
  // Before the device is made, what it will get. Somebody who wrote `all` has written both.
  return (names.length > 0 ? names : [off("all") ? "all" : "default"])
    .map((name) => interfaceSetting(6, name, "disable_ipv6"))
    .filter((setting) => facts.sysctls.get(setting) === "1")
    .map((setting) => ({
      why: `${settingText(setting)} is 1: that interface has no IPv6`,
      ...set(setting, "0"),
    }));
}

/** The stricter of the interface's own setting and that for all counts. */
function reversePath(facts: Facts): Finding[] {
  const { sysctls, config, self } = facts;
  const name = deviceOf(facts)?.name ?? "default";
  const setting = interfaceSetting(4, name, "rp_filter");
  const values = [sysctls.get(interfaceSetting(4, "all", "rp_filter")), sysctls.get(setting)];
  if (!values.includes(STRICT) || values.includes("2")) return [];
  // The routes of the nodes' subnets lead to the device. Only the default node sends others.
  if (config.defaultNode === undefined || config.defaultNode === self.name) return [];
  return [{
    why: `rp_filter is strict, so the kernel drops what ${config.defaultNode} passes on from ` +
      "outside the network: the way back to such a source is not the device",
    ...set(setting, "2"),
  }];
}

/** The checks of this family. */
export function kernelChecks(facts: Facts): readonly Check[] {
  const versions = versionsOf(facts);
  return [
    ...versions.flatMap((version) =>
      checksOf(
        version === 4 ? "ip_forward" : "ip6_forward",
        `forwarding of ${versionName(version)}`,
        "the kernel passes packets on between pods and device",
        forwarding(facts, version),
      )
    ),
    ...(versions.includes(6) ||
        facts.peers.some(({ node }) =>
          facts.config.mode === "tun" && node.subnets.some(({ version }) => version === 6)
        )
      ? checksOf("ipv6", "IPv6 on the interfaces", "it is on", ipv6Off(facts))
      : []),
    ...(versions.includes(4)
      ? checksOf("rp_filter", "reverse path filter", "it lets pods' packets in", reversePath(facts))
      : []),
  ];
}
