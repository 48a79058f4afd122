/**
 * The program on the underlay's ingress, run by the kernel itself on frames that
 * are made here (BPF_PROG_TEST_RUN), beside an oracle that reads them naively.
 */

import { VERDICT } from "../../../ffi/bpf_program.ts";
import { libc } from "../../../ffi/libc.ts";
import { assert, assertEquals } from "../../assert.ts";
import { parsePrefix } from "../../../src/net/prefix.ts";
import { LOCAL, NO_ROUTE } from "../../../src/forwarding/prefixes.ts";
import { BpfMap, loadProgram } from "../../../src/kernel_path/bpf/syscalls.ts";
import {
  COUNTS,
  EVENTS,
  PEER,
  SENDER,
  senderKeyLayout,
} from "../../../src/kernel_path/maps/records.ts";
import { KernelTables } from "../../../src/kernel_path/maps/tables.ts";
import { Tally } from "../../../src/kernel_path/maps/tally.ts";
import { wayIn } from "../../../src/kernel_path/programs/underlay_ingress.ts";
import { fuzzMultiplier, type Random, random } from "../../fuzz/random.ts";
import { kernelTest } from "../possible.ts";
import { runProgramOn } from "../run_program.ts";

const PORT = 3009;
const REDIRECT = 7;
/** The kernel shows no frame to a program that is shorter. */
const shortest = (version: Version) => version === 4 ? 34 : 54;
/** Sizes of the IP header outside, and of all headers outside. */
const ipBytes = (version: Version) => version === 4 ? 20 : 40;
const outside = (version: Version) => 14 + ipBytes(version) + 8;

type Version = 4 | 6;

/** Addresses of both versions: this node's, three peers', an outsider's. */
const address = (version: Version, last: number): readonly number[] =>
  version === 4 ? [192, 168, 0, last] : [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last];
const OWN = 8;
const PEER_B = { index: 3, last: 7, port: PORT } as const;
const REST = { index: 5, last: 9, port: 4000 } as const;
/** A peer that is answered by another device than the one where frames come in here. */
const ELSEWHERE = { index: 6, last: 10, port: PORT } as const;
const OUTSIDER = 77;
/** Frames that are made for a test come in by lo. */
const IFINDEX = 1;
const OWNERS = [
  { hop: LOCAL, subnets: ["172.1.0.0/16", "fd01::/16"] },
  { hop: PEER_B.index, subnets: ["172.2.0.0/16", "fd02::/16"] },
  { hop: ELSEWHERE.index, subnets: ["172.6.0.0/16", "fd06::/16"] },
  // Another node's own address.
  { hop: NO_ROUTE, subnets: ["192.168.0.7/32", "2001:db8::7/128"] },
] as const;
/** What the default node may not send from, though nobody else owns it. */
const NOBODYS = ["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"]
  .concat("::/128", "::1/128", "fe80::/10", "ff00::/8");

/** The program with its maps; peer 3 owns two subnets, peer 6 two more, peer 5 is the default node. */
class Fixture implements Disposable {
  readonly maps;
  readonly tally;
  readonly program: number;

  constructor(version: Version) {
    const addressBytes = version === 4 ? 4 : 16;
    this.maps = {
      routes4: new BpfMap("lpmTrie", 8, 4, 20),
      routes6: new BpfMap("lpmTrie", 20, 4, 20),
      peers: new BpfMap("hash", 4, PEER.size, 10),
      senders: new BpfMap("hash", senderKeyLayout(addressBytes).size, SENDER.size, 10),
      counts: new BpfMap("perCpuHash", 4, COUNTS.size, 10),
      events: new BpfMap("perCpuArray", 4, EVENTS.size, 1),
    };
    this.tally = new Tally(this.maps.counts, this.maps.events);
    const { routes4, routes6, senders, counts, events } = this.maps;
    this.program = loadProgram(
      "test_in",
      wayIn({
        routes4: routes4.fd,
        routes6: routes6.fd,
        senders: senders.fd,
        counts: counts.fd,
        events: events.fd,
        ipVersion: version,
        port: PORT,
        helperIfindex: 1,
        tunIfindex: 1,
      }),
    );
    const source = Uint8Array.from(address(version, OWN));
    const peers = [PEER_B, REST, ELSEWHERE].map(({ index, last, port }) => ({
      ...{ index, address: Uint8Array.from(address(version, last)), port, source },
      ...{ ifindex: index === ELSEWHERE.index ? IFINDEX + 1 : IFINDEX },
      ...{ mtu_bytes: 1472, takes: true, tcp: true },
    }));
    const routes = OWNERS.flatMap(({ subnets, hop }) =>
      subnets.map((subnet) => ({ prefix: prefix(subnet), hop }))
    );
    const tables = new KernelTables(this.maps);
    tables.setRoutes(routes, REST.index);
    for (const peer of peers) tables.setPeer(peer);
  }

