/**
 * Merges packets of one flow that follow each other into one super-packet, the
 * reverse of segment.ts: the device takes them in one write and the kernel handles
 * them as one. Pure: it works in the arena and hands finished runs to a sink.
 *
 * INVARIANT: splitting what was merged gives back the same packets, byte for
 * byte. So packets join only where the kernel's own GRO would join them
 * (net/ipv4/tcp_offload.c, tcp_gro_receive; net/ipv4/udp_offload.c): the same
 * headers but for length, IPv4 identification (counting up by one), sequence and
 * checksum; equal payload sizes but for a shorter last one; CWR only on the
 * first packet, PSH and FIN only on the last.
 */

import { foldChecksum, minus, sum16 } from "../net/checksum.ts";
import { IPV4, IPV4_HEADER_BYTES, IPV6, IPV6_HEADER_BYTES, PROTOCOL } from "../net/ip.ts";
import {
  checksumState,
  foldPartial,
  isFragment4,
  pseudoSum,
  TCP,
  TCP_FLAG,
  TCP_HEADER_BYTES,
  UDP,
  UDP_HEADER_BYTES,
} from "../net/transport.ts";
import { VNET_BYTES, VNET_GSO, writePlainVnet, writeVnet } from "./vnet.ts";

/** Pieces of a run: UDP_MAX_SEGMENTS and far below IOV_MAX (1,024). */
export const RUN_PACKETS_MAX = 64;

/** A super-packet is an IP packet: its length has 16 bits. */
const RUN_BYTES_MAX = 65_535;

/** Takes finished runs. */
export interface RunSink {
  /**
   * A virtio header and a packet that start at `offset[0]`, then more payload:
   * `pieces` byte ranges of the arena. `packets` counts what was merged.
   */
  writeRun(offset: Int32Array, length: Int32Array, pieces: number): void;
}

/** Which super-packets the device takes. */
export interface MergeFeatures {
  readonly tcp4: boolean;
  readonly tcp6: boolean;
  readonly udp: boolean;
}

/** TCP flags that keep a packet from being merged. */
const NEVER = TCP_FLAG.syn | TCP_FLAG.rst | TCP_FLAG.urg;
/** TCP flags that end a run. */
const LAST = TCP_FLAG.psh | TCP_FLAG.fin;

/** One run at a time: what cannot join it is written after it, so order is kept. */
export class Merger {
  readonly #offsets = new Int32Array(RUN_PACKETS_MAX);
  readonly #lengths = new Int32Array(RUN_PACKETS_MAX);
  #packets = 0;
  #view: DataView = new DataView(new ArrayBuffer(0));
  #offset = 0;
  #version: 4 | 6 = 4;
  #protocol = 0;
  #ethernet_bytes = 0;
  #ip_bytes = 0;
  #header_bytes = 0;
  #segment_bytes = 0;
  #total_bytes = 0;
  /** Signed, as getInt32 reads it: an unsigned number may be too large to be kept without allocation. */
  #nextSequence = 0;
  #lastFlags = 0;
  /** Where the last packet that joined ends. */
  #end = 0;
  /** Ethernet header of the packet that is being added. */
  #adding_bytes = 0;
  /** Whether nothing more may join. */
  #closed = true;
  /** Whether the first packet has a partial checksum. */
  #partial = false;
  /** Sum of the first packet's IPv4 header without identification and checksum. */
  #headerSum = 0;

  constructor(readonly sink: RunSink, readonly features: MergeFeatures) {}

  /**
   * Takes a packet that has passed `checkPacket`, in an arena with VNET_BYTES of
   * spent or free bytes before it. `mayBePartial`: its sender leaves checksums
   * partial. Whatever joins nothing is written as it came. In a frame,
   * `ethernet_bytes` of Ethernet header lie between those bytes and the packet;
   * only frames of equal headers join.
   */
  add(
    view: DataView,
    offset: number,
    length: number,
    version: 4 | 6,
    mayBePartial: boolean,
    ethernet_bytes = 0,
  ): void {
    this.#adding_bytes = ethernet_bytes;
    const ip_bytes = version === 4 ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES;
    const protocol = view.getUint8(offset + (version === 4 ? IPV4.protocol : IPV6.nextHeader));
    const plain = version === 6 ||
      (view.getUint8(offset) & 0xf) * 4 === ip_bytes && !isFragment4(view, offset);
    if (plain && protocol === PROTOCOL.tcp && ip_bytes + TCP_HEADER_BYTES <= length) {
      this.#addTcp(view, offset, length, version, ip_bytes, mayBePartial);
    } else if (plain && protocol === PROTOCOL.udp && ip_bytes + UDP_HEADER_BYTES <= length) {
      this.#addUdp(view, offset, length, version, ip_bytes, mayBePartial);
    } else {
      this.#addAlone(view, offset, length);
    }
  }

