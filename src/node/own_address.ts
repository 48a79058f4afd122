/** The address that this node listens on: waited for at the start, and looked after. */

import { RunError } from "../base/errors.ts";
import { ADDRESS_CHECK_INTERVAL_MS, ADDRESS_TENTATIVE_MAX_MS } from "../base/limits.ts";
import type { Log } from "../base/log.ts";
import type { Time } from "../base/time.ts";
import type { LinkAddress, Rtnetlink } from "../host/netlink/rtnetlink.ts";
import { type Address, parseAddress, sameBytes } from "../net/prefix.ts";

/** One address of this host. Where the node listens on all of them, no interface has it, and all is well. */
export class OwnAddress {
  readonly #address: Address | undefined;
  /** Whether an interface has it: undefined before one did, since a host may listen on others' too. */
  #there: boolean | undefined;

  constructor(
    readonly rt: Pick<Rtnetlink, "addresses">,
    readonly host: string,
    readonly log: Log,
  ) {
    this.#address = parseAddress(host);
  }

  /**
   * Waits while the kernel still looks for another host with an IPv6 address (RFC 4862, 5.4):
   * until then nothing can listen on it. Throws a RunError where another host has it.
   */
  async untilUsable(time: Pick<Time, "now_ms" | "sleep">): Promise<void> {
    const begun_ms = time.now_ms();
    for (let told = false;; told = true) {
      const duplicate = this.#find()?.duplicate;
      if (duplicate === undefined) return;
      const waited_ms = time.now_ms() - begun_ms;
      if (duplicate === "found" || waited_ms >= ADDRESS_TENTATIVE_MAX_MS) {
        throw new RunError({
          what: `cannot listen on ${this.host}`,
          why: duplicate === "found"
            ? "another host on the link has this address too"
            : "the kernel is still looking for another host with this address",
          how: "ip -6 address, or --listen with another address of this host",
        });
      }
      if (!told) this.log.info("address", `waiting for ${this.host}, which is still tentative`);
      await time.sleep(ADDRESS_CHECK_INTERVAL_MS);
    }
  }

  /** Tells when it was taken away from this host, or given back. */
  check(): void {
    const there = this.#find() !== undefined;
    const before = this.#there;
    this.#there = there || (before === undefined ? undefined : false);
    if (before === true && !there) this.log.warn("address_gone", this.problem!);
    if (before === false && there) this.log.info("address_back", `${this.host} is back`);
  }

  /** What is wrong with it now, if anything. */
  get problem(): string | undefined {
    return this.#there === false
      ? `no interface has ${this.host}, this node's own address, any more: nothing passes ` +
        "between it and the other nodes"
      : undefined;
  }

  #find(): LinkAddress | undefined {
    const own = this.#address;
    return own &&
      this.rt.addresses().find(({ address }) => sameBytes(address.bytes, own.bytes));
  }
}
