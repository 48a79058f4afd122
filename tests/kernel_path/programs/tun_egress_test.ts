/**
 * The program on the tunnel device's egress, run by the kernel itself on a real TUN device in a
 * namespace of its own, beside an oracle that reads packets naively. (BPF_PROG_TEST_RUN gives a
 * program of this type an Ethernet frame, which a TUN device never does.)
 */

import { assert, assertEquals } from "../../assert.ts";
import { LOCAL } from "../../../src/forwarding/prefixes.ts";
import type { Amount } from "../../../src/kernel_path/maps/tally.ts";
import { parseAddress } from "../../../src/net/prefix.ts";
import { fuzzMultiplier, type Random, random } from "../../fuzz/random.ts";
import { Namespace } from "../../host/namespace.ts";
import type { EgressSetup } from "../egress_driver.ts";
import { kernelTest } from "../possible.ts";

type Version = 4 | 6;

const PORT = 3009;
const TCP = 6;
const UDP = 17;
const TUN_MTU_BYTES = 1500;
const OUR_MAC = "02:00:00:00:00:08";

/** Addresses of the underlay: this node's and, by last byte, its peers'. */
const underlay = (version: Version, last: number): string =>
  version === 4 ? `192.168.0.${last}` : `2001:db8::${last.toString(16)}`;
const OWN = 8;

/** The next hop of this peer is known; it takes all up to its MTU. */
const PEER_B = { index: 3, last: 7, port: PORT, mtu_bytes: 1300, takes: true, tcp: true } as const;
/** The default node: behind a device that leads to a wire, so TCP goes by the lanes. */
const REST = { index: 5, last: 9, port: 4000, mtu_bytes: 1200, takes: true, tcp: false } as const;
/** It does not hear us. */
const DEAF = { index: 6, last: 10, port: PORT, mtu_bytes: 1300, takes: false, tcp: true } as const;
/** Its address on the link is not known. */
const UNRESOLVED = {
  index: 7,
  last: 11,
  port: PORT,
  mtu_bytes: 1300,
  takes: true,
  tcp: true,
} as const;
/** Its path says more than the underlay carries. */
const TOO_WIDE = {
  index: 9,
  last: 7,
  port: 5000,
  mtu_bytes: 1500,
  takes: true,
  tcp: true,
} as const;
const PEERS = [PEER_B, REST, DEAF, UNRESOLVED, TOO_WIDE];
type Peer = typeof PEERS[number];

/** The second byte of the subnets of each; all else is the default node's. */
const OWNERS = new Map<number, Peer | undefined>([
  [1, undefined],
  [2, PEER_B],
  [3, DEAF],
  [4, UNRESOLVED],
  [5, TOO_WIDE],
]);

const macOf = ({ last }: Peer): string => `02:00:00:00:00:${last.toString(16).padStart(2, "0")}`;
const macBytes = (mac: string): number[] => mac.split(":").map((byte) => parseInt(byte, 16));