  /**
   * The short way for what UDP_GRO delivers: `count` packets (or frames) of
   * `length` bytes, one behind the other at `offset`. Takes those from the front that are the
   * open run's next ones and equal its first packet in every byte of the header
   * but for what counts on, and for a whole TCP checksum, which has to be right.
   * Returns how many.
   *
   * INVARIANT: what is taken here has the sender, the source and the sums of the
   * packet before it, so it would have passed all checks and been joined by `add`:
   * only packets that lie right behind the last one joined are looked at, and
   * the arena has a gap between what came in different datagrams.
   */
  follow(view: DataView, offset: number, length: number, count: number): number {
    const header_bytes = this.#header_bytes;
    const payload = this.#segment_bytes;
    const ethernet_bytes = this.#ethernet_bytes;
    if (
      this.#closed || view !== this.#view || offset !== this.#end ||
      length !== ethernet_bytes + header_bytes + payload ||
      this.#protocol !== PROTOCOL.tcp
    ) return 0;
    const first = this.#offset;
    const transport = first + this.#ip_bytes;
    // CWR is set on the first packet only: equal flags would repeat it.
    if ((view.getUint8(transport + TCP.flags) & TCP_FLAG.cwr) !== 0) return 0;
    const version4 = this.#version === 4;
    const most = Math.min(
      count,
      RUN_PACKETS_MAX - this.#packets,
      Math.floor((RUN_BYTES_MAX - this.#total_bytes) / payload),
    );
    // What all packets have in common, in the machine's own byte order.
    const lengthWord = view.getInt32(first, true);
    const fragment = view.getUint16(first + IPV4.fragment);
    const lifeAndProtocol = view.getUint16(first + IPV4.ttl);
    const source = view.getInt32(first + IPV4.source, true);
    const destination = view.getInt32(first + IPV4.destination, true);
    const ports = view.getInt32(transport, true);
    const acknowledgment = view.getInt32(transport + TCP.acknowledgment, true);
    const offsetFlagsWindow = view.getInt32(transport + TCP.dataOffset, true);
    const checksumUrgent = view.getInt32(transport + TCP.checksum, true);
    // A partial checksum is the same in all; a whole one is verified instead of compared.
    const compared = this.#partial ? -1 : 0xffff_0000 | 0;
    const transport_bytes = header_bytes - this.#ip_bytes + payload;
    const seed = this.#partial
      ? 0
      : pseudoSum(view, first, this.#version, PROTOCOL.tcp, transport_bytes);
    const firstIdentification = view.getUint16(first + IPV4.identification);
    let taken = 0;
    while (taken < most) {
      const at = offset + taken * length + ethernet_bytes;
      const tcp = at + this.#ip_bytes;
      // Bits in which the headers differ; a branch for each word would take longer.
      let differs = (view.getInt32(tcp + TCP.sequence) ^ this.#nextSequence) |
        (view.getInt32(at, true) ^ lengthWord) |
        (view.getInt32(tcp, true) ^ ports) |
        (view.getInt32(tcp + TCP.acknowledgment, true) ^ acknowledgment) |
        (view.getInt32(tcp + TCP.dataOffset, true) ^ offsetFlagsWindow) |
        ((view.getInt32(tcp + TCP.checksum, true) ^ checksumUrgent) & compared);
      if (version4) {
        const identification = (firstIdentification + this.#packets) & 0xffff;
        const checksum = foldChecksum(this.#headerSum + identification);
        differs |= (view.getUint16(at + IPV4.identification) ^ identification) |
          (view.getUint16(at + IPV4.fragment) ^ fragment) |
          (view.getUint16(at + IPV4.ttl) ^ lifeAndProtocol) |
          (view.getUint16(at + IPV4.checksum) ^ checksum) |
          (view.getInt32(at + IPV4.source, true) ^ source) |
          (view.getInt32(at + IPV4.destination, true) ^ destination);
      } else {
        for (let k = 4; k < IPV6_HEADER_BYTES; k += 4) {
          differs |= view.getInt32(at + k, true) ^ view.getInt32(first + k, true);
        }
      }
      const options_bytes = header_bytes - this.#ip_bytes;
      for (let k = TCP_HEADER_BYTES; k < options_bytes; k += 4) {
        differs |= view.getInt32(tcp + k, true) ^ view.getInt32(transport + k, true);
      }
      // The last turn takes in the start of the packet, which is equal as well.
      for (let k = -ethernet_bytes; k < 0; k += 4) {
        differs |= view.getInt32(at + k, true) ^ view.getInt32(first + k, true);
      }
      if (differs !== 0) break;
      if (!this.#partial && foldChecksum(sum16(view, tcp, transport_bytes, seed)) !== 0) break;
      this.#append(at + header_bytes, payload);
      this.#nextSequence = (this.#nextSequence + payload) | 0;
      taken++;
    }
    return taken;
  }

  /** Takes a frame that is to be written as it came; the bytes before it as for `add`. */
  addOpaque(view: DataView, offset: number, length: number): void {
    this.#adding_bytes = 0;
    this.#addAlone(view, offset, length);
  }

  /** Writes what is still open. */
  flush(): void {
    if (this.#packets === 0) return;
    if (this.#packets === 1) this.#finishOne();
    else this.#finishMany();
    this.sink.writeRun(this.#offsets, this.#lengths, this.#packets);
    this.#packets = 0;
    this.#closed = true;
  }

  #addTcp(
    view: DataView,
    offset: number,
    length: number,
    version: 4 | 6,
    ip_bytes: number,
    mayBePartial: boolean,
  ): void {
    const tcp = offset + ip_bytes;
    const header_bytes = ip_bytes + (view.getUint8(tcp + TCP.dataOffset) >> 4) * 4;
    if (header_bytes < ip_bytes + TCP_HEADER_BYTES || header_bytes > length) {
      return this.#addAlone(view, offset, length);
    }
    const payload = length - header_bytes;
    const flags = view.getUint8(tcp + TCP.flags);
    const enabled = version === 4 ? this.features.tcp4 : this.features.tcp6;
    const field = tcp + TCP.checksum;
    const mergeable = enabled && payload > 0 && (flags & NEVER) === 0 &&
      (flags & TCP_FLAG.ack) !== 0;
    const state = this.#judge(
      view,
      offset,
      length,
      version,
      PROTOCOL.tcp,
      ip_bytes,
      field,
      mergeable,
      mayBePartial,
    );
    if (state === undefined) return this.#addAlone(view, offset, length);
    if (
      mergeable &&
      this.#joins(view, offset, version, PROTOCOL.tcp, ip_bytes, header_bytes, payload) &&
      this.#sameTcp(view, tcp, flags)
    ) {
      this.#append(offset + header_bytes, payload);
      this.#nextSequence = (this.#nextSequence + payload) | 0;
      this.#lastFlags = flags;
    } else {
      this.#start(view, offset, length, version, PROTOCOL.tcp, ip_bytes, header_bytes, state);
      this.#nextSequence = (view.getInt32(tcp + TCP.sequence) + payload) | 0;
      this.#lastFlags = flags;
      this.#closed = !mergeable;
    }
    if (payload < this.#segment_bytes || (flags & LAST) !== 0) this.#closed = true;
    if (this.#closed) this.flush();
  }

  #addUdp(
    view: DataView,
    offset: number,
    length: number,
    version: 4 | 6,
    ip_bytes: number,
    mayBePartial: boolean,
  ): void {
    const udp = offset + ip_bytes;
    const field = udp + UDP.checksum;
    const header_bytes = ip_bytes + UDP_HEADER_BYTES;
    const payload = length - header_bytes;
    const lengthOk = view.getUint16(udp + UDP.length) === length - ip_bytes;
    // A checksum of 0 says that there is none: nothing to complete, nothing to merge.
    if (!lengthOk || view.getUint16(field) === 0) return this.#addAlone(view, offset, length);
    const mergeable = this.features.udp && payload > 0;
    const state = this.#judge(
      view,
      offset,
      length,
      version,
      PROTOCOL.udp,
      ip_bytes,
      field,
      mergeable,
      mayBePartial,
    );
    if (state === undefined) return this.#addAlone(view, offset, length);
    if (
      mergeable && this.#joins(view, offset, version, PROTOCOL.udp, ip_bytes, header_bytes, payload)
    ) {
      this.#append(offset + header_bytes, payload);
    } else {
      this.#start(view, offset, length, version, PROTOCOL.udp, ip_bytes, header_bytes, state);
      this.#closed = !mergeable;
    }
    if (payload < this.#segment_bytes) this.#closed = true;
    if (this.#closed) this.flush();
  }

  /**
   * Whether the checksum is partial; undefined for a packet to be passed on as
   * it is, its checksum left to the receiver. A whole checksum is verified only
   * where merging would replace it.
   */
  #judge(
    view: DataView,
    offset: number,
    length: number,
    version: 4 | 6,
    protocol: number,
    ip_bytes: number,
    field: number,
    mergeable: boolean,
    mayBePartial: boolean,
  ): boolean | undefined {
    const transport_bytes = length - ip_bytes;
    if (mayBePartial) {
      const seed = pseudoSum(view, offset, version, protocol, transport_bytes);
      if (view.getUint16(field) === foldPartial(seed)) return true;
    }
    if (!mergeable) return undefined;
    const start = offset + ip_bytes;
    const state = checksumState(view, offset, version, protocol, start, transport_bytes, field);
    return state === "right" ? false : undefined;
  }

  #joins(
    view: DataView,
    offset: number,
    version: 4 | 6,
    protocol: number,
    ip_bytes: number,
    header_bytes: number,
    payload: number,
  ): boolean {
    if (
      this.#closed || this.#packets === RUN_PACKETS_MAX || view !== this.#view ||
      version !== this.#version || protocol !== this.#protocol ||
      header_bytes !== this.#header_bytes || payload > this.#segment_bytes ||
      this.#total_bytes + payload > RUN_BYTES_MAX || this.#adding_bytes !== this.#ethernet_bytes
    ) return false;
    const first = this.#offset;
    // All Ethernet headers are of an even size: 14, and 4 for each tag.
    for (let at = -this.#ethernet_bytes; at < 0; at += 2) {
      if (view.getUint16(offset + at) !== view.getUint16(first + at)) return false;
    }
    if (version === 4) {
      const identification = view.getUint16(first + IPV4.identification) + this.#packets;
      if (
        view.getUint8(offset + 1) !== view.getUint8(first + 1) || // type of service
        view.getUint16(offset + IPV4.identification) !== (identification & 0xffff) ||
        view.getUint16(offset + IPV4.fragment) !== view.getUint16(first + IPV4.fragment) ||
        view.getUint8(offset + IPV4.ttl) !== view.getUint8(first + IPV4.ttl) ||
        view.getUint32(offset + IPV4.source) !== view.getUint32(first + IPV4.source) ||
        view.getUint32(offset + IPV4.destination) !== view.getUint32(first + IPV4.destination)
      ) return false;
    } else {
      if (
        view.getUint32(offset) !== view.getUint32(first) || // traffic class, flow label
        view.getUint8(offset + IPV6.hopLimit) !== view.getUint8(first + IPV6.hopLimit)
      ) return false;
      for (let at = IPV6.source; at < IPV6_HEADER_BYTES; at += 4) {
        if (view.getUint32(offset + at) !== view.getUint32(first + at)) return false;
      }
    }
    return view.getUint32(offset + ip_bytes) === view.getUint32(first + ip_bytes); // ports
  }

  #sameTcp(view: DataView, tcp: number, flags: number): boolean {
    const first = this.#offset + this.#ip_bytes;
    if (view.getInt32(tcp + TCP.sequence) !== this.#nextSequence) return false;
    if ((flags & TCP_FLAG.cwr) !== 0) return false;
    const ignored = TCP_FLAG.cwr | LAST;
    if (((flags ^ view.getUint8(first + TCP.flags)) & ~ignored) !== 0) return false;
    if (
      view.getUint8(tcp + TCP.dataOffset) !== view.getUint8(first + TCP.dataOffset) ||
      view.getUint16(tcp + TCP.window) !== view.getUint16(first + TCP.window) ||
      view.getUint16(tcp + TCP.urgent) !== view.getUint16(first + TCP.urgent) ||
      view.getUint32(tcp + TCP.acknowledgment) !== view.getUint32(first + TCP.acknowledgment)
    ) return false;
    const options = this.#header_bytes - this.#ip_bytes;
    for (let at = TCP_HEADER_BYTES; at < options; at += 4) {
      if (view.getUint32(tcp + at) !== view.getUint32(first + at)) return false;
    }
    return true;
  }

  #addAlone(view: DataView, offset: number, length: number): void {
    this.flush();
    const before = VNET_BYTES + this.#adding_bytes;
    writePlainVnet(view, offset - before);
    this.#offsets[0] = offset - before;
    this.#lengths[0] = before + length;
    this.sink.writeRun(this.#offsets, this.#lengths, 1);
  }

  #start(
    view: DataView,
    offset: number,
    length: number,
    version: 4 | 6,
    protocol: number,
    ip_bytes: number,
    header_bytes: number,
    partial: boolean,
  ): void {
    this.flush();
    this.#view = view;
    this.#offset = offset;
    this.#version = version;
    this.#protocol = protocol;
    this.#ethernet_bytes = this.#adding_bytes;
    this.#ip_bytes = ip_bytes;
    this.#header_bytes = header_bytes;
    this.#segment_bytes = length - header_bytes;
    this.#total_bytes = length;
    this.#end = offset + length;
    this.#partial = partial;
    if (version === 4) {
      this.#headerSum = sum16(view, offset, IPV4_HEADER_BYTES) +
        minus(view.getUint16(offset + IPV4.identification)) +
        minus(view.getUint16(offset + IPV4.checksum));
    }
    const before = VNET_BYTES + this.#ethernet_bytes;
    this.#offsets[0] = offset - before;
    this.#lengths[0] = before + length;
    this.#packets = 1;
    this.#closed = false;
  }

  #append(offset: number, payload: number): void {
    this.#offsets[this.#packets] = offset;
    this.#lengths[this.#packets] = payload;
    this.#packets++;
    this.#total_bytes += payload;
    this.#end = offset + payload;
  }

  #finishOne(): void {
    const at = this.#offset - this.#ethernet_bytes - VNET_BYTES;
    if (!this.#partial) return writePlainVnet(this.#view, at);
    const field = this.#protocol === PROTOCOL.tcp ? TCP.checksum : UDP.checksum;
    const start = this.#ethernet_bytes + this.#ip_bytes;
    writeVnet(this.#view, at, VNET_GSO.none, 0, 0, start, field);
  }

  #finishMany(): void {
    const view = this.#view;
    const offset = this.#offset;
    const transport = offset + this.#ip_bytes;
    const transport_bytes = this.#total_bytes - this.#ip_bytes;
    if (this.#version === 4) {
      view.setUint16(offset + IPV4.totalLength, this.#total_bytes);
      view.setUint16(offset + IPV4.checksum, 0);
      const sum = foldChecksum(sum16(view, offset, this.#ip_bytes));
      view.setUint16(offset + IPV4.checksum, sum);
    } else view.setUint16(offset + IPV6.payloadLength, transport_bytes);
    const seed = pseudoSum(view, offset, this.#version, this.#protocol, transport_bytes);
    let type: number = VNET_GSO.udp;
    let field: number = UDP.checksum;
    if (this.#protocol === PROTOCOL.tcp) {
      const flags = view.getUint8(transport + TCP.flags);
      view.setUint8(transport + TCP.flags, flags | this.#lastFlags & LAST);
      type = this.#version === 4 ? VNET_GSO.tcp4 : VNET_GSO.tcp6;
      if ((flags & TCP_FLAG.cwr) !== 0) type |= VNET_GSO.ecn;
      field = TCP.checksum;
    } else view.setUint16(transport + UDP.length, transport_bytes);
    view.setUint16(transport + field, foldPartial(seed));
    writeVnet(
      view,
      offset - this.#ethernet_bytes - VNET_BYTES,
      type,
      this.#ethernet_bytes + this.#header_bytes,
      this.#segment_bytes,
      this.#ethernet_bytes + this.#ip_bytes,
      field,
    );
  }
}
