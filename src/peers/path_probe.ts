/**
 * How large a datagram the path to one peer carries, found out by hellos of many sizes (RFC 8899).
 * Pure.
 *
 * What ICMP says of a path can be forged by anybody, and a router may say nothing. So a tunnet's
 * path is what came through: a burst is a few padded hellos and the usual one behind them, all with
 * one number, and the peer tells in its hellos the size of the largest that it has got of it. A
 * size has failed when the peer has got the usual hello, and not that one; at the second time a
 * smaller one is taken, one that did come through.
 *
 * A peer that answers no hello is tried with none. There the kernel's hint is all there is.
 */

import {
  MTU_IPV6_MIN_BYTES,
  OVERHEAD_IPV4_BYTES,
  OVERHEAD_IPV6_BYTES,
  PATH_MTU_IPV4_MIN_BYTES,
  PATH_SIZES_PER_BURST,
  UDP_PAYLOAD_MAX_BYTES,
} from "../base/limits.ts";
import type { Timers } from "../base/time.ts";
import type { IpVersion } from "../net/prefix.ts";
import type { Hello } from "../wire/hello.ts";

/** MTUs that paths have: minima, tunnels of all kinds, PPPoE, Ethernet, jumbo frames. */
const COMMON_MTUS = [
  ...[576, 1006, 1280, 1300, 1320, 1340, 1360, 1380, 1400, 1412, 1420, 1428, 1436, 1440, 1450],
  ...[1454, 1460, 1464, 1468, 1472, 1476, 1480, 1488, 1492, 1496, 1500, 2000, 4352, 4464],
  ...[8192, 8900, 8950, 9000, 9001, 9180, 9216],
];

/** Bursts in which a size has failed when it is given up. */
const TRIES = 2;

/** Searches for larger sizes become this much rarer, in intervals of hellos. */
const RAISE_MAX_HELLOS = 12;

/** What a hello says of sizes. */
export type SizeReport = Pick<Hello, "burst" | "peerBurst" | "largest_bytes">;

/** The state machine of one peer's path. Sizes are bytes of UDP payload: the largest inner packet. */
export class PathProbe {
  readonly #overhead_bytes: number;
  /** What every path carries. */
  readonly #floor_bytes: number;
  /** What this host's route and device carry; 0: nobody has looked yet. */
  #local_bytes = 0;
  /** What the kernel has been told by ICMP, if that is less. */
  #hint_bytes = 0;
  #mtu_bytes = 0;
  /** Whether the peer says hello, and so tells what comes through. */
  #answers = false;
  /** The last burst: its number, its sizes from the largest down, when it was sent. */
  #burst = 0;
  #sizes: readonly number[] = [];
  #sent_us = 0;
  #sent_ms = -Infinity;
  /** Whether nothing is known of it yet. */
  #open = false;
  /** Bursts in a row in which the size in use did not come through. */
  #failures = 0;
  /** While it is searched: the least size that has failed; else 0. */
  #ceiling_bytes = 0;
  /** Whether the last burst began a search for larger sizes. */
  #raising = false;
  #raised_ms = -Infinity;
  #raise_hellos = 1;
  /** Whether a burst is wanted at once. */
  #wanted = false;
  /** The peer's last burst, when it sent what has come of it, and the largest of that. */
  #peerBurst = 0;
  #peerSent_us = 0;
  #largest_bytes = 0;

  /** `overhead_bytes`: what a datagram to the peer has besides its headers (0: it is the packet). */
  constructor(readonly timers: Timers, ipVersion: IpVersion, overhead_bytes = 0) {
    const v4 = ipVersion === 4;
    this.#overhead_bytes = overhead_bytes + (v4 ? OVERHEAD_IPV4_BYTES : OVERHEAD_IPV6_BYTES);
    this.#floor_bytes = (v4 ? PATH_MTU_IPV4_MIN_BYTES : MTU_IPV6_MIN_BYTES) - this.#overhead_bytes;
  }

  /** The largest packet that the path carries, as far as is known; 0: nobody has looked yet. */
  get mtu_bytes(): number {
    return this.#mtu_bytes;
  }