/** The program in a namespace, and what it makes of packets. */
class Fixture implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #lines: ReadableStreamDefaultReader<string>;
  #rest = "";

  private constructor(ns: Namespace, setup: EgressSetup) {
    const script = new URL("../egress_driver.ts", import.meta.url).pathname;
    const deno = [Deno.execPath(), "run", "-A", "--no-prompt", "--quiet", script];
    this.#child = new Deno.Command("ip", {
      args: ["netns", "exec", ns.name, ...deno, JSON.stringify(setup)],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    this.#writer = this.#child.stdin.getWriter();
    this.#lines = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  static async create(ns: Namespace, version: Version): Promise<Fixture> {
    // Nothing but what the tests send: no router solicitations, no multicast.
    await ns.sysctl("net.ipv6.conf.default.disable_ipv6", "1");
    for (const name of ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"]) {
      await ns.sysctl(name, "1");
    }
    await ns.ip(`link add u0 address ${OUR_MAC} type veth peer name u1`);
    if (version === 6) {
      await ns.ip("link set u0 addrgenmode none");
      await ns.sysctl("net.ipv6.conf.u0.disable_ipv6", "0");
    }
    await ns.ip("link set u1 up");
    await ns.ip("link set u0 up");
    const nodad = version === 6 ? " nodad" : "";
    await ns.ip(`addr add ${underlay(version, OWN)}/${version === 4 ? 24 : 64} dev u0${nodad}`);
    for (const peer of PEERS) {
      if (peer === UNRESOLVED) continue;
      await ns.ip(`neigh replace ${underlay(version, peer.last)} lladdr ${macOf(peer)} dev u0`);
    }
    return new Fixture(ns, {
      ipVersion: version,
      port: PORT,
      source: underlay(version, OWN),
      peers: PEERS.map(({ last, ...peer }) => ({ ...peer, address: underlay(version, last) })),
      routes: [...OWNERS].flatMap(([n, owner]) =>
        [`172.${n}.0.0/16`, `fd0${n}::/16`].map((text) => [text, owner?.index ?? LOCAL] as const)
      ),
      defaultPeer: REST.index,
    });
  }

  /** What becomes of packets: `underlay` or `device`, and the bytes there. */
  async send(packets: readonly Uint8Array[]): Promise<string[]> {
    return await this.#ask(packets.map((packet) => packet.toHex()));
  }

  /** Packets and bytes that each peer was sent since the last time. */
  async counts(): Promise<Map<number, Amount>> {
    const [text] = await this.#ask(["counts"]);
    return new Map<number, Amount>(JSON.parse(text!));
  }

  async #ask(lines: readonly string[]): Promise<string[]> {
    // Read meanwhile: the driver stops reading where its answers are not.
    const written = this.#writer.write(new TextEncoder().encode(lines.join("\n") + "\n"));
    const answers: string[] = [];
    while (answers.length < lines.length) {
      const { value, done } = await this.#lines.read();
      assert(!done, "the driver has ended");
      const all = (this.#rest + value).split("\n");
      this.#rest = all.pop()!;
      answers.push(...all);
    }
    await written;
    return answers;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer.close();
    await this.#lines.cancel();
    await this.#child.status;
  }
}

async function withFixture(version: Version, use: (fixture: Fixture) => Promise<void>) {
  await Namespace.with(async (ns) => {
    await using fixture = await Fixture.create(ns, version);
    await use(fixture);
  });
}

/** A packet to 172.SECOND.0.2. */
function to4(second: number, size = 60, protocol = UDP): Uint8Array {
  const packet = new Uint8Array(size).fill(0xee);
  packet.set([0x45, 0, size >> 8, size & 0xff, 0, 1, 0, 0, 64, protocol, 0, 0, 172, 1, 0, 2]);
  packet.set([172, second, 0, 2], 16);
  return packet;
}

/** A packet to fd0SECOND::2. */
function to6(second: number, size = 80, protocol = UDP): Uint8Array {
  const packet = new Uint8Array(size).fill(0);
  packet.set([0x60, 0, 0, 0, (size - 40) >> 8, (size - 40) & 0xff, protocol, 64, 0xfd, 1]);
  packet.set([0xfd, second], 24);
  packet[39] = 2;
  return packet;
}

/** A packet with some bytes changed. */
function changed(packet: Uint8Array, at: number, ...bytes: number[]): Uint8Array {
  const other = packet.slice();
  other.set(bytes, at);
  return other;
}

/** Whether an address is one that no packet can be sent to, so that not even the default node has it. */
function isNobodys(address: Uint8Array): boolean {
  const [first, second] = [address[0]!, address[1]!];
  if (address.length === 4) {
    return first === 0 || first === 127 || first >= 224 || first === 169 && second === 254;
  }
  const before = address.subarray(0, 15).every((byte) => byte === 0);
  return before && address[15]! <= 1 || first === 0xff || first === 0xfe && second >> 6 === 2;
}

/** To whom the kernel path takes a packet, read field by field; undefined: it is for the lanes. */
function oracle(version: Version, packet: Uint8Array): Peer | undefined {
  const word = (at: number) => packet[at]! << 8 | packet[at + 1]!;
  if (packet.length < 20) return undefined;
  let protocol: number;
  let second: number | undefined;
  let destination: Uint8Array;
  if (packet[0] === 0x45) {
    if (word(2) !== packet.length) return undefined;
    protocol = packet[9]!;
    destination = packet.subarray(16, 20);
    if (packet[16] === 172) second = packet[17];
  } else if (packet[0]! >> 4 === 6) {
    if (packet.length < 40 || word(4) + 40 !== packet.length) return undefined;
    protocol = packet[6]!;
    if ([0, 43, 51, 60].includes(protocol)) return undefined;
    destination = packet.subarray(24, 40);
    if (packet[24] === 0xfd) second = packet[25];
  } else return undefined;
  if (isNobodys(destination)) return undefined;
  const peer = second !== undefined && OWNERS.has(second) ? OWNERS.get(second) : REST;
  if (!peer || !peer.takes || peer === UNRESOLVED) return undefined;
  if (protocol === TCP && !peer.tcp) return undefined;
  if (packet.length > peer.mtu_bytes) return undefined;
  return packet.length + (version === 4 ? 28 : 48) > TUN_MTU_BYTES ? undefined : peer;
}

