/** The way in: UDP -> checks -> merging -> device. One call handles one burst. */

import { CONTROL_MAX_BYTES, HELLOS_PER_S, NODES_MAX, WRONG_PORTS_PER_S } from "../base/limits.ts";
import { simdArena } from "../net/simd.ts";
import { CONTROL_FIRST_BYTE } from "../wire/hello.ts";
import { DEVICE_GONE, type PacketDevice, WRITE } from "../io/device.ts";
import { Merger } from "../offload/coalesce.ts";
import { type PacketSocket, type Sender, UNKNOWN_PEER } from "../io/socket.ts";
import { Burst } from "../io/arena.ts";
import { COUNTER } from "../forwarding/counters.ts";
import type { LaneRecord } from "./observer.ts";
import type { LaneTable } from "../forwarding/lane_table.ts";
import { TRANSPORT } from "../forwarding/peer_row.ts";
import { ADMITTED, type Gate } from "./admit.ts";
import { PacketGate } from "./admit_packet.ts";
import { RateLimit } from "./rate_limit.ts";

/** What a lane tells the main thread of a datagram. */
export interface ControlDatagram {
  /** The peer with the sender's address and port, or UNKNOWN_PEER. */
  readonly peer: number;
  readonly sender: Sender;
  /**
   * A copy of a control datagram's first CONTROL_MAX_BYTES. Empty where only
   * the sender tells something: a peer's address, but not its port.
   */
  readonly bytes: Uint8Array;
}

/** Takes a control datagram to the main thread. */
export type OnControl = (datagram: ControlDatagram) => void;

const NO_BYTES = new Uint8Array(0);

/** One lane's way in. */
export class Inbound {
  readonly #burst = new Burst(undefined, 0, simdArena);
  readonly #merger: Merger;
  readonly #controlLimit: RateLimit;
  readonly #wrongPortLimit: RateLimit;
  /** One of TRANSPORT for each peer. */
  readonly #transport = new Uint8Array(NODES_MAX);
  /** 1: the peer knows that this node completes checksums. A plain one's are never touched. */
  readonly #partial = new Uint8Array(NODES_MAX);
  #deviceGone = false;

  constructor(
    readonly device: PacketDevice,
    readonly socket: PacketSocket,
    readonly counters: LaneRecord,
    readonly onControl: OnControl,
    now_ms: () => number,
    readonly gate: Gate = new PacketGate(),
  ) {
    this.#merger = new Merger(this, device.features);
    this.#controlLimit = new RateLimit(HELLOS_PER_S, now_ms);
    this.#wrongPortLimit = new RateLimit(WRONG_PORTS_PER_S, now_ms);
  }

  /** Takes over what the table has acquired. */
  useTable(table: LaneTable): void {
    this.socket.usePeers(table);
    this.gate.useTable(table);
    for (const index of table.changed) {
      const { transport, heard } = table.peer(index);
      this.#transport[index] = transport;
      this.#partial[index] = this.device.features.partial && heard ? 1 : 0;
    }
  }

  /** Moves one burst. Returns the datagrams received: 0 when none waited, or DEVICE_GONE. */
  turn(): number {
    const burst = this.#burst;
    const count = this.socket.receive(burst);
    for (let slot = 0; slot < count; slot++) {
      const offset = burst.offset(slot);
      const length = burst.length[slot]!;
      // What the kernel received as one are datagrams of one size, the last one maybe shorter.
      const segment = burst.segment[slot]! || Math.max(1, length);
      let at = 0;
      do {
        this.#handle(slot, offset + at, Math.min(segment, length - at));
        at += segment;
        if (at < length) at += segment * this.#follow(slot, offset + at, segment, length - at);
      } while (at < length);
    }
    this.#merger.flush();
    return this.#deviceGone ? DEVICE_GONE : count;
  }

  /** One datagram: to the device if its sender may send it. Everything else ends here. */
  #handle(slot: number, offset: number, length: number): void {
    const peer = this.#burst.peer[slot]!;
    if (peer === UNKNOWN_PEER) return this.#unknown(slot, offset, length);
    if (length === 0) return this.#drop(COUNTER.malformed, peer, offset, length);
    const { view } = this.#burst;
    if (view.getUint8(offset) === CONTROL_FIRST_BYTE) return this.#control(slot, offset, length);
    if (this.#transport[peer] === TRANSPORT.other_mode) {
      return this.#drop(COUNTER.wrong_mode, peer, offset, length);
    }
    const partial = this.#partial[peer] === 1;
    const verdict = this.gate.admit(view, offset, length, peer, this.#merger, partial);
    if (verdict !== ADMITTED) return this.#drop(verdict, peer, offset, length);
    this.#countPackets(peer, 1, length);
    this.counters.observer?.received(view, peer, offset, length, 1);
  }

  /** Packets that were received as one with a good one before them: those of one run with it. */
  #follow(slot: number, offset: number, segment: number, length: number): number {
    const whole = Math.floor(length / segment);
    const taken = this.#merger.follow(this.#burst.view, offset, segment, whole);
    if (taken === 0) return 0;
    const { view, peer } = this.#burst;
    this.#countPackets(peer[slot]!, taken, taken * segment);
    this.counters.observer?.received(view, peer[slot]!, offset, segment, taken);
    return taken;
  }

  #countPackets(peer: number, packets: number, bytes: number): void {
    const { totals, peerPackets, peerBytes } = this.counters;
    totals[COUNTER.packets]! += packets;
    totals[COUNTER.bytes]! += bytes;
    peerPackets[peer]! += packets;
    peerBytes[peer]! += bytes;
  }

  /** The merger's sink: one write for a packet or for a whole run. */
  writeRun(offset: Int32Array, length: Int32Array, packets: number): void {
    const result = this.device.write(this.#burst, offset, length, packets);
    if (result === WRITE.ok) return;
    const reason = result === WRITE.rejected ? COUNTER.device_rejected : COUNTER.device_down;
    this.counters.totals[reason]! += packets;
    if (result === WRITE.gone) this.#deviceGone = true;
  }

  #control(slot: number, offset: number, length: number): void {
    if (!this.#controlLimit.take()) return this.#count(COUNTER.control_flood);
    this.#count(COUNTER.control);
    this.#tell(slot, this.#copy(offset, length));
  }

  /**
   * A datagram of no peer: dropped. The main thread gets to know of it where it
   * comes from a peer's address, with another port than the config says.
   */
  #unknown(slot: number, offset: number, length: number): void {
    const peerHost = this.socket.fromPeerHost(slot);
    const reason = peerHost ? COUNTER.wrong_port : COUNTER.unknown_peer;
    this.#drop(reason, UNKNOWN_PEER, offset, length);
    if (!peerHost || !this.#wrongPortLimit.take()) return;
    const control = length > 0 && this.#burst.view.getUint8(offset) === CONTROL_FIRST_BYTE;
    this.#tell(slot, control ? this.#copy(offset, length) : NO_BYTES);
  }

  #copy(offset: number, length: number): Uint8Array {
    return this.#burst.bytes.slice(offset, offset + Math.min(length, CONTROL_MAX_BYTES));
  }

  #tell(slot: number, bytes: Uint8Array): void {
    this.onControl({
      peer: this.#burst.peer[slot]!,
      sender: this.socket.senderOf(slot),
      bytes,
    });
  }

  #drop(counter: number, peer: number, offset: number, length: number): void {
    this.#count(counter);
    this.counters.observer?.droppedIn(this.#burst.view, counter, peer, offset, length);
  }

  #count(counter: number): void {
    this.counters.totals[counter]!++;
  }
}
