/**
 * Egress in the kernel: a program on the tunnel device's egress takes the
 * packet of a peer that runs the kernel path as well, puts Ethernet, IP and UDP
 * headers before it and hands it to the underlay's device. Pure.
 *
 * It takes only what needs no more thought: a whole packet that fits the path, to
 * a next hop that is known. All else goes on into the device, to the lanes, who
 * answer, learn, complain and count.
 *
 * A super-packet stays one: the kernel, or the network card, cuts it into
 * segments and completes checksums, as it does for its own tunnels. Where the
 * first device on the way is one that leads to a wire, TCP goes by the lanes:
 * segments that come one by one cost a receiver less if lanes have sent them,
 * since the kernel merges datagrams with a checksum before it does anything else.
 */

import { FIB, FIB_OUTPUT, HELPER, SKB, VERDICT } from "../../../ffi/bpf_program.ts";
import { UDP_PAYLOAD_MAX_BYTES } from "../../base/limits.ts";
import { PROTOCOL } from "../../net/ip.ts";
import { Assembler, imm, R } from "../bpf/assembler.ts";
import { KEY_AT, writeEvent, writePeerCount } from "./counting.ts";
import {
  ETHERNET_BYTES,
  network16,
  UDP_BYTES,
  UNDERLAY,
  type Underlay,
  writeIpHeader,
  writeRoom,
  writeStore,
  writeUdpHeader,
} from "./headers.ts";
import { KEPT, type RouteMaps, STACK, writeOwnerLookup, writeSegments } from "./inner_packet.ts";
import { EVENTS, PEER } from "../maps/records.ts";

/** What the program is made for. */
export interface WayOut extends RouteMaps {
  readonly peers: number;
  readonly counts: number;
  readonly events: number;
  /** The IP version that nodes reach each other by. */
  readonly ipVersion: 4 | 6;
  /** This node's UDP port. */
  readonly port: number;
  /** The tunnel's device. */
  readonly tunIfindex: number;
}

/** Places on the stack. */
const FIB_AT = KEY_AT - FIB.size;
/** Two bytes off, so that the IP header is on a multiple of four. */
const NEW_AT = FIB_AT - 64 + 2;
const IP_AT = NEW_AT + ETHERNET_BYTES;

/** Where the record of the peer is kept, once it is known who that is. */
const PEER_RECORD = R.r9;

/** The program for the tunnel device's egress. */
export function wayOut(setup: WayOut): Uint8Array<ArrayBuffer> {
  const underlay = UNDERLAY[setup.ipVersion];
  const asm = new Assembler();
  asm.mov(KEPT.packet, R.r1).load(4, KEPT.length, R.r1, SKB.len);
  asm.jump(KEPT.length, ">", imm(UDP_PAYLOAD_MAX_BYTES), "lanes");
  writeOwnerLookup(asm, 0, "destination", setup, "lanes");
  asm.jump(R.r0, "==", imm(0), "lanes");
  asm.load(4, R.r1, R.r0, 0).store(4, R.r10, KEY_AT, R.r1);
  writeSegments(asm, 0, "lanes");

  // Who is it? Its record stays good to the program's end.
  asm.map(R.r1, setup.peers).stack(R.r2, KEY_AT).call(HELPER.mapLookup);
  asm.jump(R.r0, "==", imm(0), "lanes");
  asm.jump(KEPT.protocol, "!=", imm(PROTOCOL.tcp), "not_tcp");
  asm.load(1, R.r1, R.r0, PEER.tcp).jump(R.r1, "==", imm(0), "lanes");
  asm.label("not_tcp").mov(PEER_RECORD, R.r0);
  asm.load(8, R.r2, R.r10, STACK.largest).load(4, R.r1, PEER_RECORD, PEER.mtu);
  asm.jump(R.r2, ">", R.r1, "lanes");

  writeRouteLookup(asm, underlay);
  asm.jump(R.r0, "!=", imm(0), "lanes");
  // The answer has the device's MTU where the length was.
  asm.load(8, R.r2, R.r10, STACK.largest).alu("add", R.r2, imm(underlay.headerBytes + UDP_BYTES));
  asm.load(2, R.r1, R.r10, FIB_AT + FIB.totalLength).jump(R.r2, ">", R.r1, "lanes");
  asm.load(4, R.r1, R.r10, FIB_AT + FIB.ifindex);
  asm.jump(R.r1, "==", imm(setup.tunIfindex), "lanes");

  // Room for the headers, which the kernel refuses a packet that is a tunnel's already; and for
  // Ethernet's, which the tunnel's device does not have.
  writeRoom(asm, underlay.headerBytes + UDP_BYTES, underlay.room);
  asm.jump(R.r0, "!=", imm(0), "lanes");
  asm.mov(R.r1, KEPT.packet).mov(R.r2, imm(ETHERNET_BYTES)).mov(R.r3, imm(0));
  asm.call(HELPER.changeHead).jump(R.r0, "!=", imm(0), "failed");
  writeHeaders(asm, underlay, setup.port);
  writeStore(asm, 0, NEW_AT, ETHERNET_BYTES + underlay.headerBytes + UDP_BYTES, 0);
  asm.jump(R.r0, "!=", imm(0), "failed");

  writePeerCount(asm, setup.counts, "out");
  asm.load(4, R.r1, R.r10, FIB_AT + FIB.ifindex).mov(R.r2, imm(0)).call(HELPER.redirect).exit();

  asm.label("failed");
  writeEvent(asm, setup.events, EVENTS.sendFailed);
  asm.exit(imm(VERDICT.drop));
  asm.label("lanes").exit(imm(VERDICT.next));
  return asm.encode();
}