/** The frame that a peer is sent, byte by byte. */
function wrapped(version: Version, peer: Peer, packet: Uint8Array): Uint8Array {
  const addresses = [OWN, peer.last].flatMap((last) => [
    ...parseAddress(underlay(version, last))!.bytes,
  ]);
  const header = version === 4 ? 20 : 40;
  const out = new Uint8Array(14 + header + 8 + packet.length);
  const view = new DataView(out.buffer);
  out.set([...macBytes(macOf(peer)), ...macBytes(OUR_MAC)]);
  if (version === 4) {
    out.set([8, 0, 0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, UDP, 0, 0, ...addresses], 12);
    view.setUint16(16, 28 + packet.length);
    let sum = 0;
    for (let at = 14; at < 34; at += 2) sum += view.getUint16(at);
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
    view.setUint16(24, 0xffff - sum);
  } else {
    out.set([0x86, 0xdd, 0x60, 0, 0, 0, 0, 0, UDP, 64, ...addresses], 12);
    view.setUint16(18, 8 + packet.length);
  }
  view.setUint16(14 + header, PORT);
  view.setUint16(16 + header, peer.port);
  view.setUint16(18 + header, 8 + packet.length);
  out.set(packet, 22 + header);
  return out;
}

/** What the kernel is to make of a packet. */
function expected(version: Version, packet: Uint8Array): string {
  const peer = oracle(version, packet);
  return peer ? `underlay ${wrapped(version, peer, packet).toHex()}` : `device ${packet.toHex()}`;
}

const TAKEN: readonly [what: string, packet: Uint8Array, peer: Peer][] = [
  ["UDP over IPv4", to4(2), PEER_B],
  ["UDP over IPv6", to6(2), PEER_B],
  ["TCP over IPv4", to4(2, 60, TCP), PEER_B],
  ["TCP over IPv6", to6(2, 80, TCP), PEER_B],
  ["ICMP", to4(2, 84, 1), PEER_B],
  ["ICMPv6", to6(2, 104, 58), PEER_B],
  ["a later fragment", changed(to4(2), 6, 0x20, 0xb9), PEER_B],
  ["a fragment of IPv6", to6(2, 80, 44), PEER_B],
  ["the smallest packet", to4(2, 20), PEER_B],
  ["the smallest IPv6 packet", to6(2, 40), PEER_B],
  ["exactly what the path carries", to4(2, PEER_B.mtu_bytes), PEER_B],
  ["IPv6, exactly what the path carries", to6(2, PEER_B.mtu_bytes), PEER_B],
  ["to nobody's subnet: the default node", changed(to4(2), 16, 8, 8, 8, 8), REST],
  ["to nobody's IPv6 subnet: the default node", to6(9), REST],
  ["a path that says too much, a packet that fits", to4(5, 1400), TOO_WIDE],
];

