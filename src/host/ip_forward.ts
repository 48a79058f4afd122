/** A node passes packets on between its pods and the device: that needs ip_forward. */

import { SyscallError } from "../../ffi/libc.ts";
import type { NodeConfig } from "../config/types.ts";
import { readSysctl, writeSysctl } from "./sysctl.ts";
import type { Log } from "../base/log.ts";

const SETTING = { 4: "net.ipv4.ip_forward", 6: "net.ipv6.conf.all.forwarding" } as const;

/** Switches forwarding on for each IP version that the node has pods of, and says so. */
export function enableForwarding(self: NodeConfig, log: Log): void {
  for (const version of [4, 6] as const) {
    if (!self.subnets.some((subnet) => subnet.version === version)) continue;
    const name = SETTING[version];
    if (readSysctl(name) === "1") continue;
    try {
      writeSysctl(name, "1");
      log.info("sysctl", `switched on ${name} (pods need it; --no-sysctl leaves it)`);
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      log.warn("sysctl", `${name} is off and cannot be set; try: sysctl -w ${name}=1`);
    }
  }
}
