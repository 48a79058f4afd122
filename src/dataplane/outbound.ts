/** From the device to the peers: device -> lookup -> transmit. One call handles one burst. */

import { COUNTER } from "../forwarding/counters.ts";
import type { LaneTable } from "../forwarding/lane_table.ts";
import { isLinkLocalGroup } from "../net/ip.ts";
import { DEVICE_GONE, type PacketDevice } from "../io/device.ts";
import type { PacketSocket } from "../io/socket.ts";
import { IcmpReply } from "./icmp_reply.ts";
import { EVERY_PEER, GOOD, type Lookup } from "./lookup.ts";
import type { LaneRecord } from "./observer.ts";
import { Packet } from "./packet.ts";
import type { LaneSealing } from "./sealing.ts";
import { Transmit, VERDICT } from "./transmit.ts";

/** One lane's outbound direction, in the mode of its lookup. */
export class Outbound {
  readonly #transmit: Transmit;
  readonly #reply: IcmpReply;
  readonly #packet = new Packet();
  /** Packets of the last burst. */
  #packets = 0;

  constructor(
    readonly device: PacketDevice,
    socket: PacketSocket,
    readonly counters: LaneRecord,
    readonly lookup: Lookup,
    now_ms: () => number,
    sealing?: LaneSealing,
  ) {
    this.#transmit = new Transmit(socket, counters, sealing, now_ms);
    this.#reply = new IcmpReply(device, counters, now_ms);
  }

  /** Takes over what the table has acquired. */
  useTable(table: LaneTable): void {
    this.#transmit.useTable(table);
    this.#reply.useTable(table);
    this.lookup.useTable(table);
  }

  /** Moves one burst. Returns the packets read: 0 when none waited, or DEVICE_GONE. */
  turn(): number {
    // A socket that sends later tells later: what was refused of the last burst is still there.
    this.#flush();
    const { burst } = this.#transmit;
    let count = 0;
    // Each is sent on before the next is read: what comes in the meantime still joins the burst.
    while (count < burst.slots) {
      const taken = this.device.read(burst, count);
      if (taken === DEVICE_GONE && count === 0) return DEVICE_GONE;
      if (taken <= 0) break;
      this.#forward(burst.offset(count), burst.length[count]!);
      count++;
      // Where packets come one by one, each leaves before the next is looked for.
      if (count === 1 && this.#packets <= 1 || this.#transmit.shouldFlush) this.#transmit.flush();
    }
    this.#packets = count;
    if (count > 0) this.#flush();
    return count;
  }

  /** One packet: to its peer, or to every one. */
  #forward(offset: number, length: number): void {
    const { view } = this.#transmit.burst;
    const packet = this.#packet;
    const { lookup } = this;
    const fault = lookup.read(view, offset, length, packet);
    if (fault !== GOOD) return this.#drop(fault, offset, length);
    const forged = lookup.checkSource(view, packet);
    if (forged !== GOOD) return this.#drop(forged, offset, length);
    const peer = lookup.peerOf(view, packet);
    if (peer === EVERY_PEER) return this.#flood();
    if (peer >= 0) {
      if (this.#transmit.send(peer, packet) === VERDICT.tooBig) this.#replyTooBig(peer);
      return;
    }
    const { version } = packet;
    // Of mode tap, no group comes here: it goes to every peer.
    if (version !== 0 && isLinkLocalGroup(view, packet.offset, version)) {
      this.counters.totals[COUNTER.link_local]!++;
      return;
    }
    this.#drop(COUNTER.no_route, offset, length);
    if (lookup.answersNoRoute) this.#reply.answer("noRoute", view, packet, 0);
  }

  /** A copy to each peer that is reached. */
  #flood(): void {
    const packet = this.#packet;
    let reached = 0;
    for (let peer = 0; peer < this.#transmit.peerCount; peer++) {
      if (!this.#transmit.reaches(peer)) continue;
      reached++;
      this.#transmit.send(peer, packet);
    }
    if (reached > 0) this.counters.totals[COUNTER.flooded]!++;
    else this.#drop(COUNTER.no_route, packet.start, packet.total_bytes);
  }

  /** Sends what is queued, and tells the senders of what a path has turned out to be too narrow for. */
  #flush(): void {
    this.#transmit.flush();
    const peers = this.#transmit.takeNarrowed();
    if (peers.length === 0) return;
    const { burst } = this.#transmit;
    const { view } = burst;
    const packet = this.#packet;
    for (let slot = 0; slot < this.#packets; slot++) {
      const fault = this.lookup.read(view, burst.offset(slot), burst.length[slot]!, packet);
      if (fault !== GOOD) continue;
      const peer = this.lookup.peerOf(view, packet);
      if (peers.includes(peer) && this.#transmit.isTooBig(peer, packet)) this.#replyTooBig(peer);
    }
  }

  /** A switch would drop in silence what is too big for a path; this one helps the sender, too. */
  #replyTooBig(peer: number): void {
    const packet = this.#packet;
    if (packet.version === 0) return;
    const mtu_bytes = this.#transmit.mtuOf(peer, packet);
    this.#reply.answer("tooBig", this.#transmit.burst.view, packet, mtu_bytes);
  }

  #drop(counter: number, offset: number, length: number): void {
    this.counters.totals[counter]!++;
    this.counters.observer?.droppedOut(this.#transmit.burst.view, counter, -1, offset, length);
  }
}