const LEFT: readonly [what: string, packet: Uint8Array][] = [
  ["TCP to a peer behind a wire", changed(to4(2, 60, TCP), 16, 8, 8, 8, 8)],
  ["to a subnet of this node", to4(1)],
  ["to an IPv6 subnet of this node", to6(1)],
  ["to this network, 0.0.0.0/8", changed(to4(2), 16, 0)],
  ["to loopback", changed(to4(2), 16, 127)],
  ["to a link-local address", changed(to4(2), 16, 169, 254)],
  ["to a group", changed(to4(2), 16, 224)],
  ["to ::1", changed(to6(2), 24, ...new Uint8Array(15), 1)],
  ["to an IPv6 link-local address", changed(to6(2), 24, 0xfe, 0xbf)],
  ["to an IPv6 group", changed(to6(2), 24, 0xff)],
  ["to a peer that does not hear us", to4(3)],
  ["to a peer whose address on the link is not known", to4(4)],
  ["one byte more than the path carries", to4(2, PEER_B.mtu_bytes + 1)],
  ["IPv6, one byte more than the path carries", to6(2, PEER_B.mtu_bytes + 1)],
  ["one byte more than the underlay carries", to4(5, TUN_MTU_BYTES - 27)],
  ["IPv4 options", changed(to4(2), 0, 0x46)],
  ["a header of 16 bytes", changed(to4(2), 0, 0x44)],
  ["IP version 5", changed(to4(2), 0, 0x55)],
  ["a length too long", changed(to4(2), 2, 0, 61)],
  ["a length too short", changed(to4(2), 2, 0, 59)],
  ["an IPv6 length too long", changed(to6(2), 4, 0, 41)],
  ["an IPv6 length too short", changed(to6(2), 4, 0, 39)],
  ["IPv6 with hop-by-hop options", to6(2, 80, 0)],
  ["IPv6 with a routing header", to6(2, 80, 43)],
  ["IPv6 with authentication", to6(2, 80, 51)],
  ["IPv6 with destination options", to6(2, 80, 60)],
  ["cut in the header", to4(2, 20).subarray(0, 19)],
  ["cut in the IPv6 header", to6(2, 40).subarray(0, 39)],
];

/** A good packet, mostly; then some bytes of it changed, cut off or added. */
function randomPacket(rng: Random): Uint8Array {
  const size = 20 + rng.below(rng.pick([1, 30, 200, 1300]));
  const protocol = rng.pick([TCP, UDP, UDP, rng.below(256)]);
  const second = rng.pick([2, 2, 2, 1, 3, 4, 5, 9]);
  let packet = rng.below(2) === 0 ? to4(second, size, protocol) : to6(second, size + 20, protocol);
  for (let changes = rng.below(4); changes > 0; changes--) {
    packet[rng.below(Math.min(packet.length, 50))] = rng.pick([0, 1, 0x45, 0x60, rng.below(256)]);
  }
  if (rng.below(8) === 0) packet = packet.slice(0, 1 + rng.below(packet.length));
  if (rng.below(8) === 0) packet = new Uint8Array([...packet, ...rng.bytes(1 + rng.below(9))]);
  return packet;
}

const FUZZ = Math.ceil(10_000 * fuzzMultiplier());
const AT_ONCE = 500;

for (const version of [4, 6] as const) {
  kernelTest(
    `tun egress over IPv${version}: what it takes, and what the underlay gets`,
    async (t) => {
      await withFixture(version, async (fixture) => {
        for (const [what, packet, peer] of TAKEN) {
          await t.step(what, async () => {
            assertEquals(oracle(version, packet), peer);
            const frame = wrapped(version, peer, packet).toHex();
            assertEquals(await fixture.send([packet]), [`underlay ${frame}`]);
            const counts = await fixture.counts();
            assertEquals(counts.get(peer.index), { packets: 1, bytes: packet.length });
          });
        }
      });
    },
  );

  kernelTest(`tun egress over IPv${version}: what it leaves to the lanes, as it was`, async (t) => {
    await withFixture(version, async (fixture) => {
      for (const [what, packet] of LEFT) {
        await t.step(what, async () => {
          assertEquals(oracle(version, packet), undefined);
          assertEquals(await fixture.send([packet]), [`device ${packet.toHex()}`]);
        });
      }
      for (const { packets } of (await fixture.counts()).values()) assertEquals(packets, 0);
    });
  });

  kernelTest(
    `tun egress over IPv${version}: ${FUZZ} damaged packets, as the oracle has it`,
    async () => {
      await withFixture(version, async (fixture) => {
        const rng = random(version);
        let taken = 0;
        for (let done = 0; done < FUZZ; done += AT_ONCE) {
          const packets = Array.from({ length: AT_ONCE }, () => randomPacket(rng));
          const outcomes = await fixture.send(packets);
          for (const [i, packet] of packets.entries()) {
            assertEquals(outcomes[i], expected(version, packet), packet.toHex());
            if (oracle(version, packet)) taken++;
          }
        }
        assert(taken > FUZZ / 10 && taken < FUZZ * 9 / 10, `${taken} taken`);
      });
    },
  );
}