  run(frame: Uint8Array<ArrayBuffer>) {
    return runProgramOn(this.program, frame);
  }

  [Symbol.dispose](): void {
    libc().call.close(this.program);
    for (const map of Object.values(this.maps)) map.close();
  }
}

function prefix(text: string) {
  const result = parsePrefix(text);
  assert(result, text);
  return "prefix" in result ? result.prefix : result;
}

/** Fields of a frame that can be told to be otherwise; lengths follow the inner packet. */
interface Shape {
  readonly inner?: Uint8Array;
  /** Last bytes of the addresses. */
  readonly from?: number;
  readonly to?: number;
  readonly sourcePort?: number;
  readonly port?: number;
  readonly checksum?: number;
}

const TCP = 6;
const UDP = 17;

const HERE = { 4: [172, 1, 0, 2], 6: [0xfd, 1, 0, 7] } as const;

function inner4(
  source: readonly number[],
  size = 60,
  protocol = TCP,
  destination: readonly number[] = HERE[4],
): Uint8Array {
  const packet = new Uint8Array(size).fill(0xee);
  packet.set([0x45, 0, size >> 8, size & 0xff, 0, 1, 0, 0, 64, protocol, 0, 0]);
  packet.set([...source, ...destination], 12);
  return packet;
}

/** Addresses begin with these bytes. */
function inner6(
  source: readonly number[],
  size = 80,
  protocol = TCP,
  destination: readonly number[] = HERE[6],
): Uint8Array {
  const packet = new Uint8Array(size).fill(0xdd);
  packet.set([0x60, 0, 0, 0, (size - 40) >> 8, (size - 40) & 0xff, protocol, 64]);
  packet.set(source, 8);
  packet.set(destination, 24);
  return packet;
}

const B6 = [0xfd, 2];

/** A frame as a peer's kernel sends it; the receiver's MAC address is that of lo. */
function frame(version: Version, shape: Shape = {}): Uint8Array<ArrayBuffer> {
  const { inner = inner4([172, 2, 0, 2]), from = PEER_B.last, to = OWN } = shape;
  const { sourcePort = PORT, port = PORT, checksum = 0 } = shape;
  const bytes = new Uint8Array(outside(version) + inner.length);
  const view = new DataView(bytes.buffer);
  const addresses = [...address(version, from), ...address(version, to)];
  if (version === 4) {
    bytes.set([0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 7, 8, 0]);
    bytes.set([0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0, ...addresses], 14);
    view.setUint16(16, 28 + inner.length);
  } else {
    bytes.set([0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 7, 0x86, 0xdd]);
    bytes.set([0x60, 0, 0, 0, 0, 0, 17, 64, ...addresses], 14);
    view.setUint16(18, 8 + inner.length);
  }
  const udp = 14 + ipBytes(version);
  view.setUint16(udp, sourcePort);
  view.setUint16(udp + 2, port);
  view.setUint16(udp + 4, 8 + inner.length);
  view.setUint16(udp + 6, checksum);
  bytes.set(inner, udp + 8);
  return bytes;
}

/** A frame with some bytes changed. */
function changed(version: Version, at: number, ...bytes: number[]): Uint8Array<ArrayBuffer> {
  const whole = frame(version);
  whole.set(bytes, at);
  return whole;
}

const equal = (one: Uint8Array, other: readonly number[]) => `${one}` === `${other}`;

