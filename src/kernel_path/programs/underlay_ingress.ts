/**
 * The way in in the kernel, in two programs around a helper device. Pure.
 *
 * The first stands on the underlay device's way in. It takes a datagram that the
 * kernel path of a known peer has sent, if the peer owns the inner source, and
 * wraps it for the helper (helper.ts): a VXLAN-GPE device of this host, reached
 * over `lo`. Only a tunnel device of the kernel's own can unwrap a super-packet
 * so that bridges pass it on as one: no BPF helper clears the marks that
 * wrapping has left on it (Linux 6.18), and a bridge would cut it up. The device
 * also merges what came in segments (GRO).
 *
 * The second stands on the helper's way in. It lets through what the first has
 * wrapped, which it knows by the secret, and hands it to the tunnel's device.
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
  TUNNEL_IPV6,
  TUNNEL_KEY,
  VERDICT,
} from "../../../ffi/bpf_program.ts";
import { UDP_PAYLOAD_MAX_BYTES } from "../../base/limits.ts";
import { IPV4, IPV4_HEADER_BYTES, IPV6, PROTOCOL } from "../../net/ip.ts";
import { Assembler, imm, R } from "../bpf/assembler.ts";
import { KEY_AT, writeEvent, writePeerCount } from "./counting.ts";
import {
  ETHERNET_BYTES,
  type IpFields,
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
  writeSegments,
} from "./inner_packet.ts";
import { COUNTS, EVENTS, SENDER, senderKeyLayout } from "../maps/records.ts";

/**
 * What the first program writes and the second one looks for: 38 bits that
 * nobody else knows. A packet must have come over lo as well, from a peer's
 * address: only who may forge addresses on this very host could try.
 */
export interface Secret extends IpFields {
  /** VXLAN network identifier, 24 bits. */
  readonly vni: number;
}

/** What the program on an underlay device is made for. */
export interface WayIn extends RouteMaps {
  readonly senders: number;
  readonly counts: number;
  readonly events: number;
  /** The IP version that nodes reach each other by. */
  readonly ipVersion: 4 | 6;
  /** This node's UDP port. */
  readonly port: number;
  /** The helper's UDP port. */
  readonly helperPort: number;
  readonly loopbackIfindex: number;
  readonly tunIfindex: number;
  readonly secret: Secret;
}

/** What the program on the helper is made for. */
export interface Arrival {
  readonly hosts: number;
  readonly events: number;
  readonly ipVersion: 4 | 6;
  readonly tunIfindex: number;
  readonly secret: Secret;
}

/** VXLAN-GPE (draft-ietf-nvo3-vxlan-gpe): its header, flags "VNI valid" and "next protocol". */
const VXLAN_BYTES = 8;
const VXLAN_FLAGS = 0x0c;
const NEXT_PROTOCOL = { ipv4: 1, ipv6: 2 } as const;

/** A super-packet of UDP has long passed the helper after this time. */
const SUPER_UDP_NS = 10_000_000;

/** More fragments, or an offset (RFC 791), as the 16 bits stand in memory. */
const FRAGMENT_NETWORK = 0xff3f;

/** Places on the stack; each has room for IPv6. */
const SENDER_AT = KEY_AT - 40;
/** Whether the sender may send any source; later, the inner packet's VXLAN-GPE number. */
const NOTE_AT = SENDER_AT - 8;
/** Two bytes off, so that the IP header stands on a multiple of four. */
const OUTER_AT = NOTE_AT - 64 + 2;
const OUTER_IP_AT = OUTER_AT + ETHERNET_BYTES;
const NEW_AT = OUTER_AT - 2 - 56;
const MAC_AT = NEW_AT - 8;

/** The program for the way in of a device that leads to peers. */
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
  asm.load(4, R.r1, R.r0, SENDER.anySource).store(8, R.r10, NOTE_AT, R.r1);

  // May it send this?
  writeOwnerLookup(asm, outerBytes, "source", setup, "lanes");
  asm.load(8, R.r1, R.r10, NOTE_AT).jump(R.r1, "!=", imm(0), "admitted");
  asm.jump(R.r0, "==", imm(0), "lanes");
  asm.load(4, R.r1, R.r0, 0).load(4, R.r2, R.r10, KEY_AT).jump(R.r1, "!=", R.r2, "lanes");
  asm.label("admitted");
  // The IP header's size tells the version: what follows it is added to the register now.
  asm.mov(R.r1, imm(NEXT_PROTOCOL.ipv4)).jump(KEPT.headers, "==", imm(IPV4_HEADER_BYTES), "named");
  asm.mov(R.r1, imm(NEXT_PROTOCOL.ipv6));
  asm.label("named").store(8, R.r10, NOTE_AT, R.r1);
  writeSegments(asm, outerBytes, "lanes");
  writePeerCount(asm, setup.counts, "in");
  asm.jump(R.r0, "==", imm(0), "lanes");
  writeChoice(asm, "helper", "straight");

  // Eight more bytes of header, and the rest of it written anew.
  asm.label("helper");
  writeRoom(asm, VXLAN_BYTES, ROOM.fixedGso);
  asm.jump(R.r0, "!=", imm(0), "failed");
  writeEvent(asm, setup.events, EVENTS.entered);
  writeHelperHeaders(asm, underlay, setup);
  const newBytes = underlay.headerBytes + UDP_BYTES + VXLAN_BYTES;
  writeStore(asm, ETHERNET_BYTES, NEW_AT, newBytes, RECOMPUTE_CHECKSUM);
  asm.jump(R.r0, "!=", imm(0), "failed");
  // lo's own address is all zeros: anything else would not be for this host.
  asm.store(8, R.r10, MAC_AT, imm(0));
  writeStore(asm, 0, MAC_AT, 6, 0);
  asm.jump(R.r0, "!=", imm(0), "failed");
  writeHandOver(asm, setup.loopbackIfindex);

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

