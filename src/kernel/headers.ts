/** The headers that the kernel path writes around packets. Pure: they write instructions. */

import { type Assembler, imm, R } from "./assembler.ts";
import { HELPER, ROOM_AT_LINK_HEADER } from "./abi.ts";
import { KEPT } from "./inner_packet.ts";

/** Sizes of an Ethernet, an IPv4 and a UDP header. */
export const ETHERNET_BYTES = 14;
export const IPV4_BYTES = 20;
export const UDP_BYTES = 8;

/** What the IPv4 header is to say beside length and addresses. */
export interface Ipv4Fields {
  /** DSCP and ECN. */
  readonly tos: number;
  readonly ttl: number;
}

/** Don't fragment (RFC 791), as the 16 bits stand in memory. */
const DF_NETWORK = 0x0040;
const UDP_PROTOCOL = 17;

/** A 16-bit number as it stands in memory in network order, for a store in host order. */
export function network16(value: number): number {
  return (value & 0xff) << 8 | value >> 8;
}

/**
 * An IPv4 header without addresses (they must stand at `at` + 12) on the stack,
 * for a datagram that is `more` bytes longer than the inner packet; then its checksum.
 */
export function writeIpv4Header(
  asm: Assembler,
  at: number,
  more: number,
  { tos, ttl }: Ipv4Fields,
): void {
  asm.store(2, R.r10, at, imm(0x45 | tos << 8));
  writeLength(asm, at + 2, more);
  asm.store(2, R.r10, at + 4, imm(0)).store(2, R.r10, at + 6, imm(DF_NETWORK));
  asm.store(2, R.r10, at + 8, imm(ttl | UDP_PROTOCOL << 8)).store(2, R.r10, at + 10, imm(0));
  // RFC 1071: the sum comes out in the order of bytes that it is taken in.
  asm.mov(R.r1, imm(0));
  for (let word = 0; word < IPV4_BYTES; word += 2) {
    asm.load(2, R.r2, R.r10, at + word).alu("add", R.r1, R.r2);
  }
  for (let fold = 0; fold < 2; fold++) {
    asm.mov(R.r2, R.r1).alu("rsh", R.r2, imm(16)).alu("and", R.r1, imm(0xffff));
    asm.alu("add", R.r1, R.r2);
  }
  asm.alu("xor", R.r1, imm(0xffff)).store(2, R.r10, at + 10, R.r1);
}

/** 16 bits of the stack: the inner packet's length and `more`, in network order. */
export function writeLength(asm: Assembler, at: number, more: number): void {
  asm.mov(R.r1, KEPT.length).alu("add", R.r1, imm(more)).swap(R.r1, 2);
  asm.store(2, R.r10, at, R.r1);
}

/** Makes room between the link header and IP's; r0 is 0 if there is some now. */
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
