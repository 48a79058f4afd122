/** What both ways of the kernel path ask of the packet inside. Pure: they write instructions. */

import { HELPER, SKB } from "../../../ffi/bpf_program.ts";
import { IPV4, IPV4_HEADER_BYTES, IPV6, IPV6_HEADER_BYTES, PROTOCOL } from "../../net/ip.ts";
import { type Assembler, imm, R, type Register } from "../bpf/assembler.ts";
import { ROUTE_KEY } from "../maps/records.ts";

/** Registers that the programs keep through all calls. */
export const KEPT = {
  /** The packet, as the kernel handed it over. */
  packet: R.r6,
  /** Bytes of the inner packet. */
  length: R.r7,
  /** Bytes of its headers: IP's, and once `writeSegments` has run TCP's or UDP's as well. */
  headers: R.r8,
  /** Its protocol at first; each program says what afterwards. */
  protocol: R.r9,
} as const;

/** Places on the stack, as offsets from its end; the programs use what lies below `FREE`. */
export const STACK = {
  /** The inner packet's IP header. */
  inner: -40,
  /** Key of a look-up among the routes. */
  route: -64,
  /** How many packets the segments of this one are: 1, unless it is a super-packet. */
  segments: -72,
  /** Bytes that all of them have together. */
  bytes: -80,
  /** Bytes of the largest of them. */
  largest: -88,
} as const;
/** Below this offset the stack is a program's own. */
export const FREE = -88;

/** The two tables of routes. */
export interface RouteMaps {
  readonly routes4: number;
  readonly routes6: number;
}

/** Which address of the inner packet is looked up. */
export type InnerAddress = "source" | "destination";

/**
 * IPv6 extension headers (RFC 8200) that may precede TCP or UDP: hop-by-hop options, routing,
 * authentication, destination options. Fragments are no super-packets.
 */
const EXTENSIONS: readonly number[] = [0, 43, 51, 60];

/** Copies `size` bytes (a multiple of 4) on the stack. */
export function copyOnStack(asm: Assembler, from: number, to: number, size: number): void {
  for (let at = 0; at < size; at += 4) {
    asm.load(4, R.r1, R.r10, from + at).store(4, R.r10, to + at, R.r1);
  }
}

/** `size` bytes of the packet at `offset` onto the stack; goes to `otherwise` if it ends before. */
export function loadPacket(
  asm: Assembler,
  offset: number,
  to: number,
  size: number,
  otherwise: string,
): void {
  asm.mov(R.r1, KEPT.packet).mov(R.r2, imm(offset)).stack(R.r3, to).mov(R.r4, imm(size))
    .call(HELPER.loadBytes).jump(R.r0, "!=", imm(0), otherwise);
}

/** dst = two bytes of the stack, which are there in network order. */
export function loadNetwork16(asm: Assembler, dst: Register, at: number): void {
  asm.load(2, dst, R.r10, at).swap(dst, 2);
}

/**
 * Looks up who owns an address of the IP packet at `base`. It must be
 * KEPT.length bytes long and have no IPv4 options or IPv6 extensions: all else
 * goes to `otherwise`.
 * Leaves in r0 where the owner is, or 0, and sets KEPT.headers and .protocol.
 */
export function writeOwnerLookup(
  asm: Assembler,
  base: number,
  which: InnerAddress,
  maps: RouteMaps,
  otherwise: string,
): void {
  const { inner, route } = STACK;
  const find = (map: number) => asm.map(R.r1, map).stack(R.r2, route).call(HELPER.mapLookup);
  loadPacket(asm, base, inner, IPV4_HEADER_BYTES, otherwise);
  asm.load(1, R.r1, R.r10, inner);
  asm.jump(R.r1, "==", imm(0x45), "inner_ipv4");
  asm.alu("rsh", R.r1, imm(4)).jump(R.r1, "!=", imm(6), otherwise);

  loadPacket(asm, base, inner, IPV6_HEADER_BYTES, otherwise);
  loadNetwork16(asm, R.r1, inner + IPV6.payloadLength);
  asm.alu("add", R.r1, imm(IPV6_HEADER_BYTES)).jump(R.r1, "!=", KEPT.length, otherwise);
  asm.mov(KEPT.headers, imm(IPV6_HEADER_BYTES)).load(
    1,
    KEPT.protocol,
    R.r10,
    inner + IPV6.nextHeader,
  );
  // A super-packet behind these is not looked into: so that a flow goes one way, none of it is.
  for (const extension of EXTENSIONS) {
    asm.jump(KEPT.protocol, "==", imm(extension), otherwise);
  }
  asm.store(4, R.r10, route + ROUTE_KEY.length, imm(128));
  copyOnStack(asm, inner + IPV6[which], route + ROUTE_KEY.address, 16);
  find(maps.routes6);
  asm.goto("inner_looked_up");

  asm.label("inner_ipv4");
  loadNetwork16(asm, R.r1, inner + IPV4.totalLength);
  asm.jump(R.r1, "!=", KEPT.length, otherwise);
  asm.mov(KEPT.headers, imm(IPV4_HEADER_BYTES)).load(
    1,
    KEPT.protocol,
    R.r10,
    inner + IPV4.protocol,
  );
  asm.store(4, R.r10, route + ROUTE_KEY.length, imm(32));
  copyOnStack(asm, inner + IPV4[which], route + ROUTE_KEY.address, 4);
  find(maps.routes4);
  asm.label("inner_looked_up");
}

