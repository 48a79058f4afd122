/** The headers that the kernel path writes around packets. Pure: they write instructions. */

import {
  ETHERTYPE_IPV4_NETWORK,
  ETHERTYPE_IPV6_NETWORK,
  HELPER,
  ROOM,
  ROOM_AT_LINK_HEADER,
} from "../../../ffi/bpf_program.ts";
import { AF_INET, AF_INET6 } from "../../../ffi/socket.ts";
import { IPV4, IPV4_HEADER_BYTES, IPV6, IPV6_HEADER_BYTES, PROTOCOL } from "../../net/ip.ts";
import { type Assembler, imm, R } from "../bpf/assembler.ts";
import { KEPT } from "./inner_packet.ts";

/** Sizes of an Ethernet and a UDP header. */
export const ETHERNET_BYTES = 14;
export const UDP_BYTES = 8;

/** What differs between the IP versions that nodes reach each other by. */
export interface Underlay {
  readonly version: 4 | 6;
  readonly headerBytes: number;
  readonly addressBytes: number;
  /** Offsets of the addresses in the header; one is behind the other. */
  readonly source: number;
  readonly destination: number;
  /** Of the UDP length and what comes before it, which the header's own length field counts. */
  readonly counted: number;
  /** As the kernel has it in a packet's `protocol`. */
  readonly ethertype: number;
  /** Address family (linux/socket.h). */
  readonly family: number;
  /** Flags of `adjustRoom`. */
  readonly room: number;
}

/** Both versions. */
export const UNDERLAY: Readonly<Record<4 | 6, Underlay>> = {
  4: {
    version: 4,
    headerBytes: IPV4_HEADER_BYTES,
    addressBytes: 4,
    source: IPV4.source,
    destination: IPV4.destination,
    counted: IPV4_HEADER_BYTES,
    ethertype: ETHERTYPE_IPV4_NETWORK,
    family: AF_INET,
    room: ROOM.fixedGso | ROOM.encapIpv4 | ROOM.encapUdp,
  },
  6: {
    version: 6,
    headerBytes: IPV6_HEADER_BYTES,
    addressBytes: 16,
    source: IPV6.source,
    destination: IPV6.destination,
    counted: 0,
    ethertype: ETHERTYPE_IPV6_NETWORK,
    family: AF_INET6,
    room: ROOM.fixedGso | ROOM.encapIpv6 | ROOM.encapUdp,
  },
};

/** Time to live, or hop limit, as Linux has it for packets of its own. */
const TTL = 64;

/** Don't fragment (RFC 791), as the 16 bits are in memory. */
const DF_NETWORK = 0x0040;

/** A 16-bit number as it is in memory in network order, for a store in host order. */
export function network16(value: number): number {
  return (value & 0xff) << 8 | value >> 8;
}

/**
 * An IP header on the stack, for a UDP datagram whose payload is `more` bytes
 * longer than the inner packet. The addresses must be in their place already.
 */
export function writeIpHeader(
  asm: Assembler,
  underlay: Underlay,
  at: number,
  more: number,
): void {
  const length = underlay.counted + UDP_BYTES + more;
  if (underlay.version === 6) {
    // Version, no traffic class, no flow label (RFC 8200).
    asm.store(4, R.r10, at, imm(0x60));
    writeLength(asm, at + IPV6.payloadLength, length);
    asm.store(2, R.r10, at + IPV6.nextHeader, imm(PROTOCOL.udp | TTL << 8));
    return;
  }
  asm.store(2, R.r10, at, imm(0x45));
  writeLength(asm, at + IPV4.totalLength, length);
  asm.store(2, R.r10, at + IPV4.identification, imm(0));
  asm.store(2, R.r10, at + IPV4.fragment, imm(DF_NETWORK));
  asm.store(2, R.r10, at + IPV4.ttl, imm(TTL | PROTOCOL.udp << 8));
  asm.store(2, R.r10, at + IPV4.checksum, imm(0));
  // RFC 1071: the sum comes out in the order of bytes that it is taken in.
  asm.mov(R.r1, imm(0));
  for (let word = 0; word < IPV4_HEADER_BYTES; word += 2) {
    asm.load(2, R.r2, R.r10, at + word).alu("add", R.r1, R.r2);
  }
  for (let fold = 0; fold < 2; fold++) {
    asm.mov(R.r2, R.r1).alu("rsh", R.r2, imm(16)).alu("and", R.r1, imm(0xffff));
    asm.alu("add", R.r1, R.r2);
  }
  asm.alu("xor", R.r1, imm(0xffff)).store(2, R.r10, at + IPV4.checksum, R.r1);
}

/**
 * A UDP header on the stack, for a payload `more` bytes longer than the inner
 * packet, without a checksum; ports are in network order.
 */
export function writeUdpHeader(asm: Assembler, at: number, more: number): void {
  writeLength(asm, at + 4, UDP_BYTES + more);
  asm.store(2, R.r10, at + 6, imm(0));
}

/** 16 bits of the stack: the inner packet's length and `more`, in network order. */
function writeLength(asm: Assembler, at: number, more: number): void {
  asm.mov(R.r1, KEPT.length).alu("add", R.r1, imm(more)).swap(R.r1, 2);
  asm.store(2, R.r10, at, R.r1);
}

/** Makes `size` bytes more (or fewer) room between the link header and IP's; r0 is 0 if that worked. */
export function writeRoom(asm: Assembler, size: number, flags: number): void {
  asm.mov(R.r1, KEPT.packet).mov(R.r2, imm(size)).mov(R.r3, imm(ROOM_AT_LINK_HEADER));
  asm.mov(R.r4, imm(flags)).call(HELPER.adjustRoom);
}

/** Bytes of the stack into the packet at `offset`; r0 is 0 if that worked. */
export function writeStore(
  asm: Assembler,
  offset: number,
  from: number,
  size: number,
  flags: number,
): void {
  asm.mov(R.r1, KEPT.packet).mov(R.r2, imm(offset)).stack(R.r3, from).mov(R.r4, imm(size));
  asm.mov(R.r5, imm(flags)).call(HELPER.storeBytes);
}
