/** The way in: UDP -> checks -> device. One call handles one burst. */

import { HELLOS_PER_S } from "../limits.ts";
import { checkPacket, IPV4, IPV6, PACKET } from "../net/ip.ts";
import { CONTROL_FIRST_BYTE } from "../peers/hello.ts";
import type { RouteTable } from "../route/table.ts";
import { DEVICE_GONE, type PacketDevice, WRITE } from "../tun/device.ts";
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
  readonly #controlLimit: RateLimit;
  #routes: RouteTable | undefined;
  #defaultPeer = -1;

  constructor(
    readonly device: PacketDevice,
    readonly socket: PacketSocket,
    readonly counters: LaneCounters,
    readonly onControl: OnControl,
    now_ms: () => number,
  ) {
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
    const count = this.socket.receive(this.#burst);
    for (let slot = 0; slot < count; slot++) {
      if (this.#accept(slot) && this.#deliver(slot) === WRITE.gone) return DEVICE_GONE;
    }
    return count;
  }

  /** Whether the datagram is a packet that its sender may send. Everything else ends here. */
  #accept(slot: number): boolean {
    const peer = this.#burst.peer[slot]!;
    if (peer === UNKNOWN_PEER || this.#routes === undefined) {
      return this.#drop(COUNTER.unknown_peer);
    }
    const { view } = this.#burst;
    const offset = this.#burst.offset(slot);
    const length = this.#burst.length[slot]!;
    if (length === 0) return this.#drop(COUNTER.malformed);
    const first = view.getUint8(offset);
    if (first === CONTROL_FIRST_BYTE) return this.#control(peer, offset, length);
    if (first >= 1 && first <= WIREGUARD_LAST_TYPE) return this.#drop(COUNTER.reserved_type);

    const version = checkPacket(view, offset, length);
    if (version === PACKET.malformed) return this.#drop(COUNTER.malformed);
    if (peer === this.#defaultPeer) return true;
    const owner = version === PACKET.ipv4
      ? this.#routes.lookup4(view.getUint32(offset + IPV4.source))
      : this.#routes.lookup6(
        view.getUint32(offset + IPV6.source),
        view.getUint32(offset + IPV6.source + 4),
        view.getUint32(offset + IPV6.source + 8),
        view.getUint32(offset + IPV6.source + 12),
      );
    return owner === peer || this.#drop(COUNTER.spoofed_source);
  }

  #deliver(slot: number): number {
    const length = this.#burst.length[slot]!;
    const result = this.device.write(this.#burst, slot);
    if (result === WRITE.ok) {
      const peer = this.#burst.peer[slot]!;
      const { totals, peerPackets, peerBytes } = this.counters;
      totals[COUNTER.packets]!++;
      totals[COUNTER.bytes]! += length;
      peerPackets[peer]!++;
      peerBytes[peer]! += length;
    } else this.#drop(result === WRITE.rejected ? COUNTER.device_rejected : COUNTER.device_down);
    return result;
  }

  #control(peer: number, offset: number, length: number): false {
    if (!this.#controlLimit.take()) return this.#drop(COUNTER.control_flood);
    this.counters.totals[COUNTER.control]!++;
    this.onControl(peer, this.#burst.bytes.slice(offset, offset + length));
    return false;
  }

  #drop(counter: number): false {
    this.counters.totals[counter]!++;
    return false;
  }
}
