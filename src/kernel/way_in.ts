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
 * Everything else goes on to the UDP socket, and so to the lanes.
 */

import { OVERHEAD_IPV4_BYTES, UDP_PAYLOAD_MAX_BYTES } from "../limits.ts";
import { IPV4_HEADER_BYTES } from "../net/ip.ts";
import {
  ETHERTYPE_IPV4_NETWORK,
  HELPER,
  PACKET_HOST,
  RECOMPUTE_CHECKSUM,
  REDIRECT_INGRESS,
  ROOM,
  SKB,
  TUNNEL_KEY,
  VERDICT,
} from "./abi.ts";
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
  loadNetwork16,
  loadPacket,
  type RouteMaps,
  writeOwnerLookup,
  writeSegments,
} from "./inner_packet.ts";
import { EVENTS, SENDER, SENDER_KEY } from "./records.ts";

/**
 * What the first program writes and the second one looks for: 38 bits that
 * nobody else knows. Together with the sender's address, which has to be a
 * peer's, they keep others from sending to the helper directly.
 */
export interface Secret {
  /** VXLAN network identifier, 24 bits. */
  readonly vni: number;
  /** IPv4's DSCP, 6 bits. */
  readonly dscp: number;
  /** IPv4's time to live, 1 to 255. */
  readonly ttl: number;
}

/** What the program on an underlay device is made for. */
export interface WayIn extends RouteMaps {
  readonly senders: number;
  readonly counts: number;
  readonly events: number;
  /** This node's UDP port. */
  readonly port: number;
  /** The helper's UDP port. */
  readonly helperPort: number;
  readonly loopbackIfindex: number;
  readonly secret: Secret;
}

/** What the program on the helper is made for. */
export interface Arrival {
  readonly hosts: number;
  readonly events: number;
  readonly tunIfindex: number;
  readonly secret: Secret;
}

/** VXLAN-GPE (draft-ietf-nvo3-vxlan-gpe): its header, flags "VNI valid" and "next protocol". */
const VXLAN_BYTES = 8;
const VXLAN_FLAGS = 0x0c;
const NEXT_PROTOCOL = { ipv4: 1, ipv6: 2 } as const;

/** Offsets in the packet that arrives. */
const OUTER_BYTES = ETHERNET_BYTES + IPV4_BYTES + UDP_BYTES;
const OUTER = { ipv4: ETHERNET_BYTES, udp: ETHERNET_BYTES + IPV4_BYTES } as const;
/** More fragments, or an offset (RFC 791), as the 16 bits stand in memory. */
const FRAGMENT_NETWORK = 0xff3f;

/** Places on the stack. */
const SENDER_AT = KEY_AT - 16;
const ANY_SOURCE_AT = SENDER_AT - 8;
/** Two bytes off, so that the IPv4 header stands on a multiple of four. */
const OUTER_AT = ANY_SOURCE_AT - 48 + 2;
const NEW_AT = OUTER_AT - 2 - 40;
const NEW_BYTES = IPV4_BYTES + UDP_BYTES + VXLAN_BYTES;
const MAC_AT = NEW_AT - 8;

