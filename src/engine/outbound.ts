/** The way out: device -> route -> UDP. One call handles one burst. */

import { ICMP_ERRORS_PER_S } from "../limits.ts";
import { ICMP_ERROR_MAX_BYTES, type IcmpReason, writeIcmpError } from "../net/icmp.ts";
import { checkPacket, IPV4, IPV6, PACKET, PROTOCOL } from "../net/ip.ts";
import { fixedIpHeaderBytes, ipProtocol } from "../net/transport.ts";
import { CAPABILITY } from "../peers/hello.ts";
import type { RouteTable } from "../route/table.ts";
import { DEVICE_GONE, type PacketDevice, WRITE } from "../tun/device.ts";
import {
  completePartial,
  SPLIT_HEADER_MAX_BYTES,
  SPLIT_MALFORMED,
  Splitter,
} from "../tun/split.ts";
import { VNET, VNET_BYTES, VNET_GSO, VNET_NEEDS_CHECKSUM, writePlainVnet } from "../tun/vnet.ts";
import type { PacketSocket } from "../udp/socket.ts";
import { Burst } from "./burst.ts";
import { COUNTER, type LaneCounters } from "./counters.ts";
import type { FibHalf } from "./fib.ts";
import { RateLimit } from "./rate_limit.ts";

/** Distance between the headers that are made for segments. */
const HEADER_STRIDE_BYTES = (SPLIT_HEADER_MAX_BYTES + 15) & ~15;
/** Headers that may wait for a flush: what 64 full runs of segments need. */
const HEADERS = 4096;

/** One lane's way out. */
export class Outbound {
  readonly #burst = new Burst(undefined, HEADERS * HEADER_STRIDE_BYTES);
  readonly #splitter = new Splitter();
  #headers = 0;
  readonly #answer = new Burst(1);
  readonly #answerView: DataView;
  readonly #answerOffset = new Int32Array(1);
  readonly #answerLength = new Int32Array(1);
  readonly #icmpLimit: RateLimit;
  #routes: RouteTable | undefined;
  #peerMtu_bytes = new Int32Array(0);
  /** 1: the peer completes partial checksums itself. */
  #peerPartial = new Uint8Array(0);

  constructor(
    readonly device: PacketDevice,
    readonly socket: PacketSocket,
    readonly counters: LaneCounters,
    now_ms: () => number,
  ) {
    const offset = this.#answer.offset(0);
    this.#answerView = new DataView(this.#answer.bytes.buffer, offset, ICMP_ERROR_MAX_BYTES);
    writePlainVnet(this.#answer.view, offset - VNET_BYTES);
    this.#answerOffset[0] = offset - VNET_BYTES;
    this.#icmpLimit = new RateLimit(ICMP_ERRORS_PER_S, now_ms);
  }

  /** Switches to a newly published table. */
  useFib(fib: FibHalf): void {
    this.socket.usePeers(fib);
    this.#routes = fib.routes;
    const peers = Array.from({ length: fib.peerCount }, (_, index) => fib.peer(index));
    this.#peerMtu_bytes = Int32Array.from(peers, ({ mtu_bytes }) => mtu_bytes);
    this.#peerPartial = Uint8Array.from(
      peers,
      ({ capabilities }) => (capabilities & CAPABILITY.partialChecksum) !== 0 ? 1 : 0,
    );
  }

  /** Moves one burst. Returns the packets read: 0 when none waited, or DEVICE_GONE. */
  turn(): number {
    const count = this.device.read(this.#burst);
    if (count <= 0) return count === DEVICE_GONE ? DEVICE_GONE : 0;
    for (let slot = 0; slot < count; slot++) this.#route(slot);
    this.#flush();
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
    const vnetAt = offset - VNET_BYTES;
    if (view.getUint8(vnetAt + VNET.gsoType) !== VNET_GSO.none) {
      this.#sendSegments(peer, offset, length, version);
    } else if (length > this.#peerMtu_bytes[peer]!) this.#tooBig(peer, offset, length, version);
    else if (this.#settleChecksum(peer, offset, length, version)) {
      this.#queue(peer, 0, 0, offset, length);
    } else this.#count(COUNTER.malformed);
  }

  /** A super-packet: headers are made for each segment, the payload is sent from where it is. */
  #sendSegments(peer: number, offset: number, length: number, version: 4 | 6): void {
    const { view } = this.#burst;
    const splitter = this.#splitter;
    const segments = splitter.begin(view, offset, length, offset - VNET_BYTES);
    if (segments === SPLIT_MALFORMED) {
      this.#count(COUNTER.malformed);
      return;
    }
    const { header_bytes } = splitter;
    if (header_bytes + splitter.payloadLength(0) > this.#peerMtu_bytes[peer]!) {
      this.#tooBig(peer, offset, length, version);
      return;
    }
    const complete = this.#peerPartial[peer] === 0 || !plainHeader(view, offset, version);
    for (let i = 0; i < segments; i++) {
      if (this.#headers === HEADERS) this.#flush();
      const at = this.#burst.extraOffset + this.#headers++ * HEADER_STRIDE_BYTES;
      splitter.writeHeader(i, view, at, complete);
      this.#queue(peer, at, header_bytes, splitter.payloadOffset(i), splitter.payloadLength(i));
    }
  }

  /** Completes a partial checksum, unless the peer does that. False: the packet contradicts itself. */
  #settleChecksum(peer: number, offset: number, length: number, version: 4 | 6): boolean {
    const { view } = this.#burst;
    const vnetAt = offset - VNET_BYTES;
    if ((view.getUint8(vnetAt + VNET.flags) & VNET_NEEDS_CHECKSUM) === 0) return true;
    const protocol = ipProtocol(view, offset, version);
    const known = protocol === PROTOCOL.tcp || protocol === PROTOCOL.udp;
    if (this.#peerPartial[peer] === 1 && known && plainHeader(view, offset, version)) return true;
    return completePartial(view, offset, length, version, vnetAt);
  }

  #queue(peer: number, head: number, headLength: number, body: number, bodyLength: number): void {
    const { socket } = this;
    if (socket.queue(this.#burst, peer, head, headLength, body, bodyLength)) return;
    socket.flush(this.counters);
    socket.queue(this.#burst, peer, head, headLength, body, bodyLength);
  }

  #flush(): void {
    this.socket.flush(this.counters);
    this.#headers = 0;
  }

  #tooBig(peer: number, offset: number, length: number, version: 4 | 6): void {
    this.#count(COUNTER.too_big);
    this.#answerWith("tooBig", offset, length, version, this.#peerMtu_bytes[peer]!);
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
    this.#answerLength[0] = VNET_BYTES + size;
    const result = this.device.write(this.#answer, this.#answerOffset, this.#answerLength, 1);
    if (result === WRITE.ok) this.#count(COUNTER.icmp_errors);
  }

  #count(counter: number): void {
    this.counters.totals[counter]!++;
  }
}

/** Whether the receiver will see a partial checksum for what it is: no IP options, no extensions. */
function plainHeader(view: DataView, offset: number, version: 4 | 6): boolean {
  return version === 6 || (view.getUint8(offset) & 0xf) * 4 === fixedIpHeaderBytes(4);
}
