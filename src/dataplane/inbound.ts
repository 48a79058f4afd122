/** From the peers to the device: UDP -> classify -> admit -> merge -> device. One call handles one burst. */

import {
  BURST_PACKETS,
  CONTROL_MAX_BYTES,
  HANDSHAKES_HANDED_ON_PER_S,
  MOVES_PER_S,
  NODES_MAX,
  SEALED_BURST_PACKETS,
  UNVERIFIED_HELLOS_PER_S,
  WRONG_INTERFACES_PER_S,
  WRONG_PORTS_PER_S,
} from "../base/limits.ts";
import { simdArena } from "../net/simd.ts";
import { DATA_TYPE } from "../wire/data_message.ts";
import { CONTROL_FIRST_BYTE, echoTokenAt, isProbeAt } from "../wire/hello.ts";
import { classify, DATAGRAM, type DatagramKind } from "../wire/classify.ts";
import { DEVICE_GONE, type PacketDevice, WRITE } from "../io/device.ts";
import { Merger } from "../offload/coalesce.ts";
import { readSockaddr, type Sender, SOCKADDR_WORDS } from "../io/sockaddr.ts";
import type { PacketSocket } from "../io/socket.ts";
import { Burst } from "../io/arena.ts";
import { MARKED_BYTES } from "../io/interface_filter.ts";
import { COUNTER } from "../forwarding/counters.ts";
import type { Mailbox } from "../forwarding/mailbox.ts";
import type { LaneRecord } from "./observer.ts";
import type { LaneTable } from "../forwarding/lane_table.ts";
import { TRANSPORT } from "../forwarding/peer_row.ts";
import { type Admission, ADMITTED } from "./admit.ts";
import { UNOPENED } from "./open.ts";
import { Opened, OPENED_BYTES } from "./opened.ts";
import { PeerRateLimit, RateLimit } from "./rate_limit.ts";
import type { LaneSealing } from "./sealing.ts";
import { Senders, UNKNOWN_PEER } from "./senders.ts";

/** A datagram from a peer's address, but not from its port. */
export interface WrongPortDatagram {
  readonly sender: Sender;
  /** A copy of a hello's first CONTROL_MAX_BYTES; empty if it was none. */
  readonly bytes: Uint8Array;
}

/** Where a lane takes what is for the main thread. */
export interface ControlSink {
  /** The hellos of peers. */
  readonly mailbox: Mailbox;
  /** There is something in it; called once until somebody has looked. */
  readonly onMail: () => void;
  readonly onWrongPort: (datagram: WrongPortDatagram) => void;
  /** Something came from a peer's address and port by an interface that does not lead there. */
  readonly onWrongInterface: (peer: number) => void;
}

const NO_BYTES = new Uint8Array(0);

/** The counter of each reason why a message is not opened. */
const UNOPENED_COUNTER: ReadonlyMap<number, number> = new Map([
  [UNOPENED.noSession, COUNTER.no_session],
  [UNOPENED.badTag, COUNTER.bad_tag],
  [UNOPENED.replayed, COUNTER.replayed],
  [UNOPENED.malformed, COUNTER.malformed],
]);

/** `#sender`: nobody has asked yet who sent the slot's datagrams. */
const NOT_ASKED = -2;

/** One lane's inbound direction, in the mode of its admission. */
export class Inbound {
  readonly #burst: Burst;
  readonly #merger: Merger;
  readonly #unverifiedLimit: PeerRateLimit;
  readonly #wrongPortLimit: RateLimit;
  readonly #wrongInterfaceLimit: RateLimit;
  readonly #handshakeLimit: RateLimit;
  readonly #moveLimit: RateLimit;
  /** One of TRANSPORT for each peer. */
  readonly #transport = new Uint8Array(NODES_MAX);
  /** 1: the peer knows that this node completes checksums. A plain one's are never touched. */
  readonly #partial = new Uint8Array(NODES_MAX);
  /** What each peer's hellos have to echo, the lower half first; zeros: none does. */
  readonly #tokens = new Uint32Array(2 * NODES_MAX);
  readonly #senders = new Senders();
  /** The peer that sent the current slot's datagrams, UNKNOWN_PEER or NOT_ASKED. */
  #sender = NOT_ASKED;
  readonly #opened: Opened | undefined;
  #deviceGone = false;

