/** The way out in mode tap: device -> switch -> UDP. One call handles one burst. */

import { MAC_LEARNS_PER_S } from "../base/limits.ts";
import {
  checkFrame,
  ETHERNET,
  ethernetHeaderBytes,
  isGroupMac,
  packetInFrame,
} from "../net/ethernet.ts";
import { PACKET } from "../net/ip.ts";
import { CONTROL_FIRST_BYTE } from "../wire/hello.ts";
import { FIXED, type MacTable, NOBODY, SELF } from "../forwarding/macs.ts";
import { DEVICE_GONE, type PacketDevice } from "../io/device.ts";
import type { PacketSocket } from "../io/socket.ts";
import { COUNTER } from "../forwarding/counters.ts";
import type { LaneRecord } from "./observer.ts";
import { EGRESS, Egress, type EgressResult } from "./transmit.ts";
import type { LaneTable } from "../forwarding/lane_table.ts";
import { IcmpAnswers } from "./icmp_reply.ts";
import { RateLimit } from "./rate_limit.ts";

/** One lane's way out for frames. */
export class FrameOutbound {
  readonly #egress: Egress;
  readonly #answers: IcmpAnswers;
  readonly #moveLimit: RateLimit;
  /** Frames of the last burst. */
  #frames = 0;

  constructor(
    readonly device: PacketDevice,
    socket: PacketSocket,
    readonly counters: LaneRecord,
    readonly macs: MacTable,
    now_ms: () => number,
  ) {
    this.#egress = new Egress(socket, counters);
    this.#answers = new IcmpAnswers(device, counters, now_ms);
    this.#moveLimit = new RateLimit(MAC_LEARNS_PER_S, now_ms);
  }

  /** Takes over what the table has acquired. */
  useTable(table: LaneTable): void {
    this.#egress.useTable(table);
  }

  /** Moves one burst. Returns the frames read: 0 when none waited, or DEVICE_GONE. */
  turn(): number {
    // An engine that sends later learns later: what was refused of the last burst is still there.
    this.#learnNarrower();
    const { burst } = this.#egress;
    let count = 0;
    while (count < burst.slots) {
      const taken = this.device.read(burst, count);
      if (taken === DEVICE_GONE && count === 0) return DEVICE_GONE;
      if (taken <= 0) break;
      this.#switch(burst.offset(count), burst.length[count]!);
      count++;
      // Where frames come one by one, each leaves before the next is looked for.
      if (count === 1 && this.#frames <= 1) this.#egress.flush();
    }
    this.#frames = count;
    if (count === 0) return 0;
    this.#egress.flush();
    this.#learnNarrower();
    return count;
  }

  #switch(offset: number, length: number): void {
    const { view } = this.#egress.burst;
    if (!checkFrame(view, offset, length)) return this.#drop(COUNTER.malformed, offset, length);
    // The peer would take it for a control datagram.
    if (view.getUint8(offset) === CONTROL_FIRST_BYTE) {
      return this.#drop(COUNTER.reserved_type, offset, length);
    }

    const source = this.macs.lookup(view, offset + ETHERNET.source);
    if (source !== NOBODY && source !== (SELF | FIXED)) {
      if ((source & FIXED) !== 0) {
        return this.#drop(COUNTER.spoofed_source, offset, length);
      }
      this.#hasComeHere(view, offset + ETHERNET.source);
    }
    const ethernet_bytes = ethernetHeaderBytes(view, offset, length);
    const version = packetInFrame(view, offset, length, ethernet_bytes);
    const owner = this.#ownerOfDestination(offset);
    if (owner === NOBODY) return this.#flood(offset, length, version, ethernet_bytes);
    // A station of this very node: a bridge that has forgotten it sends its frames everywhere.
    if (owner === SELF) return this.#drop(COUNTER.no_route, offset, length);
    const result = this.#send(owner, offset, length, version, ethernet_bytes);
    if (result !== EGRESS.tooBig || version === PACKET.malformed) return;
    this.#answer(owner, offset, length, version, ethernet_bytes);
  }

  /** The peer (or SELF) that a frame is for; NOBODY for a group's, and one of whom nothing is known. */
  #ownerOfDestination(offset: number): number {
    const { view } = this.#egress.burst;
    const at = offset + ETHERNET.destination;
    if (isGroupMac(view, at)) return NOBODY;
    const owner = this.macs.lookup(view, at);
    return owner === NOBODY ? NOBODY : owner & ~FIXED;
  }

  /** Tells the senders of what was too big for a path that has turned out to be narrower. */
  #learnNarrower(): void {
    const peers = this.#egress.learnNarrower();
    if (peers.length === 0) return;
    const { burst } = this.#egress;
    const { view } = burst;
    for (let slot = 0; slot < this.#frames; slot++) {
      const offset = burst.offset(slot);
      const length = burst.length[slot]!;
      if (!checkFrame(view, offset, length)) continue;
      const ethernet_bytes = ethernetHeaderBytes(view, offset, length);
      const version = packetInFrame(view, offset, length, ethernet_bytes);
      const owner = this.#ownerOfDestination(offset);
      if (version === PACKET.malformed || !peers.includes(owner)) continue;
      const at = offset + ethernet_bytes;
      const size = length - ethernet_bytes;
      if (!this.#egress.isTooBig(owner, at, size, version, ethernet_bytes)) continue;
      this.#answer(owner, offset, length, version, ethernet_bytes);
    }
  }

  /** A switch would drop in silence what is too big for a path; this one helps the sender out. */
  #answer(
    peer: number,
    offset: number,
    length: number,
    version: 4 | 6,
    ethernet_bytes: number,
  ): void {
    const { view } = this.#egress.burst;
    const at = offset + ethernet_bytes;
    const size = length - ethernet_bytes;
    const mtu_bytes = this.#egress.mtuOf(peer, version, ethernet_bytes);
    this.#answers.answer("tooBig", view, at, size, version, mtu_bytes, ethernet_bytes);
  }

  /** To all peers: a group's frame, or one for a station that nobody has heard of. */
  #flood(offset: number, length: number, version: 0 | 4 | 6, ethernet_bytes: number): void {
    let reached = 0;
    for (let peer = 0; peer < this.#egress.peerCount; peer++) {
      if (!this.#egress.reaches(peer)) continue;
      reached++;
      this.#send(peer, offset, length, version, ethernet_bytes);
    }
    if (reached > 0) this.#count(COUNTER.flooded);
    else this.#drop(COUNTER.no_route, offset, length);
  }

  #send(
    peer: number,
    offset: number,
    length: number,
    version: 0 | 4 | 6,
    ethernet_bytes: number,
  ): EgressResult {
    if (version === PACKET.malformed) return this.#egress.sendOpaque(peer, offset, length);
    const at = offset + ethernet_bytes;
    return this.#egress.send(peer, at, length - ethernet_bytes, version, ethernet_bytes);
  }

  /** A station that was a peer's speaks from this side: its frames go to no peer any more. */
  #hasComeHere(view: DataView, source: number): void {
    if (!this.#moveLimit.take()) return this.#count(COUNTER.mac_limited);
    if (this.macs.forget(view, source)) this.#count(COUNTER.mac_moved);
  }

  #drop(counter: number, offset: number, length: number): void {
    this.#count(counter);
    this.counters.observer?.droppedOut(this.#egress.burst.view, counter, -1, offset, length);
  }

  #count(counter: number): void {
    this.counters.totals[counter]!++;
  }
}