/** The program for the way in of a device that leads to peers. */
export function wayIn(setup: WayIn): Uint8Array<ArrayBuffer> {
  const asm = new Assembler();
  asm.mov(KEPT.packet, R.r1);
  asm.load(4, R.r2, R.r1, SKB.protocol).jump(R.r2, "!=", imm(ETHERTYPE_IPV4_NETWORK), "lanes");
  asm.load(4, R.r2, R.r1, SKB.packetType).jump(R.r2, "!=", imm(PACKET_HOST), "lanes");
  // A tag that the card took off belongs to a device above this one.
  asm.load(4, R.r2, R.r1, SKB.vlanPresent).jump(R.r2, "!=", imm(0), "lanes");
  loadPacket(asm, 0, OUTER_AT, OUTER_BYTES, "lanes");
  writeOuterChecks(asm, setup.port);

  // From whom?
  copyOnStack(asm, OUTER_AT + OUTER.ipv4 + 12, SENDER_AT + SENDER_KEY.address, 8);
  asm.store(4, R.r10, SENDER_AT + SENDER_KEY.port, imm(0));
  asm.load(2, R.r1, R.r10, OUTER_AT + OUTER.udp);
  asm.store(2, R.r10, SENDER_AT + SENDER_KEY.port, R.r1);
  asm.map(R.r1, setup.senders).stack(R.r2, SENDER_AT).call(HELPER.mapLookup);
  asm.jump(R.r0, "==", imm(0), "lanes");
  asm.load(4, R.r1, R.r0, SENDER.peer).store(4, R.r10, KEY_AT, R.r1);
  asm.load(4, R.r1, R.r0, SENDER.anySource).store(8, R.r10, ANY_SOURCE_AT, R.r1);

  // May it send this?
  writeOwnerLookup(asm, OUTER_BYTES, "source", setup, "lanes");
  asm.load(8, R.r1, R.r10, ANY_SOURCE_AT).jump(R.r1, "!=", imm(0), "admitted");
  asm.jump(R.r0, "==", imm(0), "lanes");
  asm.load(4, R.r1, R.r0, 0).load(4, R.r2, R.r10, KEY_AT).jump(R.r1, "!=", R.r2, "lanes");
  asm.label("admitted");
  // The IP header's size tells the version: what follows it is added to the register now.
  asm.mov(R.r1, imm(NEXT_PROTOCOL.ipv4)).jump(KEPT.headers, "==", imm(IPV4_HEADER_BYTES), "named");
  asm.mov(R.r1, imm(NEXT_PROTOCOL.ipv6));
  asm.label("named").store(8, R.r10, ANY_SOURCE_AT, R.r1);
  writeSegments(asm, OUTER_BYTES, "lanes");

  // Eight more bytes of header, and the rest of it written anew.
  writeRoom(asm, VXLAN_BYTES, ROOM.fixedGso);
  asm.jump(R.r0, "!=", imm(0), "lanes");
  writePeerCount(asm, setup.counts, "in");
  writeEvent(asm, setup.events, EVENTS.entered);
  writeHelperHeaders(asm, setup);
  writeStore(asm, ETHERNET_BYTES, NEW_AT, NEW_BYTES, RECOMPUTE_CHECKSUM);
  asm.jump(R.r0, "!=", imm(0), "failed");
  // lo's own address is all zeros: anything else would not be for this host.
  asm.store(8, R.r10, MAC_AT, imm(0));
  writeStore(asm, 0, MAC_AT, 6, 0);
  asm.jump(R.r0, "!=", imm(0), "failed");
  asm.mov(R.r1, imm(setup.loopbackIfindex)).mov(R.r2, imm(REDIRECT_INGRESS));
  asm.call(HELPER.redirect).exit();

  asm.label("failed");
  writeEvent(asm, setup.events, EVENTS.rejected);
  asm.exit(imm(VERDICT.drop));
  asm.label("lanes").exit(imm(VERDICT.next));
  return asm.encode();
}

/** A whole UDP datagram to our port, sent by a peer's kernel; KEPT.length is its payload's then. */
function writeOuterChecks(asm: Assembler, port: number): void {
  const ipv4 = OUTER_AT + OUTER.ipv4;
  const udp = OUTER_AT + OUTER.udp;
  asm.load(1, R.r1, R.r10, ipv4).jump(R.r1, "!=", imm(0x45), "lanes");
  asm.load(2, R.r1, R.r10, ipv4 + 6).alu("and", R.r1, imm(FRAGMENT_NETWORK));
  asm.jump(R.r1, "!=", imm(0), "lanes");
  asm.load(1, R.r1, R.r10, ipv4 + 9).jump(R.r1, "!=", imm(17), "lanes");
  asm.load(2, R.r1, R.r10, udp + 2).jump(R.r1, "!=", imm(network16(port)), "lanes");
  // What lanes have sent has a checksum, and lanes receive it: no flow goes two ways at a time.
  asm.load(2, R.r1, R.r10, udp + 6).jump(R.r1, "!=", imm(0), "lanes");
  loadNetwork16(asm, KEPT.length, udp + 4);
  loadNetwork16(asm, R.r1, ipv4 + 2);
  asm.mov(R.r2, KEPT.length).alu("add", R.r2, imm(IPV4_BYTES)).jump(R.r1, "!=", R.r2, "lanes");
  asm.alu("add", R.r2, imm(ETHERNET_BYTES)).load(4, R.r1, KEPT.packet, SKB.len);
  asm.jump(R.r1, "!=", R.r2, "lanes");
  asm.jump(KEPT.length, "<", imm(UDP_BYTES + IPV4_HEADER_BYTES), "lanes");
  asm.alu("sub", KEPT.length, imm(UDP_BYTES));
  asm.jump(KEPT.length, ">", imm(UDP_PAYLOAD_MAX_BYTES - VXLAN_BYTES), "lanes");
}

