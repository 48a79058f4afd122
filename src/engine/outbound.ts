/** The way out: device -> route -> UDP. One call handles one burst. */

import { checkPacket, IPV4, IPV6, PACKET } from "../net/ip.ts";
import type { RouteTable } from "../route/table.ts";
import { DEVICE_GONE, type PacketDevice } from "../tun/device.ts";
import type { PacketSocket } from "../udp/socket.ts";
import { COUNTER, type LaneCounters } from "./counters.ts";
import { EGRESS, Egress } from "./egress.ts";
import type { FibHalf } from "./fib.ts";
import { IcmpAnswers } from "./icmp_answers.ts";

/** One lane's way out. */
export class Outbound {
  readonly #egress: Egress;
  readonly #answers: IcmpAnswers;
  #routes: RouteTable | undefined;

  constructor(
    readonly device: PacketDevice,
    socket: PacketSocket,
    readonly counters: LaneCounters,
    now_ms: () => number,
  ) {
    this.#egress = new Egress(socket, counters);
    this.#answers = new IcmpAnswers(device, counters, now_ms);
  }

  /** Switches to a newly published table. */
  useFib(fib: FibHalf): void {
    this.#egress.useFib(fib);
    this.#routes = fib.routes;
  }

  /** Moves one burst. Returns the packets read: 0 when none waited, or DEVICE_GONE. */
  turn(): number {
    const count = this.device.read(this.#egress.burst);
    if (count <= 0) return count === DEVICE_GONE ? DEVICE_GONE : 0;
    for (let slot = 0; slot < count; slot++) this.#route(slot);
    this.#egress.flush();
    return count;
  }

  #route(slot: number): void {
    const { burst } = this.#egress;
    const { view } = burst;
    const offset = burst.offset(slot);
    const length = burst.length[slot]!;
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
      this.#answers.answer("noRoute", view, offset, length, version, 0);
      return;
    }
    if (this.#egress.send(peer, offset, length, version) === EGRESS.tooBig) {
      this.#answers.answer("tooBig", view, offset, length, version, this.#egress.mtuOf(peer));
    }
  }

  #count(counter: number): void {
    this.counters.totals[counter]!++;
  }
}
