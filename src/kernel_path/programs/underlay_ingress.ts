/**
 * Ingress in the kernel: three programs around a helper. Pure.
 *
 * The first is attached to the underlay device's ingress. It takes a datagram that
 * the kernel path of a known peer has sent, if it came in by the device through
 * which the peer is answered, if the peer owns the inner source and this node the
 * inner destination, and wraps it for a VXLAN-GPE device. Only a tunnel device of
 * the kernel's own can unwrap a super-packet so that bridges pass it on as one: no
 * BPF helper clears the marks that wrapping has left on it (Linux 6.18), and a
 * bridge would cut it up. The device also merges what came in segments (GRO).
 *
 * That device is in a network namespace of its own (helper_namespace.ts). A veth
 * pair leads there, whose end on this host is the helper (helper_device.ts):
 *
 *   underlay ─ first ═► inner end ─ IP, UDP, VXLAN ─ second ═► helper ─ third ─► tunnel device
 *
 * `═►` is bpf_redirect_peer, which takes a packet through the pair without a
 * queue. The second program is attached to the VXLAN device, the third to the
 * helper's ingress. Nothing else comes to the namespace: a fourth program, on the
 * helper's egress, drops and counts what this host sends to it.
 *
 * What comes alone and is no TCP needs no helper: the first program takes its
 * headers off and hands it to the tunnel's device itself.
 *
 * Everything else goes on to the UDP socket, and so to the lanes.
 */

import {
  HELPER,
  PACKET_HOST,
  RECOMPUTE_CHECKSUM,
  REDIRECT_INGRESS,
  ROOM,
  ROOM_AT_LINK_HEADER,
  SKB,
  VERDICT,
} from "../../../ffi/bpf_program.ts";
import { UDP_PAYLOAD_MAX_BYTES } from "../../base/limits.ts";
import { IPV4, IPV4_HEADER_BYTES, IPV6, PROTOCOL } from "../../net/ip.ts";
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
import {
  copyOnStack,
  KEPT,
  loadNetwork16,
  loadPacket,
  type RouteMaps,
  writeOwnerLookup,
  writeSecondLookup,
  writeSegments,
} from "./inner_packet.ts";
import { COUNTS, EVENTS, LOCAL_OWNER, SENDER, senderKeyLayout } from "../maps/records.ts";

/**
 * What the first program writes into a packet for the VXLAN device: addresses of
 * the helper's namespace, where nobody else is (TEST-NET-1, RFC 5737), and ports.
 */
export const HELPER_ENDPOINT = {
  source: [192, 0, 2, 2],
  address: [192, 0, 2, 1],
  port: 4790,
} as const;

/** What the program on an underlay device is made for. */
export interface WayIn extends RouteMaps {
  readonly senders: number;
  readonly counts: number;
  readonly events: number;
  /** The IP version that nodes reach each other by. */
  readonly ipVersion: 4 | 6;
  /** This node's UDP port. */
  readonly port: number;
  readonly helperIfindex: number;
  readonly tunIfindex: number;
}

/** What the programs on the helper are made for. */
export interface HelperPrograms {
  readonly events: number;
  readonly tunIfindex: number;
}

/** VXLAN-GPE (draft-ietf-nvo3-vxlan-gpe): its header, flags "VNI valid" and "next protocol". */
const VXLAN_BYTES = 8;
const VXLAN_FLAGS = 0x0c;
const NEXT_PROTOCOL = { ipv4: 1, ipv6: 2 } as const;

/** A super-packet of UDP has long passed the helper after this time. */
const SUPER_UDP_NS = 10_000_000;

/** More fragments, or an offset (RFC 791), as the 16 bits are in memory. */
const FRAGMENT_NETWORK = 0xff3f;

/** Places on the stack; each has room for IPv6. */
const SENDER_AT = KEY_AT - 40;
/** The inner packet's VXLAN-GPE number. */
const NOTE_AT = SENDER_AT - 8;
/** Two bytes off, so that the IP header is on a multiple of four. */
const OUTER_AT = NOTE_AT - 64 + 2;
const OUTER_IP_AT = OUTER_AT + ETHERNET_BYTES;
const NEW_AT = OUTER_AT - 2 - 40;

