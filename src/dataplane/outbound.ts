/** The way out: device -> route -> UDP. One call handles one burst. */

import { checkPacket, IPV4, IPV6, PACKET } from "../net/ip.ts";
import { NO_ROUTE, type RouteTable } from "../forwarding/prefixes.ts";
import { DEVICE_GONE, type PacketDevice } from "../io/device.ts";
import type { PacketSocket } from "../io/socket.ts";
import { COUNTER } from "../forwarding/counters.ts";
import type { LaneRecord } from "./observer.ts";
import { EGRESS, Egress } from "./transmit.ts";
import type { LaneTable } from "../forwarding/lane_table.ts";
import { IcmpAnswers } from "./icmp_reply.ts";

/** One lane's way out. */
export class Outbound {
  readonly #egress: Egress;
  readonly #answers: IcmpAnswers;
  #routes: RouteTable | undefined;
  /** Packets of the last burst. */
  #packets = 0;

  constructor(
    readonly device: PacketDevice,
    socket: PacketSocket,
    readonly counters: LaneRecord,
    now_ms: () => number,
  ) {
    this.#egress = new Egress(socket, counters);
    this.#answers = new IcmpAnswers(device, counters, now_ms);
  }

  /** Takes over what the table has acquired. */
  useTable(table: LaneTable): void {
    this.#egress.useTable(table);
    this.#routes = table.routes;
  }

  /** Moves one burst. Returns the packets read: 0 when none waited, or DEVICE_GONE. */
  turn(): number {
    // An engine that sends later learns later: what was refused of the last burst is still there.
    this.#learnNarrower();
    const { burst } = this.#egress;
    let count = 0;
    // Each is routed before the next is read: what comes in the meantime still joins the burst.
    while (count < burst.slots) {
      const taken = this.device.read(burst, count);
      if (taken === DEVICE_GONE && count === 0) return DEVICE_GONE;
      if (taken <= 0) break;
      this.#route(count++);
      // Where packets come one by one, each leaves before the next is looked for.
      if (count === 1 && this.#packets <= 1) this.#egress.flush();
    }
    this.#packets = count;
    if (count === 0) return 0;
    this.#egress.flush();
    this.#learnNarrower();
    return count;
  }

  #route(slot: number): void {
    const { burst } = this.#egress;
    const { view } = burst;
    const offset = burst.offset(slot);
    const length = burst.length[slot]!;
    const version = checkPacket(view, offset, length);
    if (version === PACKET.malformed || this.#routes === undefined) {
      this.#drop(COUNTER.malformed, offset, length);
      return;
    }
    const peer = this.#peerOf(offset, version);
    // Also a subnet of this node: had it a bridge here, the packet would not have come to us.
    if (peer < 0) {
      this.#drop(COUNTER.no_route, offset, length);
      this.#answers.answer("noRoute", view, offset, length, version, 0);
      return;
    }
    if (this.#egress.send(peer, offset, length, version) === EGRESS.tooBig) {
      this.#answers.answer(
        "tooBig",
        view,
        offset,
        length,
        version,
        this.#egress.mtuOf(peer, version),
      );
    }
  }

  /** Tells the senders of what was too big for a path that has turned out to be narrower. */
  #learnNarrower(): void {
    const peers = this.#egress.learnNarrower();
    if (peers.length === 0) return;
    const { burst } = this.#egress;
    const { view } = burst;
    for (let slot = 0; slot < this.#packets; slot++) {
      const offset = burst.offset(slot);
      const length = burst.length[slot]!;
      const version = checkPacket(view, offset, length);
      if (version === PACKET.malformed) continue;
      const peer = this.#peerOf(offset, version);
      if (!peers.includes(peer) || !this.#egress.isTooBig(peer, offset, length, version)) continue;
      this.#answers.answer(
        "tooBig",
        view,
        offset,
        length,
        version,
        this.#egress.mtuOf(peer, version),
      );
    }
  }

  /** The peer whose subnet the packet's destination lies in; negative where there is none. */
  #peerOf(offset: number, version: 4 | 6): number {
    const { view } = this.#egress.burst;
    const routes = this.#routes;
    if (!routes) return NO_ROUTE;
    return version === PACKET.ipv4
      ? routes.lookup4(view, offset + IPV4.destination)
      : routes.lookup6(view, offset + IPV6.destination);
  }

  #drop(counter: number, offset: number, length: number): void {
    this.counters.totals[counter]!++;
    this.counters.observer?.droppedOut(this.#egress.burst.view, counter, -1, offset, length);
  }
}
