/**
 * Lets the kernel take what comes through a device from this host's own addresses: the errors that
 * tunnet answers with. IPv4 alone asks (fib_validate_source); elsewhere the setting is off, and the
 * lanes see to it that no peer has such a source.
 */

import type { Rtnetlink } from "./netlink/rtnetlink.ts";
import { SyscallError } from "../../ffi/libc.ts";
import { readSysctl } from "./sysctl.ts";

/** The setting of one device between its first `set` and `undo`. */
export class LocalSources {
  #before: boolean | undefined;
  #on = false;

  constructor(
    readonly rt: Rtnetlink,
    readonly device: { readonly index: number; readonly name: string },
    readonly read: (name: string) => string | undefined = readSysctl,
  ) {}

  /** Whether such packets are taken. */
  get on(): boolean {
    return this.#on;
  }

  /** Whether the kernel has it on now. */
  isOn(): boolean {
    return this.read(`net/ipv4/conf/${this.device.name}/accept_local`) === "1";
  }

  /** Switches it on or off; where that is not allowed, nothing happens. */
  set(on: boolean): void {
    const { rt, device: { index } } = this;
    const now = this.isOn();
    this.#before ??= now;
    this.#on = now;
    if (now === on) return;
    try {
      rt.setLink(index, { acceptLocal: on });
      this.#on = on;
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
    }
  }

  /** Puts back what was. */
  undo(): void {
    if (this.#before !== undefined && this.rt.getLink(this.device.index)) this.set(this.#before);
    this.#before = undefined;
  }
}