/** The program for the ingress of a device that leads to peers. */
export function wayIn(setup: WayIn): Uint8Array<ArrayBuffer> {
  const underlay = UNDERLAY[setup.ipVersion];
  const outerBytes = ETHERNET_BYTES + underlay.headerBytes + UDP_BYTES;
  const asm = new Assembler();
  asm.mov(KEPT.packet, R.r1);
  asm.load(4, R.r2, R.r1, SKB.protocol).jump(R.r2, "!=", imm(underlay.ethertype), "lanes");
  asm.load(4, R.r2, R.r1, SKB.packetType).jump(R.r2, "!=", imm(PACKET_HOST), "lanes");
  // A tag that the card took off belongs to a device above this one.
  asm.load(4, R.r2, R.r1, SKB.vlanPresent).jump(R.r2, "!=", imm(0), "lanes");
  loadPacket(asm, 0, OUTER_AT, outerBytes, "lanes");
  writeOuterChecks(asm, underlay, setup.port);

  // From whom?
  writeSenderLookup(asm, underlay, setup.senders);
  asm.jump(R.r0, "==", imm(0), "lanes");
  asm.load(4, R.r1, R.r0, SENDER.peer).store(4, R.r10, KEY_AT, R.r1);
  asm.load(4, R.r1, R.r0, SENDER.ifindex).load(4, R.r2, KEPT.packet, SKB.ifindex);
  asm.jump(R.r1, "!=", R.r2, "lanes");

  // May it send this, to us? Of the default node is what belongs to nobody else.
  writeOwnerLookup(asm, outerBytes, "source", setup, "lanes");
  asm.jump(R.r0, "==", imm(0), "lanes");
  asm.load(4, R.r1, R.r0, 0).load(4, R.r2, R.r10, KEY_AT).jump(R.r1, "!=", R.r2, "lanes");
  writeSecondLookup(asm, "destination", setup);
  asm.jump(R.r0, "==", imm(0), "lanes");
  asm.load(4, R.r1, R.r0, 0).jump(R.r1, "!=", imm(LOCAL_OWNER), "lanes");
  // The IP header's size tells the version: what follows it is added to the register now.
  asm.mov(R.r1, imm(NEXT_PROTOCOL.ipv4)).jump(KEPT.headers, "==", imm(IPV4_HEADER_BYTES), "named");
  asm.mov(R.r1, imm(NEXT_PROTOCOL.ipv6));
  asm.label("named").store(8, R.r10, NOTE_AT, R.r1);
  writeSegments(asm, outerBytes, "lanes");
  writePeerCount(asm, setup.counts, "in");
  asm.jump(R.r0, "==", imm(0), "lanes");
  writeChoice(asm, "helper", "straight");

  // Headers for the VXLAN device in place of the sender's, IPv4 ones always.
  asm.label("helper");
  const newBytes = IPV4_HEADER_BYTES + UDP_BYTES + VXLAN_BYTES;
  const more = ETHERNET_BYTES + newBytes - outerBytes;
  writeRoom(asm, more, ROOM.fixedGso | (underlay.version === 6 ? ROOM.decapIpv4 : 0));
  asm.jump(R.r0, "!=", imm(0), "failed");
  writeEvent(asm, setup.events, EVENTS.entered);
  writeHelperHeaders(asm);
  writeStore(asm, ETHERNET_BYTES, NEW_AT, newBytes, RECOMPUTE_CHECKSUM);
  asm.jump(R.r0, "!=", imm(0), "failed");
  asm.mov(R.r1, imm(setup.helperIfindex)).mov(R.r2, imm(0)).call(HELPER.redirectPeer).exit();

  asm.label("straight");
  writeUnwrapping(asm, underlay);
  asm.jump(R.r0, "!=", imm(0), "failed");
  writeHandOver(asm, setup.tunIfindex);

  asm.label("failed");
  writeEvent(asm, setup.events, EVENTS.rejected);
  asm.exit(imm(VERDICT.drop));
  asm.label("lanes").exit(imm(VERDICT.next));
  return asm.encode();
}

