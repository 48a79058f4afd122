/** The way out: device -> route -> UDP. One call handles one burst. */

import { ICMP_ERRORS_PER_S } from "../limits.ts";
import { ICMP_ERROR_MAX_BYTES, type IcmpReason, writeIcmpError } from "../net/icmp.ts";
import { checkPacket, IPV4, IPV6, PACKET } from "../net/ip.ts";
import type { RouteTable } from "../route/table.ts";
import { DEVICE_GONE, type PacketDevice, WRITE } from "../tun/device.ts";
import type { PacketSocket } from "../udp/socket.ts";
import { Burst } from "./burst.ts";
import { COUNTER, type LaneCounters } from "./counters.ts";
import type { FibHalf } from "./fib.ts";
import { RateLimit } from "./rate_limit.ts";

/** One lane's way out. */
export class Outbound {
  readonly #burst = new Burst();
  readonly #answer = new Burst(1);
  readonly #answerView: DataView;
  readonly #icmpLimit: RateLimit;
  #routes: RouteTable | undefined;
  #peerMtu_bytes = new Int32Array(0);

  constructor(
    readonly device: PacketDevice,
    readonly socket: PacketSocket,
    readonly counters: LaneCounters,
    now_ms: () => number,
  ) {
    this.#answerView = new DataView(
      this.#answer.bytes.buffer,
      this.#answer.offset(0),
      ICMP_ERROR_MAX_BYTES,
    );
    this.#icmpLimit = new RateLimit(ICMP_ERRORS_PER_S, now_ms);
  }

  /** Switches to a newly published table. */
  useFib(fib: FibHalf): void {
    this.socket.usePeers(fib);
    this.#routes = fib.routes;
    this.#peerMtu_bytes = Int32Array.from(
      { length: fib.peerCount },
      (_, index) => fib.peer(index).mtu_bytes,
    );
  }

  /** Moves one burst. Returns the packets read: 0 when none waited, or DEVICE_GONE. */
  turn(): number {
    const count = this.device.read(this.#burst);
    if (count <= 0) return count === DEVICE_GONE ? DEVICE_GONE : 0;
    for (let slot = 0; slot < count; slot++) this.#route(slot);
    this.socket.flush(this.#burst, this.counters);
    return count;
  }

  #route(slot: number): void {
    const { view } = this.#burst;
    const offset = this.#burst.offset(slot);
    const length = this.#burst.length[slot]!;
    const version = checkPacket(view, offset, length);
    if (version === PACKET.malformed || this.#routes === undefined) {
      this.#count(COUNTER.malformed);
      return;
    }
    const peer = version === PACKET.ipv4
      ? this.#routes.lookup4(view.getUint32(offset + IPV4.destination))
      : this.#routes.lookup6(
        view.getUint32(offset + IPV6.destination),
        view.getUint32(offset + IPV6.destination + 4),
        view.getUint32(offset + IPV6.destination + 8),
        view.getUint32(offset + IPV6.destination + 12),
      );
    // Also a subnet of this node: had it a bridge here, the packet would not have come to us.
    if (peer < 0) {
      this.#count(COUNTER.no_route);
      this.#answerWith("noRoute", offset, length, version, 0);
      return;
    }
    const mtu_bytes = this.#peerMtu_bytes[peer]!;
    if (length > mtu_bytes) {
      this.#count(COUNTER.too_big);
      this.#answerWith("tooBig", offset, length, version, mtu_bytes);
      return;
    }
    this.socket.queue(this.#burst, slot, peer);
  }

  #answerWith(
    reason: IcmpReason,
    offset: number,
    length: number,
    version: 4 | 6,
    mtu_bytes: number,
  ): void {
    if (!this.#icmpLimit.take()) return;
    const size = writeIcmpError(
      this.#answerView,
      this.#burst.view,
      offset,
      length,
      version,
      reason,
      mtu_bytes,
    );
    if (size === 0) return;
    this.#answer.length[0] = size;
    if (this.device.write(this.#answer, 0) === WRITE.ok) this.#count(COUNTER.icmp_errors);
  }

  #count(counter: number): void {
    this.counters.totals[counter]!++;
  }
}
