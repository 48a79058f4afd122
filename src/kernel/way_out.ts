/**
 * The way out in the kernel: a program on the tunnel device's way out takes the
 * packet of a peer that runs the kernel path as well, puts Ethernet, IPv4 and UDP
 * headers before it and hands it to the underlay's device. Pure.
 *
 * It takes only what needs no more thought: a whole packet that fits the path, to
 * a next hop that is known. All else goes on into the device, to the lanes, who
 * answer, learn, complain and count.
 *
 * A super-packet stays one: the kernel, or the network card, cuts it into
 * segments and completes checksums, as it does for its own tunnels.
 */

import { OVERHEAD_IPV4_BYTES, UDP_PAYLOAD_MAX_BYTES } from "../limits.ts";
import { ETHERTYPE_IPV4_NETWORK, FIB, FIB_OUTPUT, HELPER, ROOM, SKB, VERDICT } from "./abi.ts";
import { Assembler, imm, R } from "./assembler.ts";
import { KEY_AT, writeEvent, writePeerCount } from "./counting.ts";
import {
  ETHERNET_BYTES,
  IPV4_BYTES,
  network16,
  UDP_BYTES,
  writeIpv4Header,
  writeLength,
  writeRoom,
  writeStore,
} from "./headers.ts";
import {
  copyOnStack,
  KEPT,
  type RouteMaps,
  STACK,
  writeOwnerLookup,
  writeSegments,
} from "./inner_packet.ts";
import { EVENTS, PEER } from "./records.ts";

/** What the program is made for. */
export interface WayOut extends RouteMaps {
  readonly peers: number;
  readonly counts: number;
  readonly events: number;
  /** This node's UDP port. */
  readonly port: number;
  /** The tunnel's device. */
  readonly tunIfindex: number;
}

const AF_INET = 2;
const TTL = 64;

/** Places on the stack. */
const FIB_AT = KEY_AT - FIB.size;
const NEW_BYTES = ETHERNET_BYTES + IPV4_BYTES + UDP_BYTES;
/** Two bytes off, so that the IPv4 header stands on a multiple of four. */
const NEW_AT = FIB_AT - 48 + 2;
const IPV4_AT = NEW_AT + ETHERNET_BYTES;
const UDP_AT = IPV4_AT + IPV4_BYTES;

/** The program for the tunnel device's way out. */
export function wayOut(setup: WayOut): Uint8Array<ArrayBuffer> {
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
  const peer = R.r9;
  asm.mov(peer, R.r0);
  asm.load(8, R.r2, R.r10, STACK.largest).load(4, R.r1, peer, PEER.mtu);
  asm.jump(R.r2, ">", R.r1, "lanes");

  // By which way? The kernel tells the devices' addresses if it knows the next hop.
  for (let at = 0; at < FIB.size; at += 8) asm.store(8, R.r10, FIB_AT + at, imm(0));
  asm.store(1, R.r10, FIB_AT + FIB.family, imm(AF_INET));
  asm.store(1, R.r10, FIB_AT + FIB.protocol, imm(17));
  asm.alu("add", R.r2, imm(OVERHEAD_IPV4_BYTES));
  asm.store(2, R.r10, FIB_AT + FIB.totalLength, R.r2);
  asm.load(4, R.r1, peer, PEER.ifindex).store(4, R.r10, FIB_AT + FIB.ifindex, R.r1);
  asm.load(4, R.r1, peer, PEER.source).store(4, R.r10, FIB_AT + FIB.source, R.r1);
  asm.load(4, R.r1, peer, PEER.address).store(4, R.r10, FIB_AT + FIB.destination, R.r1);
  asm.mov(R.r1, KEPT.packet).stack(R.r2, FIB_AT).mov(R.r3, imm(FIB.size));
  asm.mov(R.r4, imm(FIB_OUTPUT)).call(HELPER.fibLookup);
  asm.jump(R.r0, "!=", imm(0), "lanes");
  asm.load(4, R.r1, R.r10, FIB_AT + FIB.ifindex);
  asm.jump(R.r1, "==", imm(setup.tunIfindex), "lanes");

  // Room for the headers: first for Ethernet's, which the tunnel's device does not have.
  asm.mov(R.r1, KEPT.packet).mov(R.r2, imm(ETHERNET_BYTES)).mov(R.r3, imm(0));
  asm.call(HELPER.changeHead).jump(R.r0, "!=", imm(0), "lanes");
  writeRoom(asm, IPV4_BYTES + UDP_BYTES, ROOM.fixedGso | ROOM.encapIpv4 | ROOM.encapUdp);
  asm.jump(R.r0, "!=", imm(0), "failed");

  copyMac(asm, FIB_AT + FIB.destinationMac, NEW_AT);
  copyMac(asm, FIB_AT + FIB.sourceMac, NEW_AT + 6);
  asm.store(2, R.r10, NEW_AT + 12, imm(ETHERTYPE_IPV4_NETWORK));
  copyOnStack(asm, FIB_AT + FIB.source, IPV4_AT + 12, 4);
  copyOnStack(asm, FIB_AT + FIB.destination, IPV4_AT + 16, 4);
  writeIpv4Header(asm, IPV4_AT, IPV4_BYTES + UDP_BYTES, { tos: 0, ttl: TTL });
  asm.store(2, R.r10, UDP_AT, imm(network16(setup.port)));
  asm.load(2, R.r1, peer, PEER.port).store(2, R.r10, UDP_AT + 2, R.r1);
  writeLength(asm, UDP_AT + 4, UDP_BYTES);
  // No checksum of the whole: the inner ones cover it (RFC 768; kernel VXLAN does the same).
  // It is also how the receiver knows that lanes have not sent this (way_in.ts).
  asm.store(2, R.r10, UDP_AT + 6, imm(0));
  writeStore(asm, 0, NEW_AT, NEW_BYTES, 0);
  asm.jump(R.r0, "!=", imm(0), "failed");

  writePeerCount(asm, setup.counts, "out");
  asm.load(4, R.r1, R.r10, FIB_AT + FIB.ifindex).mov(R.r2, imm(0)).call(HELPER.redirect).exit();

  asm.label("failed");
  writeEvent(asm, setup.events, EVENTS.sendFailed);
  asm.exit(imm(VERDICT.drop));
  asm.label("lanes").exit(imm(VERDICT.next));
  return asm.encode();
}

function copyMac(asm: Assembler, from: number, to: number): void {
  for (let at = 0; at < 6; at += 2) {
    asm.load(2, R.r1, R.r10, from + at).store(2, R.r10, to + at, R.r1);
  }
}
