/** What a dump has seen, for its last words. Pure. */

import { SUMMARY_PROTOCOLS_MAX } from "../../base/limits.ts";

/** Names beyond the bound are counted under this one. */
const OTHER = "other";

/** Packets, bytes, and packets by protocol. */
export class Summary {
  packets = 0;
  bytes = 0;
  readonly #protocols = new Map<string, number>();

  add(protocol: string, length_bytes: number): void {
    this.packets++;
    this.bytes += length_bytes;
    const known = this.#protocols.has(protocol) || this.#protocols.size < SUMMARY_PROTOCOLS_MAX;
    const name = known ? protocol : OTHER;
    this.#protocols.set(name, (this.#protocols.get(name) ?? 0) + 1);
  }

  /** Packets by protocol, the most frequent first. */
  get protocols(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#protocols].sort(([, a], [, b]) => b - a));
  }

  /** `12 packets, 1,008 B: ICMP 10, ARP 2`. */
  get text(): string {
    const number = new Intl.NumberFormat("en-US");
    const { packets, bytes } = this;
    const each = Object.entries(this.protocols).map(([name, n]) => `${name} ${number.format(n)}`);
    const total = `${number.format(packets)} ${packets === 1 ? "packet" : "packets"}, ` +
      `${number.format(bytes)} B`;
    return each.length === 0 ? total : `${total}: ${each.join(", ")}`;
  }
}