/** IPv4, UDP and VXLAN-GPE headers from the sender's address to our own, on the stack. */
function writeHelperHeaders(asm: Assembler, { helperPort, secret }: WayIn): void {
  const udp = NEW_AT + IPV4_BYTES;
  const vxlan = udp + UDP_BYTES;
  copyOnStack(asm, SENDER_AT + SENDER_KEY.address, NEW_AT + 12, 8);
  const more = OVERHEAD_IPV4_BYTES + VXLAN_BYTES;
  writeIpv4Header(asm, NEW_AT, more, { tos: secret.dscp << 2, ttl: secret.ttl });
  asm.load(2, R.r1, R.r10, SENDER_AT + SENDER_KEY.port).store(2, R.r10, udp, R.r1);
  asm.store(2, R.r10, udp + 2, imm(network16(helperPort)));
  writeLength(asm, udp + 4, UDP_BYTES + VXLAN_BYTES);
  asm.store(2, R.r10, udp + 6, imm(0));
  asm.store(4, R.r10, vxlan, imm(VXLAN_FLAGS));
  asm.load(1, R.r1, R.r10, ANY_SOURCE_AT).store(1, R.r10, vxlan + 3, R.r1);
  // In memory: the identifier's three bytes, then one that is reserved.
  const { vni } = secret;
  asm.store(4, R.r10, vxlan + 4, imm(vni >> 16 | vni & 0xff00 | (vni & 0xff) << 16));
}

/** Places on the second program's stack. */
const TUNNEL_KEY_AT = KEY_AT - 48;

/** The program for the helper's way in. */
export function arrival(
  { hosts, events, tunIfindex, secret }: Arrival,
): Uint8Array<ArrayBuffer> {
  const asm = new Assembler();
  asm.mov(KEPT.packet, R.r1);
  asm.stack(R.r2, TUNNEL_KEY_AT).mov(R.r3, imm(TUNNEL_KEY.size)).mov(R.r4, imm(0));
  asm.call(HELPER.getTunnelKey).jump(R.r0, "!=", imm(0), "foreign");
  asm.load(4, R.r1, R.r10, TUNNEL_KEY_AT + TUNNEL_KEY.id);
  asm.jump(R.r1, "!=", imm(secret.vni), "foreign");
  asm.load(1, R.r1, R.r10, TUNNEL_KEY_AT + TUNNEL_KEY.tos);
  asm.jump(R.r1, "!=", imm(secret.dscp << 2), "foreign");
  asm.load(1, R.r1, R.r10, TUNNEL_KEY_AT + TUNNEL_KEY.ttl);
  asm.jump(R.r1, "!=", imm(secret.ttl), "foreign");
  asm.map(R.r1, hosts).stack(R.r2, TUNNEL_KEY_AT + TUNNEL_KEY.remoteIpv4);
  asm.call(HELPER.mapLookup).jump(R.r0, "==", imm(0), "foreign");

  // What was merged here counts as what it was before.
  asm.load(4, R.r7, KEPT.packet, SKB.gsoSegments).jump(R.r7, "!=", imm(0), "counted");
  asm.mov(R.r7, imm(1));
  asm.label("counted");
  writeEvent(asm, events, EVENTS.arrived, R.r7);
  asm.mov(R.r1, imm(tunIfindex)).mov(R.r2, imm(REDIRECT_INGRESS)).call(HELPER.redirect).exit();

  asm.label("foreign");
  writeEvent(asm, events, EVENTS.foreign);
  asm.exit(imm(VERDICT.drop));
  return asm.encode();
}
