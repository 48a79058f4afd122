/** The way in: UDP -> checks -> merging -> device. One call handles one burst. */

import { HELLOS_PER_S } from "../limits.ts";
import { checkPacket, IPV4, IPV6, PACKET } from "../net/ip.ts";
import { CONTROL_FIRST_BYTE } from "../peers/hello.ts";
import type { RouteTable } from "../route/table.ts";
import { DEVICE_GONE, type PacketDevice, WRITE } from "../tun/device.ts";
import { Merger } from "../tun/merge.ts";
import { type PacketSocket, UNKNOWN_PEER } from "../udp/socket.ts";
import { Burst } from "./burst.ts";
import { COUNTER, type LaneCounters } from "./counters.ts";
import type { FibHalf } from "./fib.ts";
import { RateLimit } from "./rate_limit.ts";

/** Takes a control datagram from a known peer to the main thread; the bytes are a copy. */
export type OnControl = (peer: number, datagram: Uint8Array) => void;

/** First bytes 0x01 to 0x04 are WireGuard's message types, kept free for it. */
const WIREGUARD_LAST_TYPE = 4;

/** One lane's way in. */
export class Inbound {
  readonly #burst = new Burst();
  readonly #merger: Merger;
  readonly #controlLimit: RateLimit;
  #routes: RouteTable | undefined;
  #defaultPeer = -1;
  #deviceGone = false;

  constructor(
    readonly device: PacketDevice,
    readonly socket: PacketSocket,
    readonly counters: LaneCounters,
    readonly onControl: OnControl,
    now_ms: () => number,
  ) {
    this.#merger = new Merger(this, device.features);
    this.#controlLimit = new RateLimit(HELLOS_PER_S, now_ms);
  }

  /** Switches to a newly published table. */
  useFib(fib: FibHalf): void {
    this.socket.usePeers(fib);
    this.#routes = fib.routes;
    this.#defaultPeer = fib.defaultPeer;
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
        this.#handle(burst.peer[slot]!, offset + at, Math.min(segment, length - at));
        at += segment;
      } while (at < length);
    }
    this.#merger.flush();
    return this.#deviceGone ? DEVICE_GONE : count;
  }

  /** One datagram: to the device if its sender may send it. Everything else ends here. */
  #handle(peer: number, offset: number, length: number): void {
    if (peer === UNKNOWN_PEER || this.#routes === undefined) {
      return this.#count(COUNTER.unknown_peer);
    }
    if (length === 0) return this.#count(COUNTER.malformed);
    const { view } = this.#burst;
    const first = view.getUint8(offset);
    if (first === CONTROL_FIRST_BYTE) return this.#control(peer, offset, length);
    if (first >= 1 && first <= WIREGUARD_LAST_TYPE) return this.#count(COUNTER.reserved_type);

    const version = checkPacket(view, offset, length);
    if (version === PACKET.malformed) return this.#count(COUNTER.malformed);
    if (peer !== this.#defaultPeer && this.#ownerOf(offset, version) !== peer) {
      return this.#count(COUNTER.spoofed_source);
    }
    const { totals, peerPackets, peerBytes } = this.counters;
    totals[COUNTER.packets]!++;
    totals[COUNTER.bytes]! += length;
    peerPackets[peer]!++;
    peerBytes[peer]! += length;
    this.#merger.add(view, offset, length, version, this.device.features.checksum);
  }

  /** The peer whose subnet the packet's source lies in. */
  #ownerOf(offset: number, version: 4 | 6): number {
    const { view } = this.#burst;
    return version === PACKET.ipv4
      ? this.#routes!.lookup4(view.getUint32(offset + IPV4.source))
      : this.#routes!.lookup6(
        view.getUint32(offset + IPV6.source),
        view.getUint32(offset + IPV6.source + 4),
        view.getUint32(offset + IPV6.source + 8),
        view.getUint32(offset + IPV6.source + 12),
      );
  }

  /** The merger's sink: one write for a packet or for a whole run. */
  writeRun(offset: Int32Array, length: Int32Array, packets: number): void {
    const result = this.device.write(this.#burst, offset, length, packets);
    if (result === WRITE.ok) return;
    const reason = result === WRITE.rejected ? COUNTER.device_rejected : COUNTER.device_down;
    this.counters.totals[reason]! += packets;
    if (result === WRITE.gone) this.#deviceGone = true;
  }

  #control(peer: number, offset: number, length: number): void {
    if (!this.#controlLimit.take()) return this.#count(COUNTER.control_flood);
    this.#count(COUNTER.control);
    this.onControl(peer, this.#burst.bytes.slice(offset, offset + length));
  }

  #count(counter: number): void {
    this.counters.totals[counter]!++;
  }
}