/**
 * After `writeOwnerLookup`: who owns another address of the same packet. Leaves
 * in r0 where the owner is, or 0.
 */
export function writeSecondLookup(asm: Assembler, which: InnerAddress, maps: RouteMaps): void {
  const { inner, route } = STACK;
  const find = (map: number) => asm.map(R.r1, map).stack(R.r2, route).call(HELPER.mapLookup);
  // The key's length is there still.
  asm.jump(KEPT.headers, "==", imm(IPV4_HEADER_BYTES), "second_ipv4");
  copyOnStack(asm, inner + IPV6[which], route + ROUTE_KEY.address, 16);
  find(maps.routes6).goto("second_looked_up");
  asm.label("second_ipv4");
  copyOnStack(asm, inner + IPV4[which], route + ROUTE_KEY.address, 4);
  find(maps.routes4).label("second_looked_up");
}

/**
 * Fills in STACK.segments, .bytes and .largest, as lanes would count the packet
 * at `base`. A super-packet of anything but TCP or UDP goes to `otherwise`.
 */
export function writeSegments(asm: Assembler, base: number, otherwise: string): void {
  const { segments, bytes, largest } = STACK;
  asm.store(8, R.r10, segments, imm(1));
  asm.store(8, R.r10, bytes, KEPT.length).store(8, R.r10, largest, KEPT.length);
  asm.load(4, R.r1, KEPT.packet, SKB.gsoSize).jump(R.r1, "==", imm(0), "segments_done");
  asm.mov(R.r1, imm(8)).jump(KEPT.protocol, "==", imm(PROTOCOL.udp), "segments_transport");
  asm.jump(KEPT.protocol, "!=", imm(PROTOCOL.tcp), otherwise);
  // TCP's data offset, in words of 4 bytes, is the high half of its byte 12 (RFC 9293).
  asm.mov(R.r1, KEPT.packet).mov(R.r2, KEPT.headers).alu("add", R.r2, imm(base + 12));
  asm.stack(R.r3, largest).mov(R.r4, imm(1)).call(HELPER.loadBytes);
  asm.jump(R.r0, "!=", imm(0), otherwise);
  asm.load(1, R.r1, R.r10, largest).alu("rsh", R.r1, imm(4)).alu("lsh", R.r1, imm(2));
  asm.label("segments_transport").alu("add", KEPT.headers, R.r1);
  asm.jump(KEPT.length, "<=", KEPT.headers, otherwise);
  asm.load(4, R.r1, KEPT.packet, SKB.gsoSize);
  asm.mov(R.r2, KEPT.headers).alu("add", R.r2, R.r1).store(8, R.r10, largest, R.r2);
  // segments = (payload + size - 1) / size; all but the first have headers of their own to come.
  asm.mov(R.r2, KEPT.length).alu("sub", R.r2, KEPT.headers).alu("add", R.r2, R.r1);
  asm.alu("sub", R.r2, imm(1)).alu("div", R.r2, R.r1).store(8, R.r10, segments, R.r2);
  asm.alu("sub", R.r2, imm(1)).jump(R.r2, "==", imm(0), "segments_done");
  asm.alu("mul", R.r2, KEPT.headers).alu("add", R.r2, KEPT.length).store(8, R.r10, bytes, R.r2);
  asm.label("segments_done");
}