/** A whole UDP datagram to our port, sent by a peer's kernel; KEPT.length is its payload's then. */
function writeOuterChecks(asm: Assembler, underlay: Underlay, port: number): void {
  const udp = OUTER_IP_AT + underlay.headerBytes;
  asm.load(1, R.r1, R.r10, OUTER_IP_AT);
  if (underlay.version === 4) {
    asm.jump(R.r1, "!=", imm(0x45), "lanes");
    asm.load(2, R.r1, R.r10, OUTER_IP_AT + IPV4.fragment).alu("and", R.r1, imm(FRAGMENT_NETWORK));
    asm.jump(R.r1, "!=", imm(0), "lanes");
    asm.load(1, R.r1, R.r10, OUTER_IP_AT + IPV4.protocol);
  } else {
    asm.alu("rsh", R.r1, imm(4)).jump(R.r1, "!=", imm(6), "lanes");
    asm.load(1, R.r1, R.r10, OUTER_IP_AT + IPV6.nextHeader);
  }
  asm.jump(R.r1, "!=", imm(PROTOCOL.udp), "lanes");
  asm.load(2, R.r1, R.r10, udp + 2).jump(R.r1, "!=", imm(network16(port)), "lanes");
  // What lanes have sent has a checksum, and lanes receive it: no flow goes two ways at a time.
  asm.load(2, R.r1, R.r10, udp + 6).jump(R.r1, "!=", imm(0), "lanes");
  // Three lengths that must agree: UDP's, IP's, and the packet's.
  loadNetwork16(asm, KEPT.length, udp + 4);
  const ipLength = underlay.version === 4 ? IPV4.totalLength : IPV6.payloadLength;
  loadNetwork16(asm, R.r1, OUTER_IP_AT + ipLength);
  asm.mov(R.r2, KEPT.length).alu("add", R.r2, imm(underlay.counted));
  asm.jump(R.r1, "!=", R.r2, "lanes");
  asm.mov(R.r2, KEPT.length).alu("add", R.r2, imm(ETHERNET_BYTES + underlay.headerBytes));
  asm.load(4, R.r1, KEPT.packet, SKB.len).jump(R.r1, "!=", R.r2, "lanes");
  asm.jump(KEPT.length, "<", imm(UDP_BYTES + IPV4_HEADER_BYTES), "lanes");
  asm.alu("sub", KEPT.length, imm(UDP_BYTES));
  asm.jump(KEPT.length, ">", imm(UDP_PAYLOAD_MAX_BYTES - VXLAN_BYTES), "lanes");
}

/** Looks up who sends from this address and port to this address of ours: r0. */
function writeSenderLookup(asm: Assembler, underlay: Underlay, senders: number): void {
  const key = senderKeyLayout(underlay.addressBytes);
  copyOnStack(asm, OUTER_IP_AT + underlay.source, SENDER_AT, 2 * underlay.addressBytes);
  asm.store(4, R.r10, SENDER_AT + key.port, imm(0));
  asm.load(2, R.r1, R.r10, OUTER_IP_AT + underlay.headerBytes);
  asm.store(2, R.r10, SENDER_AT + key.port, R.r1);
  asm.map(R.r1, senders).stack(R.r2, SENDER_AT).call(HELPER.mapLookup);
}

/** IP, UDP and VXLAN-GPE headers for the VXLAN device, on the stack. */
function writeHelperHeaders(asm: Assembler): void {
  const { source, address, port } = HELPER_ENDPOINT;
  const udp = NEW_AT + IPV4_HEADER_BYTES;
  const vxlan = udp + UDP_BYTES;
  asm.store(4, R.r10, NEW_AT + IPV4.source, imm(inMemory(source)));
  asm.store(4, R.r10, NEW_AT + IPV4.destination, imm(inMemory(address)));
  writeIpHeader(asm, UNDERLAY[4], NEW_AT, VXLAN_BYTES);
  asm.store(2, R.r10, udp, imm(network16(port)));
  asm.store(2, R.r10, udp + 2, imm(network16(port)));
  writeUdpHeader(asm, udp, VXLAN_BYTES);
  asm.store(4, R.r10, vxlan, imm(VXLAN_FLAGS));
  asm.load(1, R.r1, R.r10, NOTE_AT).store(1, R.r10, vxlan + 3, R.r1);
  asm.store(4, R.r10, vxlan + 4, imm(0));
}