/** Whether a prefix holds an address, bit by bit. */
function holds(text: string, bytes: Uint8Array): boolean {
  const { bytes: network, length_bits } = prefix(text);
  if (network.length !== bytes.length) return false;
  const bits = (of: Uint8Array) =>
    [...of].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  return bits(network).slice(0, length_bits) === bits(bytes).slice(0, length_bits);
}

/** Whose an inner address is: no subnet here is inside another one. */
function ownerOf(bytes: Uint8Array): number | undefined {
  const owner = OWNERS.find(({ subnets }) => subnets.some((subnet) => holds(subnet, bytes)));
  if (owner) return owner.hop === NO_ROUTE ? undefined : owner.hop;
  return NOBODYS.some((subnet) => holds(subnet, bytes)) ? undefined : REST.index;
}

/** Who sent it and how long the inner packet is, read field by field; undefined: for the lanes. */
function oracle(
  version: Version,
  bytes: Uint8Array,
): { peer: number; inner: Uint8Array } | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < outside(version)) return undefined;
  if (view.getUint16(12) !== (version === 4 ? 0x0800 : 0x86dd)) return undefined;
  if (!equal(bytes.subarray(0, 6), [0, 0, 0, 0, 0, 0])) return undefined;
  const at = 14 + ipBytes(version);
  const udp = view.getUint16(at + 4);
  if (version === 4) {
    if (bytes[14] !== 0x45 || (view.getUint16(20) & 0x3fff) !== 0 || bytes[23] !== 17) {
      return undefined;
    }
    if (view.getUint16(16) !== udp + 20) return undefined;
  } else if (bytes[14]! >> 4 !== 6 || bytes[20] !== 17 || view.getUint16(18) !== udp) {
    return undefined;
  }
  if (view.getUint16(at + 2) !== PORT || view.getUint16(at + 6) !== 0) return undefined;
  if (bytes.length !== at + udp || udp < 28) return undefined;
  const addresses = bytes.subarray(version === 4 ? 26 : 22, at);
  const peer = [PEER_B, REST].find(({ last, port }) =>
    equal(addresses, [...address(version, last), ...address(version, OWN)]) &&
    view.getUint16(at) === port
  );
  if (!peer) return undefined;
  const inner = bytes.slice(outside(version));
  const innerView = new DataView(inner.buffer);
  let between: number[];
  if (inner[0] === 0x45) {
    if (innerView.getUint16(2) !== inner.length) return undefined;
    between = [12, 16, 20];
  } else if (inner[0]! >> 4 === 6) {
    if (inner.length < 40 || innerView.getUint16(4) + 40 !== inner.length) return undefined;
    if ([0, 43, 51, 60].includes(inner[6]!)) return undefined;
    between = [8, 24, 40];
  } else return undefined;
  if (ownerOf(inner.subarray(between[0], between[1])) !== peer.index) return undefined;
  if (ownerOf(inner.subarray(between[1], between[2])) !== LOCAL) return undefined;
  return { peer: peer.index, inner };
}