  constructor(
    readonly device: PacketDevice,
    readonly socket: PacketSocket,
    readonly counters: LaneRecord,
    readonly admission: Admission,
    readonly control: ControlSink,
    now_ms: () => number,
    readonly sealing?: LaneSealing,
  ) {
    this.#burst = new Burst(sealing ? SEALED_BURST_PACKETS : BURST_PACKETS, 0, simdArena);
    this.#merger = new Merger(this, device.features);
    this.#opened = sealing && new Opened(simdArena(OPENED_BYTES));
    this.#unverifiedLimit = new PeerRateLimit(NODES_MAX, UNVERIFIED_HELLOS_PER_S, now_ms);
    this.#wrongPortLimit = new RateLimit(WRONG_PORTS_PER_S, now_ms);
    this.#wrongInterfaceLimit = new RateLimit(WRONG_INTERFACES_PER_S, now_ms);
    this.#handshakeLimit = new RateLimit(HANDSHAKES_HANDED_ON_PER_S, now_ms);
    this.#moveLimit = new RateLimit(MOVES_PER_S, now_ms);
  }

  /** Takes over what the table has acquired. */
  useTable(table: LaneTable): void {
    this.#senders.useTable(table);
    this.admission.useTable(table);
    for (const index of table.changed) {
      const { transport, heard, token } = table.peer(index);
      this.#transport[index] = transport;
      this.#tokens[2 * index] = Number(BigInt.asUintN(32, token));
      this.#tokens[2 * index + 1] = Number(BigInt.asUintN(32, token >> 32n));
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
      this.#sender = NOT_ASKED;
      if (length === MARKED_BYTES) {
        this.#wrongInterface(slot, offset);
        continue;
      }
      if (this.sealing && this.#burst.view.getUint8(offset) === DATA_TYPE) {
        this.#openAll(this.sealing, slot, offset, segment, length);
        continue;
      }
      let at = 0;
      do {
        this.#handle(slot, offset + at, Math.min(segment, length - at));
        at += segment;
        if (at >= length) break;
        // What joins has the sender of the packet before it, which has been asked for.
        const whole = Math.floor((length - at) / segment);
        at += segment * this.#follow(this.#sender, offset + at, segment, whole);
      } while (at < length);
    }
    this.#merger.flush();
    this.#opened?.clear();
    return this.#deviceGone ? DEVICE_GONE : count;
  }