/**
 * Asks the kernel by which way a packet gets to the peer. It tells the devices'
 * addresses if it knows the next hop; r0 is 0 then. Of what length is not said:
 * the kernel would look at what ICMP has told it of the path, which anybody can
 * forge.
 */
function writeRouteLookup(asm: Assembler, { family, addressBytes }: Underlay): void {
  for (let at = 0; at < FIB.size; at += 8) asm.store(8, R.r10, FIB_AT + at, imm(0));
  asm.store(1, R.r10, FIB_AT + FIB.family, imm(family));
  asm.store(1, R.r10, FIB_AT + FIB.protocol, imm(PROTOCOL.udp));
  asm.load(4, R.r1, PEER_RECORD, PEER.ifindex).store(4, R.r10, FIB_AT + FIB.ifindex, R.r1);
  copyAddress(asm, PEER.source, FIB_AT + FIB.source, addressBytes);
  copyAddress(asm, PEER.address, FIB_AT + FIB.destination, addressBytes);
  asm.mov(R.r1, KEPT.packet).stack(R.r2, FIB_AT).mov(R.r3, imm(FIB.size));
  asm.mov(R.r4, imm(FIB_OUTPUT)).call(HELPER.fibLookup);
}

/** Ethernet, IP and UDP, on the stack at NEW_AT. */
function writeHeaders(asm: Assembler, underlay: Underlay, port: number): void {
  const { addressBytes, headerBytes, source, destination, ethertype } = underlay;
  const udp = IP_AT + headerBytes;
  copyMac(asm, FIB_AT + FIB.destinationMac, NEW_AT);
  copyMac(asm, FIB_AT + FIB.sourceMac, NEW_AT + 6);
  asm.store(2, R.r10, NEW_AT + 12, imm(ethertype));
  // Not from the answer of the look-up: a router's address may be there instead.
  copyAddress(asm, PEER.source, IP_AT + source, addressBytes);
  copyAddress(asm, PEER.address, IP_AT + destination, addressBytes);
  writeIpHeader(asm, underlay, IP_AT, 0);
  asm.store(2, R.r10, udp, imm(network16(port)));
  asm.load(2, R.r1, PEER_RECORD, PEER.port).store(2, R.r10, udp + 2, R.r1);
  // No checksum of the whole: the inner ones cover it (RFC 768, RFC 6935, as VXLAN has it). It is
  // also how the receiver knows that lanes have not sent this (underlay_ingress.ts).
  writeUdpHeader(asm, udp, 0);
}

/** An address of the peer's record, onto the stack. */
function copyAddress(asm: Assembler, from: number, to: number, size: number): void {
  for (let at = 0; at < size; at += 4) {
    asm.load(4, R.r1, PEER_RECORD, from + at).store(4, R.r10, to + at, R.r1);
  }
}

function copyMac(asm: Assembler, from: number, to: number): void {
  for (let at = 0; at < 6; at += 2) {
    asm.load(2, R.r1, R.r10, from + at).store(2, R.r10, to + at, R.r1);
  }
}