/** What the VXLAN device is to get, byte by byte: over IPv4, whatever the underlay is. */
function wrapped(bytes: Uint8Array, inner: Uint8Array): Uint8Array {
  const udp = 14 + ipBytes(4);
  const out = new Uint8Array(udp + 16 + inner.length);
  const view = new DataView(out.buffer);
  // The link header is left as it was: nobody reads it any more.
  out.set(bytes.subarray(0, 14));
  out.set([0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17], 14);
  view.setUint16(16, 36 + inner.length);
  out.set([192, 0, 2, 2, 192, 0, 2, 1], 26);
  let sum = 0;
  for (let at = 14; at < 34; at += 2) sum += view.getUint16(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  view.setUint16(24, 0xffff - sum);
  view.setUint16(udp, 4790);
  view.setUint16(udp + 2, 4790);
  view.setUint16(udp + 4, 16 + inner.length);
  out.set([0x0c, 0, 0, inner[0]! >> 4 === 4 ? 1 : 2], udp + 8);
  out.set(inner, udp + 16);
  return out;
}

/** What becomes of a frame that is taken: TCP goes to the helper, all else straight on. */
function result(bytes: Uint8Array, inner: Uint8Array): Uint8Array {
  const protocol = inner[0]! >> 4 === 4 ? inner[9] : inner[6];
  if (protocol === TCP) return wrapped(bytes, inner);
  return new Uint8Array([...bytes.subarray(0, 14), ...inner]);
}

/** Frames that are taken, and from whom. */
function taken(version: Version): [what: string, frame: Uint8Array<ArrayBuffer>, peer: number][] {
  const make = (shape: Shape) => frame(version, shape);
  const rest = { from: REST.last, sourcePort: REST.port };
  return [
    ["IPv4 from the owner of its source", make({}), 3],
    ["UDP", make({ inner: inner4([172, 2, 0, 2], 60, UDP) }), 3],
    ["UDP over IPv6", make({ inner: inner6(B6, 80, UDP) }), 3],
    ["ICMPv6", make({ inner: inner6(B6, 80, 58) }), 3],
    ["a fragment of IPv6", make({ inner: inner6(B6, 80, 44) }), 3],
    ["the smallest packet", make({ inner: inner4([172, 2, 0, 2], 20) }), 3],
    ["a full one", make({ inner: inner4([172, 2, 255, 255], 1452) }), 3],
    ["IPv6 from the owner of its source", make({ inner: inner6(B6) }), 3],
    ["the smallest IPv6 packet", make({ inner: inner6(B6, 40) }), 3],
    ["any source from the default node", make({ inner: inner4([8, 8, 8, 8]), ...rest }), 5],
    ["any IPv6 source from it", make({ inner: inner6([0x20, 1]), ...rest }), 5],
    ["a source beside link-local", make({ inner: inner4([169, 253, 255, 255]), ...rest }), 5],
    ["an IPv6 source beside link-local", make({ inner: inner6([0xfe, 0xc0]), ...rest }), 5],
    version === 4
      ? ["DF clear outside", changed(4, 20, 0, 0), 3]
      : ["a traffic class and a flow label outside", changed(6, 14, 0x6f, 0xff, 0xff, 0xff), 3],
  ];
}

const B4 = [172, 2, 0, 2];
const zeros = (...last: number[]) => [...new Array(16 - last.length).fill(0), ...last];

/** What the default node has to leave to lanes, by its source. */
const NOT_OF_THE_REST: readonly (readonly [what: string, inner: Uint8Array])[] = [
  ["another peer's source", inner4(B4)],
  ["another peer's IPv6 source", inner6(B6)],
  ["this node's source", inner4([172, 1, 0, 9])],
  ["this node's IPv6 source", inner6([0xfd, 1])],
  ["loopback", inner4([127, 0, 0, 1])],
  ["link-local", inner4([169, 254, 169, 254])],
  ["multicast", inner4([224, 0, 0, 5])],
  ["the limited broadcast", inner4([255, 255, 255, 255])],
  ["unspecified", inner4([0, 0, 0, 0])],
  ["IPv6 loopback", inner6(zeros(1))],
  ["IPv6 link-local", inner6([0xfe, 0x80])],
  ["the end of IPv6 link-local", inner6([0xfe, 0xbf, 0xff])],
  ["IPv6 multicast", inner6([0xff, 2])],
  ["IPv6 unspecified", inner6(zeros())],
  ["another node's own address", inner4(address(4, PEER_B.last))],
  ["another node's own IPv6 address", inner6(address(6, PEER_B.last))],
];

/** What is not for this node's subnets. */
const NOT_HERE: readonly (readonly [what: string, inner: Uint8Array])[] = [
  ["nobody's address", inner4(B4, 60, TCP, [10, 0, 0, 1])],
  ["the sender itself", inner4(B4, 60, UDP, [172, 2, 0, 3])],
  ["another peer", inner4(B4, 60, TCP, [172, 6, 0, 1])],
  ["loopback", inner4(B4, 60, TCP, [127, 0, 0, 1])],
  ["multicast", inner4(B4, 60, UDP, [224, 0, 0, 251])],
  ["the limited broadcast", inner4(B4, 60, UDP, [255, 255, 255, 255])],
  ["nobody's IPv6 address", inner6(B6, 80, TCP, [0x20, 1, 0xd, 0xb8])],
  ["another peer over IPv6", inner6(B6, 80, TCP, [0xfd, 6])],
  ["all nodes of the link", inner6(B6, 80, 58, [0xff, 2, ...new Array(13).fill(0), 1])],
];

/** Frames that are left to the lanes. */
function left(version: Version): (readonly [what: string, frame: Uint8Array<ArrayBuffer>])[] {
  const rest = { from: REST.last, sourcePort: REST.port };
  const elsewhere = { inner: inner4([172, 6, 0, 2]), from: ELSEWHERE.last };
  const make = (shape: Shape) => frame(version, shape);
  const change = (at: number, ...bytes: number[]) => changed(version, at, ...bytes);
  const udp = 14 + ipBytes(version);
  const inner = udp + 8;
  const both: ReturnType<typeof left> = [
    ["a checksum: lanes have sent it", make({ checksum: 0x1234 })],
    ["another port", make({ port: 3010 })],
    ["from another port", make({ sourcePort: 4000 })],
    ["from an outsider", make({ from: OUTSIDER })],
    ["to another of our addresses", make({ to: 1 })],
    ["a source of nobody", make({ inner: inner4([9, 9, 9, 9]) })],
    ["a source of this node", make({ inner: inner4([172, 1, 0, 9]) })],
    ["an IPv6 source of nobody", make({ inner: inner6([0xfd, 9]) })],
    ["from a peer that is answered by another device", make(elsewhere)],
    ...NOT_OF_THE_REST.map(([what, inner]) =>
      [`from the default node, ${what}`, make({ inner, ...rest })] as const
    ),
    ...NOT_HERE.map(([what, inner]) => [`to ${what}`, make({ inner })] as const),
    [
      "from the default node to a peer",
      make({ inner: inner4([8, 8, 8, 8], 60, TCP, B4), ...rest }),
    ],
    ["a hello", make({ inner: new Uint8Array(60).fill(0xf1) })],
    ["IPv6 with hop-by-hop options", make({ inner: inner6(B6, 80, 0) })],
    ["IPv6 with a routing header", make({ inner: inner6(B6, 80, 43) })],
    ["IPv6 with authentication", make({ inner: inner6(B6, 80, 51) })],
    ["IPv6 with destination options", make({ inner: inner6(B6, 80, 60) })],
    ["nothing inside", make({ inner: new Uint8Array(0) })],
    ["less than a header inside", make({ inner: inner4([172, 2, 0, 2], 20).subarray(0, 19) })],
    ["less than an IPv6 header inside", make({ inner: inner6(B6, 40).subarray(0, 39) })],
    ["IPv4 options inside", change(inner, 0x46)],
    ["IP version 5 inside", change(inner, 0x55)],
    ["an inner length too long", change(inner + 2, 0, 61)],
    ["an inner length too short", change(inner + 2, 0, 59)],
    ["the other IP version outside", change(12, ...(version === 4 ? [0x86, 0xdd] : [8, 0]))],
    ["another EtherType", change(12, 0x88, 0xb5)],
    ["to another MAC address", change(0, 2)],
    ["a UDP length beyond the packet", change(udp + 4, 0, 69)],
    ["bytes after the packet", new Uint8Array([...make({}), 0])],
    ["cut short", make({}).slice(0, -1)],
    ["no more than IP outside", make({}).slice(0, shortest(version))],
  ];
  const ofVersion: ReturnType<typeof left> = version === 4
    ? [
      ["IPv4 options outside", change(14, 0x46)],
      ["a first fragment", change(20, 0x20, 0)],
      ["a later fragment", change(20, 0, 1)],
      ["TCP outside", change(23, 6)],
      ["an IP length beyond the packet", change(16, 0, 89)],
    ]
    : [
      ["IP version 4 in an IPv6 frame", change(14, 0x45)],
      ["a fragment header outside", change(20, 44)],
      ["an IP length beyond the packet", change(18, 0, 69)],
    ];
  return [...both, ...ofVersion];
}

/** An inner packet that is good, mostly. */
function randomInner(rng: Random): Uint8Array {
  const size = 20 + rng.below(rng.pick([1, 30, 200, 1400]));
  const protocol = rng.pick([TCP, TCP, UDP, rng.below(256)]);
  const odd = rng.below(4) === 0;
  if (rng.below(3) === 0) {
    const source = odd ? rng.pick([[0xfd, 3], [0xfe, rng.below(256)]]) : B6;
    const destination = odd ? rng.pick([[0xfd, 6], [...rng.bytes(2)], HERE[6]]) : HERE[6];
    return inner6(source, size + 20, protocol, destination);
  }
  const source = odd ? [rng.pick([172, 169, 127, 8]), rng.pick([1, 2, 6, 254])] : [172, 2];
  const destination = odd ? rng.pick([[172, 6, 0, 1], [...rng.bytes(4)], HERE[4]]) : HERE[4];
  return inner4([...source, ...rng.bytes(2)], size, protocol, destination);
}

/** A good frame, mostly; then some bytes of it changed, cut off or added. */
function randomFrame(version: Version, rng: Random): Uint8Array<ArrayBuffer> {
  const inner = randomInner(rng);
  const rest = { from: REST.last, sourcePort: REST.port };
  const from = rng.pick([{}, {}, {}, {}, {}, {}, rest, { from: ELSEWHERE.last }]);
  let bytes = frame(version, { inner, ...from });
  for (let changes = rng.below(4); changes > 0; changes--) {
    bytes[rng.below(Math.min(bytes.length, 110))] = rng.pick([0, 1, 0x45, 0x60, rng.below(256)]);
  }
  // The frame may have become one of the other version.
  const least = shortest(6);
  if (rng.below(8) === 0) bytes = bytes.slice(0, least + rng.below(bytes.length - least + 1));
  if (rng.below(8) === 0) bytes = new Uint8Array([...bytes, ...rng.bytes(1 + rng.below(9))]);
  return bytes;
}

const FUZZ = Math.ceil(20_000 * fuzzMultiplier());

for (const version of [4, 6] as const) {
  kernelTest(
    `underlay ingress over IPv${version}: what it takes, and what the helper gets`,
    async (t) => {
      using fixture = new Fixture(version);
      for (const [what, bytes, peer] of taken(version)) {
        await t.step(what, () => {
          const { verdict, packet } = fixture.run(bytes);
          assertEquals(verdict, REDIRECT);
          const inner = bytes.subarray(outside(version));
          assertEquals(packet.toHex(), result(bytes, inner).toHex());
          assertEquals(oracle(version, bytes)?.peer, peer);
          const carried = [3, 5].map((peer) => fixture.tally.carried(peer)!.inbound);
          const one = { packets: 1, bytes: inner.length };
          const none = { packets: 0, bytes: 0 };
          assertEquals(carried, peer === 3 ? [one, none] : [none, one]);
        });
      }
    },
  );

  kernelTest(
    `underlay ingress over IPv${version}: what it leaves to the lanes, as it was`,
    async (t) => {
      using fixture = new Fixture(version);
      for (const [what, bytes] of left(version)) {
        await t.step(what, () => {
          const { verdict, packet } = fixture.run(bytes);
          assertEquals(verdict, VERDICT.next);
          assertEquals(packet.toHex(), bytes.toHex());
          assertEquals(oracle(version, bytes), undefined);
        });
      }
      assertEquals([3, 5].map((peer) => fixture.tally.carried(peer)!.inbound.packets), [0, 0]);
    },
  );

  kernelTest(
    `underlay ingress over IPv${version}: ${FUZZ} damaged frames, as the oracle has it`,
    () => {
      using fixture = new Fixture(version);
      const rng = random(version);
      let redirected = 0;
      for (let i = 0; i < FUZZ; i++) {
        const bytes = randomFrame(version, rng);
        const expected = oracle(version, bytes);
        const { verdict, packet } = fixture.run(bytes);
        assertEquals(verdict, expected ? REDIRECT : VERDICT.next, bytes.toHex());
        const after = expected ? result(bytes, expected.inner) : bytes;
        assert(equal(packet, [...after]), bytes.toHex());
        if (expected) redirected++;
      }
      assert(redirected > FUZZ / 10 && redirected < FUZZ * 9 / 10, `${redirected} taken`);
    },
  );
}