  /**
   * One datagram: to the device if its sender may send it. Everything else ends
   * here. INVARIANT: its first byte has told what it is before anybody asks who
   * sent it: what is sealed, its session tells; all else comes from the peer with the address.
   */
  #handle(slot: number, offset: number, length: number): void {
    const { view } = this.#burst;
    const { admission } = this;
    const { sealing } = this;
    const kind = classify(view, offset, length, admission.mode, sealing !== undefined);
    if (kind === DATAGRAM.wireguard && sealing) {
      if (view.getUint8(offset) !== DATA_TYPE) {
        return this.#handshake(sealing, slot, offset, length);
      }
      return this.#openAll(sealing, slot, offset, length, length);
    }
    const peer = this.#peerOf(slot);
    if (peer === UNKNOWN_PEER) return this.#unknown(slot, kind, offset, length);
    if (this.#transport[peer] === TRANSPORT.sealed) {
      return this.#drop(COUNTER.unencrypted, peer, offset, length);
    }
    if (kind === DATAGRAM.hello) return this.#hello(slot, peer, offset, length);
    if (this.#transport[peer] === TRANSPORT.other_mode) {
      return this.#drop(COUNTER.wrong_mode, peer, offset, length);
    }
    if (kind === DATAGRAM.unknown) return this.#drop(COUNTER.malformed, peer, offset, length);
    if (kind === DATAGRAM.wireguard) {
      return this.#drop(COUNTER.reserved_type, peer, offset, length);
    }
    this.#admit(peer, offset, length);
  }

  /** A packet or frame of a peer: to the merger, if the peer may send it. */
  #admit(peer: number, offset: number, length: number): void {
    const { view } = this.#burst;
    const partial = this.#partial[peer] === 1;
    const verdict = this.admission.admit(view, offset, length, peer, this.#merger, partial);
    if (verdict !== ADMITTED) return this.#drop(verdict, peer, offset, length);
    this.#countPackets(peer, 1, length);
    this.counters.observer?.received(view, peer, offset, length, 1);
  }

  /**
   * Data messages that were received as one: who sent them, their session says, and not where they
   * came from. Equal packets of one session go on in a row.
   */
  #openAll(
    sealing: LaneSealing,
    slot: number,
    offset: number,
    segment: number,
    length: number,
  ): void {
    const { view } = this.#burst;
    const { open } = sealing;
    const opened = this.#opened!;
    if (!opened.hasRoom(length)) {
      this.#merger.flush();
      opened.clear();
    }
    for (let at = 0; at < length; at += segment) {
      const from = offset + at;
      const message_bytes = Math.min(segment, length - at);
      if (view.getUint8(from) !== DATA_TYPE) {
        this.#endRow(slot);
        this.#handle(slot, from, message_bytes);
        continue;
      }
      const size = open.open(opened.end, from, message_bytes);
      if (size < 0) {
        this.#drop(UNOPENED_COUNTER.get(size)!, UNKNOWN_PEER, from, message_bytes);
        continue;
      }
      const { index } = open;
      if (opened.joins(size, index)) {
        opened.count++;
        continue;
      }
      const { peer } = open;
      sealing.noteOpened(size > 0);
      this.#endRow(slot);
      this.#noteMoved(sealing, slot, peer);
      if (size === 0) this.#count(COUNTER.control);
      else opened.begin(size, peer, index);
    }
    this.#endRow(slot);
  }

  /** Handles the packets of the row, and ends it. */
  #endRow(slot: number): void {
    const opened = this.#opened!;
    const { start, count, packet_bytes, peer } = opened;
    for (let i = 0; i < count;) {
      this.#handleOpened(slot, peer, start + i * packet_bytes, packet_bytes);
      i++;
      if (i < count) i += this.#follow(peer, start + i * packet_bytes, packet_bytes, count - i);
    }
    opened.endRow();
  }

  #handleOpened(slot: number, peer: number, offset: number, length: number): void {
    const isControl = this.#burst.bytes[offset] === CONTROL_FIRST_BYTE;
    if (isControl) this.#hello(slot, peer, offset, length);
    else this.#admit(peer, offset, length);
  }

  /** Tells the main thread of an authentic message that came from elsewhere than its peer's address. */
  #noteMoved(sealing: LaneSealing, slot: number, peer: number): void {
    if (this.#peerOf(slot) === peer || !this.#moveLimit.take()) return;
    sealing.tell({ what: "moved", peer, sender: readSockaddr(this.#burst.sender, slot) });
  }

  /** Of those that somebody sends to this node, the main thread gets as many as it can judge. */
  #handshake(sealing: LaneSealing, slot: number, offset: number, length: number): void {
    // Before anything is computed: the sum over a message takes longer than all else here.
    if (this.#handshakeLimit.isEmpty) {
      return this.#drop(COUNTER.handshake_flood, UNKNOWN_PEER, offset, length);
    }
    const message = this.#burst.bytes.subarray(offset, offset + length);
    if (!sealing.isForUs(message)) {
      if (this.#moveLimit.take()) {
        sealing.tell({ what: "foreign", sender: readSockaddr(this.#burst.sender, slot) });
      }
      return this.#drop(COUNTER.bad_handshake, UNKNOWN_PEER, offset, length);
    }
    this.#handshakeLimit.take();
    this.#count(COUNTER.control);
    const sender = readSockaddr(this.#burst.sender, slot);
    sealing.tell({ what: "handshake", bytes: message.slice(), sender });
  }

  /** The peer with the address and port that a slot's datagrams came from, or UNKNOWN_PEER. */
  #peerOf(slot: number): number {
    if (this.#sender === NOT_ASKED) {
      this.#sender = this.#senders.peerAt(this.#burst.sender, slot * SOCKADDR_WORDS);
    }
    return this.#sender;
  }

  /** Of `whole` packets right behind a good one of the same peer, those of one run with it. */
  #follow(peer: number, offset: number, segment: number, whole: number): number {
    const taken = this.#merger.follow(this.#burst.view, offset, segment, whole);
    if (taken === 0) return 0;
    this.#countPackets(peer, taken, taken * segment);
    this.counters.observer?.received(this.#burst.view, peer, offset, segment, taken);
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

  /**
   * A hello from a peer's address. One that echoes what only the peer has been told is its own; of
   * others, which anybody can send, a few are shown. Neither makes a queue grow.
   */
  #hello(slot: number, peer: number, offset: number, length: number): void {
    const verified = this.#echoesToken(peer, offset, length);
    if (!verified && !this.#unverifiedLimit.take(peer)) {
      return this.#drop(COUNTER.control_flood, peer, offset, length);
    }
    this.#count(COUNTER.control);
    const { mailbox, onMail } = this.control;
    const { bytes, sender } = this.#burst;
    const at = slot * SOCKADDR_WORDS;
    if (mailbox.put(peer, verified, bytes, offset, length, sender, at)) {
      this.#count(COUNTER.control_replaced);
    }
    if (mailbox.announce()) onMail();
  }

  #echoesToken(peer: number, offset: number, length: number): boolean {
    const { view } = this.#burst;
    const low = this.#tokens[2 * peer]!;
    const high = this.#tokens[2 * peer + 1]!;
    const at = echoTokenAt(view, offset, length);
    return at >= 0 && (low | high) !== 0 && view.getUint32(at) === high &&
      view.getUint32(at + 4) === low;
  }

  /**
   * A datagram of no peer: dropped. The main thread gets to know of it where it
   * comes from a peer's address, with another port than the config says.
   */
  #unknown(slot: number, kind: DatagramKind, offset: number, length: number): void {
    const peerHost = this.#senders.isHostAt(this.#burst.sender, slot * SOCKADDR_WORDS);
    if (peerHost && kind === DATAGRAM.hello && isProbeAt(this.#burst.view, offset, length)) {
      return this.#count(COUNTER.control);
    }
    const reason = peerHost ? COUNTER.wrong_port : COUNTER.unknown_peer;
    this.#drop(reason, UNKNOWN_PEER, offset, length);
    if (!peerHost || !this.#wrongPortLimit.take()) return;
    const sender = readSockaddr(this.#burst.sender, slot);
    const end = offset + Math.min(length, CONTROL_MAX_BYTES);
    const bytes = kind === DATAGRAM.hello ? this.#burst.bytes.slice(offset, end) : NO_BYTES;
    this.control.onWrongPort({ sender, bytes });
  }

  /** What the socket's filter has left of a datagram by an interface that does not lead to its sender. */
  #wrongInterface(slot: number, offset: number): void {
    const peer = this.#peerOf(slot);
    const known = peer !== UNKNOWN_PEER ||
      this.#senders.isHostAt(this.#burst.sender, slot * SOCKADDR_WORDS);
    const reason = known ? COUNTER.wrong_interface : COUNTER.unknown_peer;
    this.#drop(reason, peer, offset, MARKED_BYTES);
    if (peer === UNKNOWN_PEER || !this.#wrongInterfaceLimit.take()) return;
    this.control.onWrongInterface(peer);
  }

  #drop(counter: number, peer: number, offset: number, length: number): void {
    this.#count(counter);
    if (peer !== UNKNOWN_PEER) this.counters.peerDrops[peer]!++;
    this.counters.observer?.droppedIn(this.#burst.view, counter, peer, offset, length);
  }

  #count(counter: number): void {
    this.counters.totals[counter]!++;
  }
}