/** Four bytes of an address as a store in host order has them. */
function inMemory([a, b, c, d]: readonly [number, number, number, number]): number {
  return a | b << 8 | c << 16 | d << 24;
}

/**
 * Goes to `straight` with what comes alone and is no TCP, else to `helper`. r0
 * tells where the peer's counts are. UDP stays behind super-packets of UDP, if
 * some have just come from the same peer: the helper takes a little longer.
 */
function writeChoice(asm: Assembler, helper: string, straight: string): void {
  asm.jump(KEPT.protocol, "==", imm(PROTOCOL.tcp), helper);
  const counts = R.r8;
  asm.load(4, R.r1, KEPT.packet, SKB.gsoSize).jump(R.r1, "!=", imm(0), "super_udp");
  asm.jump(KEPT.protocol, "!=", imm(PROTOCOL.udp), straight);
  asm.mov(counts, R.r0).call(HELPER.timeNs).load(8, R.r1, counts, COUNTS.superUdp);
  asm.alu("sub", R.r0, R.r1).jump(R.r0, ">", imm(SUPER_UDP_NS), straight).goto(helper);
  asm.label("super_udp").mov(counts, R.r0).call(HELPER.timeNs);
  asm.store(8, counts, COUNTS.superUdp, R.r0);
}

/** Takes the outer headers off; r0 is 0 if that worked. */
function writeUnwrapping(asm: Assembler, underlay: Underlay): void {
  const outer = underlay.headerBytes + UDP_BYTES;
  const [sameVersion, otherFlag] = underlay.version === 4
    ? [NEXT_PROTOCOL.ipv4, ROOM.decapIpv6]
    : [NEXT_PROTOCOL.ipv6, ROOM.decapIpv4];
  asm.load(8, R.r1, R.r10, NOTE_AT).mov(R.r4, imm(0));
  asm.jump(R.r1, "==", imm(sameVersion), "same_version").mov(R.r4, imm(otherFlag));
  asm.label("same_version").mov(R.r1, KEPT.packet).mov(R.r2, imm(-outer));
  asm.mov(R.r3, imm(ROOM_AT_LINK_HEADER)).call(HELPER.adjustRoom);
}

/** Ends the program: the packet goes on as if a device had received it. */
function writeHandOver(asm: Assembler, ifindex: number): void {
  asm.mov(R.r1, imm(ifindex)).mov(R.r2, imm(REDIRECT_INGRESS)).call(HELPER.redirect).exit();
}

/** The program for the VXLAN device's ingress: to the other end of the veth pair. */
export function vxlanIngress(innerIfindex: number): Uint8Array<ArrayBuffer> {
  const asm = new Assembler();
  asm.mov(R.r1, imm(innerIfindex)).mov(R.r2, imm(0)).call(HELPER.redirectPeer).exit();
  return asm.encode();
}

/** Where the third program has the packet's first byte on its stack. */
const FIRST_BYTE_AT = KEY_AT - 8;

/** The program for the helper's ingress: unwrapped packets, and the self-test's, which has no version. */
export function helperIngress({ events, tunIfindex }: HelperPrograms): Uint8Array<ArrayBuffer> {
  const asm = new Assembler();
  asm.mov(KEPT.packet, R.r1);
  loadPacket(asm, 0, FIRST_BYTE_AT, 1, "drop");
  asm.load(1, R.r1, R.r10, FIRST_BYTE_AT).jump(R.r1, "==", imm(0), "self_test");
  // What was merged here counts as what it was before.
  asm.load(4, R.r7, KEPT.packet, SKB.gsoSegments).jump(R.r7, "!=", imm(0), "counted");
  asm.mov(R.r7, imm(1));
  asm.label("counted");
  writeEvent(asm, events, EVENTS.arrived, R.r7);
  writeHandOver(asm, tunIfindex);

  asm.label("self_test");
  writeEvent(asm, events, EVENTS.selfTest);
  asm.label("drop").exit(imm(VERDICT.drop));
  return asm.encode();
}

/** The program for the helper's egress: nothing of this host goes there. */
export function helperEgress({ events }: HelperPrograms): Uint8Array<ArrayBuffer> {
  const asm = new Assembler();
  writeEvent(asm, events, EVENTS.foreign);
  asm.exit(imm(VERDICT.drop));
  return asm.encode();
}
