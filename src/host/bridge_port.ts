/** Makes a device a port of a Linux bridge, and takes that back. */

import { SyscallError } from "../../ffi/libc.ts";
import { RunError } from "../base/errors.ts";
import { RtnetlinkError } from "./netlink/exchange.ts";
import type { LinkInfo, Rtnetlink } from "./netlink/rtnetlink.ts";

/** A device that has been made a port. */
export interface BridgePort {
  /** Puts it back if it is no port any more: `bridge br0`. Throws a RunError as joinBridge does. */
  reapply(): readonly string[];
  /** Takes it out, unless it was a port before, is another bridge's now, or is gone. */
  leave(): void;
}

class Port implements BridgePort {
  /** Index of the bridge that it was put into by us; 0: it was its port already. */
  #joined = 0;

  constructor(readonly rt: Rtnetlink, readonly index: number, readonly bridge: string) {}

  join(): boolean {
    const { rt, index } = this;
    const device = rt.getLink(index);
    if (!device) return false;
    const what = `cannot make ${device.name} a port of ${this.bridge}`;
    const bridge = rt.getLink(this.bridge);
    if (!bridge) {
      const how = `ip link add ${this.bridge} type bridge, and ip link set ${this.bridge} up`;
      throw new RunError({ what, why: "there is no such bridge", how });
    }
    if (device.master === bridge.index) return false;
    if (bridge.kind !== "bridge") throw new RunError({ what, why: "that is no bridge" });
    if (device.master !== 0) {
      const why = `it is a port of ${rt.getLink(device.master)?.name ?? "another bridge"}`;
      throw new RunError({ what, why, how: `ip link set ${device.name} nomaster` });
    }
    // First: what is noted can be taken back.
    this.#joined = bridge.index;
    try {
      rt.setLink(index, { master: bridge.index });
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      const reason = error instanceof RtnetlinkError ? error.reason : undefined;
      throw new RunError({ what, why: reason ?? error.errnoName });
    }
    return true;
  }

  reapply(): readonly string[] {
    return this.join() ? [`bridge ${this.bridge}`] : [];
  }

  leave(): void {
    const joined = this.#joined;
    this.#joined = 0;
    if (joined === 0 || this.rt.getLink(this.index)?.master !== joined) return;
    try {
      this.rt.setLink(this.index, { master: 0 });
    } catch (error) {
      // It may have gone just now, and a port goes with its device.
      if (!(error instanceof SyscallError)) throw error;
    }
  }
}

/** Makes the device a port of the bridge of that name. Throws a RunError that says what is in the way. */
export function joinBridge(rt: Rtnetlink, device: LinkInfo, bridge: string): BridgePort {
  const port = new Port(rt, device.index, bridge);
  port.join();
  return port;
}