  /** What this host's route and device carry; 0: nobody has looked yet. */
  get local_bytes(): number {
    return this.#local_bytes;
  }

  /** Whether a burst is to be sent at once. */
  get isWanted(): boolean {
    return this.#wanted && this.#local_bytes > 0;
  }

  /** Whether the burst that has begun looks for a size, so that the peer is asked what has come. */
  get isSearching(): boolean {
    return this.#raising || this.#failures > 0 || this.#ceiling_bytes > 0;
  }

  /** Whether the size in use has failed, and what does come through is not found to the byte yet. */
  get isNarrowing(): boolean {
    return this.#ceiling_bytes > 0;
  }

  /** What the next hello says. */
  get report(): SizeReport {
    return {
      burst: this.#burst,
      peerBurst: this.#peerBurst,
      largest_bytes: this.#largest_bytes,
    };
  }

  /** Takes in what this host's route and device carry, and what the kernel believes of the path. */
  look(local_bytes: number, hint_bytes: number): void {
    const local = Math.min(local_bytes, UDP_PAYLOAD_MAX_BYTES);
    const hint = Math.min(local, hint_bytes);
    const changed = local !== this.#local_bytes || hint !== this.#hint_bytes;
    this.#local_bytes = local;
    this.#hint_bytes = hint;
    if (!this.#answers) this.#mtu_bytes = hint;
    else if (changed) {
      // 0: it was forgotten, and has answered before anybody has looked.
      this.#mtu_bytes = Math.min(this.#mtu_bytes || hint, local);
      this.#wanted = true;
      this.#raiseSoon();
    }
  }

  /** The peer is reached elsewhere, or says no hello any more: nothing that came through counts. */
  forget(): void {
    this.#answers = false;
    this.#open = false;
    this.#wanted = false;
    this.#failures = 0;
    this.#ceiling_bytes = 0;
    this.#raiseSoon();
    this.#local_bytes = 0;
    this.#mtu_bytes = 0;
  }

  /**
   * Whether a burst is to be sent apart from the rounds of hellos: at once where it was asked for,
   * and every so often while packets go to the peer or a size is being looked for.
   */
  isDue(now_ms: number, flowing: boolean): boolean {
    if (this.#local_bytes === 0) return false;
    if (this.isWanted) return true;
    const busy = flowing || this.#failures > 0 || this.#ceiling_bytes > 0;
    // Half of it: whoever asks comes at about this interval.
    return busy && now_ms - this.#sent_ms >= this.timers.ask_ms / 2;
  }

  /**
   * Begins a burst: the sizes of the hellos that go out before the usual one, the largest first,
   * so that those are there when the usual one is answered. `sent_us` is their time of sending.
   */
  begin(now_ms: number, sent_us: number): readonly number[] {
    if (this.#local_bytes === 0) return [];
    this.#burst = this.#burst % 0xffff + 1;
    this.#sent_us = sent_us;
    this.#sent_ms = now_ms;
    this.#open = true;
    this.#wanted = false;
    this.#sizes = this.#choose(now_ms).toSorted((one, other) => other - one);
    return this.#sizes;
  }

  #choose(now_ms: number): number[] {
    const mtu = this.#mtu_bytes;
    const local = this.#local_bytes;
    this.#raising = false;
    if (this.#ceiling_bytes > 0) return this.#between(mtu, this.#ceiling_bytes);
    const floor = Math.min(this.#floor_bytes, mtu);
    // Twice: what has only got lost is not to be given up.
    if (this.#failures > 0) return [mtu, mtu, floor, ...this.#between(floor, mtu)];
    const hint = this.#hint_bytes < mtu ? [Math.max(floor, this.#hint_bytes)] : [];
    if (local === mtu) return [mtu, ...hint];
    this.#raising = this.#answers &&
      now_ms - this.#raised_ms >= this.#raise_hellos * this.timers.hello_ms;
    if (!this.#raising) return [mtu, local, ...hint];
    this.#raised_ms = now_ms;
    this.#raise_hellos = Math.min(2 * this.#raise_hellos, RAISE_MAX_HELLOS);
    return [mtu, local, ...this.#between(mtu, local)];
  }

  /** Sizes above `low` and below `high`: some that paths have, and as many that divide the rest. */
  #between(low: number, high: number): number[] {
    const room = high - low - 1;
    if (room <= PATH_SIZES_PER_BURST) return Array.from({ length: room }, (_, i) => low + 1 + i);
    const half = PATH_SIZES_PER_BURST / 2;
    const common = COMMON_MTUS.map((mtu) => mtu - this.#overhead_bytes)
      .filter((size) => size > low && size < high);
    const step = Math.max(1, common.length / half);
    const some = common.filter((_, i) => Math.floor(i / step) !== Math.floor((i - 1) / step));
    const even = Array.from(
      { length: half },
      (_, i) => low + Math.ceil((i + 1) * (high - low) / (half + 1)),
    );
    return [...new Set([...some, ...even])].filter((size) => size > low && size < high);
  }

  /**
   * Takes in a hello of the peer, which has echoed our token; `size_bytes` is the size of the
   * largest that came with it. `restarted`: its clock has begun anew.
   */
  hear(hello: Hello, size_bytes: number, restarted: boolean): void {
    this.#answered();
    this.#noteSize(hello, size_bytes, restarted);
    if (!this.#open || hello.peerBurst !== this.#burst) return;
    const got_bytes = Math.min(hello.largest_bytes, this.#sizes[0] ?? 0);
    // It has spoken before the last of the burst was there.
    if (got_bytes !== this.#sizes[0] && hello.echo_us < this.#sent_us) return;
    this.#open = false;
    this.#judge(got_bytes);
  }

  #noteSize({ burst, sent_us }: Hello, size_bytes: number, restarted: boolean): void {
    if (burst === 0) return;
    if (burst === this.#peerBurst && !restarted) {
      this.#largest_bytes = Math.max(this.#largest_bytes, size_bytes);
    } else if (restarted || sent_us >= this.#peerSent_us) {
      this.#peerBurst = burst;
      this.#largest_bytes = size_bytes;
    } else return;
    this.#peerSent_us = sent_us;
  }

  /** From now on the kernel's hint is not believed. */
  #answered(): void {
    if (this.#answers) return;
    this.#answers = true;
    if (this.#mtu_bytes < this.#local_bytes) this.#wanted = true;
  }

  #judge(got_bytes: number): void {
    const before = this.#mtu_bytes;
    if (this.#ceiling_bytes > 0 || got_bytes >= before) {
      this.#failures = 0;
      this.#take(Math.max(before, got_bytes));
      if (this.#ceiling_bytes > 0 || this.#raising) this.#search(got_bytes);
      return;
    }
    this.#failures++;
    if (this.#failures < TRIES) this.#wanted = true;
    // Nothing that every path carries comes through: that is no path's width.
    else if (got_bytes < Math.min(this.#floor_bytes, before)) this.#failures = TRIES - 1;
    else {
      this.#failures = 0;
      this.#mtu_bytes = got_bytes;
      this.#raiseSoon();
      this.#search(got_bytes);
    }
  }

  #take(size_bytes: number): void {
    // The device may have become narrower in the meantime.
    const mtu_bytes = Math.min(size_bytes, this.#local_bytes);
    if (mtu_bytes > this.#mtu_bytes) this.#raise_hellos = 1;
    this.#mtu_bytes = mtu_bytes;
  }

  /** Goes on between what came through and the least that did not, until there is nothing between. */
  #search(got_bytes: number): void {
    const failed = this.#sizes.filter((size) => size > got_bytes && size > this.#mtu_bytes);
    const known = this.#ceiling_bytes > 0 ? this.#ceiling_bytes : this.#local_bytes + 1;
    const ceiling_bytes = Math.min(known, ...failed);
    const over = ceiling_bytes - this.#mtu_bytes <= 1;
    this.#ceiling_bytes = over ? 0 : ceiling_bytes;
    this.#wanted = !over;
  }

  /** Larger sizes are tried with the next burst. */
  #raiseSoon(): void {
    this.#raised_ms = -Infinity;
    this.#raise_hellos = 1;
  }
}