/** IP, UDP and VXLAN-GPE headers from the sender's address to lo's own, on the stack. */
function writeHelperHeaders(asm: Assembler, underlay: Underlay, setup: WayIn): void {
  const { helperPort, secret } = setup;
  const key = senderKeyLayout(underlay.addressBytes);
  const udp = NEW_AT + underlay.headerBytes;
  const vxlan = udp + UDP_BYTES;
  copyOnStack(asm, SENDER_AT, NEW_AT + underlay.source, underlay.addressBytes);
  for (let at = 0; at < underlay.addressBytes; at += 4) {
    const word = underlay.loopbackWords[at / 4]!;
    asm.store(4, R.r10, NEW_AT + underlay.destination + at, imm(word));
  }
  writeIpHeader(asm, underlay, NEW_AT, VXLAN_BYTES, secret);
  asm.load(2, R.r1, R.r10, SENDER_AT + key.port).store(2, R.r10, udp, R.r1);
  asm.store(2, R.r10, udp + 2, imm(network16(helperPort)));
  writeUdpHeader(asm, udp, VXLAN_BYTES);
  asm.store(4, R.r10, vxlan, imm(VXLAN_FLAGS));
  asm.load(1, R.r1, R.r10, NOTE_AT).store(1, R.r10, vxlan + 3, R.r1);
  // In memory: the identifier's three bytes, then one that is reserved.
  const { vni } = secret;
  asm.store(4, R.r10, vxlan + 4, imm(vni >> 16 | vni & 0xff00 | (vni & 0xff) << 16));
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

/** 127.0.0.1 as a tunnel's key has it: a number. */
const LOOPBACK_IPV4 = 0x7f00_0001;

/** Places on the second program's stack. */
const TUNNEL_KEY_AT = KEY_AT - 48;

/** The program for the helper's way in. */
export function arrival(
  { hosts, events, ipVersion, tunIfindex, secret }: Arrival,
): Uint8Array<ArrayBuffer> {
  const asm = new Assembler();
  asm.mov(KEPT.packet, R.r1);
  asm.stack(R.r2, TUNNEL_KEY_AT).mov(R.r3, imm(TUNNEL_KEY.size));
  asm.mov(R.r4, imm(ipVersion === 6 ? TUNNEL_IPV6 : 0));
  asm.call(HELPER.getTunnelKey).jump(R.r0, "!=", imm(0), "foreign");
  asm.load(4, R.r1, R.r10, TUNNEL_KEY_AT + TUNNEL_KEY.id);
  asm.jump(R.r1, "!=", imm(secret.vni), "foreign");
  asm.load(1, R.r1, R.r10, TUNNEL_KEY_AT + TUNNEL_KEY.tos);
  asm.jump(R.r1, "!=", imm(secret.dscp << 2), "foreign");
  asm.load(1, R.r1, R.r10, TUNNEL_KEY_AT + TUNNEL_KEY.ttl);
  asm.jump(R.r1, "!=", imm(secret.ttl), "foreign");
  // Nobody sends to lo's address from elsewhere: it came over lo.
  const words = ipVersion === 4 ? [LOOPBACK_IPV4] : UNDERLAY[6].loopbackWords;
  words.forEach((word, i) => {
    asm.load(4, R.r1, R.r10, TUNNEL_KEY_AT + TUNNEL_KEY.local + 4 * i);
    asm.jump(R.r1, "!=", imm(word), "foreign");
  });
  asm.map(R.r1, hosts).stack(R.r2, TUNNEL_KEY_AT + TUNNEL_KEY.remote);
  asm.call(HELPER.mapLookup).jump(R.r0, "==", imm(0), "foreign");

  // What was merged here counts as what it was before.
  asm.load(4, R.r7, KEPT.packet, SKB.gsoSegments).jump(R.r7, "!=", imm(0), "counted");
  asm.mov(R.r7, imm(1));
  asm.label("counted");
  writeEvent(asm, events, EVENTS.arrived, R.r7);
  writeHandOver(asm, tunIfindex);

  asm.label("foreign");
  writeEvent(asm, events, EVENTS.foreign);
  asm.exit(imm(VERDICT.drop));
  return asm.encode();
}
