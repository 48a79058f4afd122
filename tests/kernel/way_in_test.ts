/**
 * The program on the underlay's way in, run by the kernel itself on frames that
 * are made here (BPF_PROG_TEST_RUN), beside an oracle that reads them naively.
 */

import { assert, assertEquals } from "../assert.ts";
import { libc } from "../../ffi/libc.ts";
import { parsePrefix } from "../../src/net/prefix.ts";
import { LOCAL } from "../../src/route/table.ts";
import { VERDICT } from "../../src/kernel/abi.ts";
import { BpfMap, loadProgram, testProgram } from "../../src/kernel/bpf.ts";
import { COUNTS, EVENTS, PEER, SENDER, SENDER_KEY } from "../../src/kernel/records.ts";
import { KernelTables } from "../../src/kernel/tables.ts";
import { Tally } from "../../src/kernel/tally.ts";
import { wayIn } from "../../src/kernel/way_in.ts";
import { fuzzMultiplier, type Random, random } from "../fuzz/random.ts";

const PORT = 3009;
const HELPER_PORT = 4790;
const SECRET = { vni: 0xabcdef, dscp: 0x2a, ttl: 99 };
const REDIRECT = 7;
/** The kernel shows no IPv4 frame to a program that is shorter. */
const SHORTEST_BYTES = 34;

const OWN = [192, 168, 0, 8] as const;
const PEER_B = { index: 3, address: [192, 168, 0, 7], port: PORT } as const;
const REST = { index: 5, address: [192, 168, 0, 9], port: 4000 } as const;
const B_SUBNETS = ["172.2.0.0/16", "fd02::/16"];

/** The program with its maps; peer 3 owns two subnets, peer 5 is the default node. */
class Fixture implements Disposable {
  readonly maps = {
    routes4: new BpfMap("lpmTrie", 8, 4, 10),
    routes6: new BpfMap("lpmTrie", 20, 4, 10),
    peers: new BpfMap("hash", 4, PEER.size, 10),
    senders: new BpfMap("hash", SENDER_KEY.size, SENDER.size, 10),
    hosts: new BpfMap("hash", 4, 4, 10),
    counts: new BpfMap("perCpuHash", 4, COUNTS.size, 10),
    events: new BpfMap("perCpuArray", 4, EVENTS.size, 1),
  };
  readonly tally = new Tally(this.maps.counts, this.maps.events);
  readonly program: number;

  constructor() {
    const { routes4, routes6, senders, counts, events } = this.maps;
    this.program = loadProgram(
      "test_in",
      wayIn({
        routes4: routes4.fd,
        routes6: routes6.fd,
        senders: senders.fd,
        counts: counts.fd,
        events: events.fd,
        port: PORT,
        helperPort: HELPER_PORT,
        loopbackIfindex: 1,
        secret: SECRET,
      }),
    );
    const source = Uint8Array.from(OWN);
    const peers = [PEER_B, REST].map(({ index, address, port }) => ({
      ...{ index, address: Uint8Array.from(address), port, source },
      ...{ ifindex: 1, mtu_bytes: 1472, takes: true },
    }));
    const routes = [
      { prefix: prefix("172.1.0.0/16"), hop: LOCAL },
      ...B_SUBNETS.map((subnet) => ({ prefix: prefix(subnet), hop: PEER_B.index })),
    ];
    new KernelTables(this.maps).publish(peers, routes, REST.index);
  }

  run(frame: Uint8Array<ArrayBuffer>) {
    return testProgram(this.program, frame);
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
  readonly from?: readonly number[];
  readonly to?: readonly number[];
  readonly sourcePort?: number;
  readonly port?: number;
  readonly checksum?: number;
}

function inner4(source: readonly number[], size = 60): Uint8Array {
  const packet = new Uint8Array(size).fill(0xee);
  packet.set([0x45, 0, size >> 8, size & 0xff, 0, 1, 0, 0, 64, 17, 0, 0]);
  packet.set([...source, 172, 1, 0, 2], 12);
  return packet;
}

function inner6(first: number, size = 80): Uint8Array {
  const packet = new Uint8Array(size).fill(0xdd);
  packet.set([0x60, 0, 0, 0, (size - 40) >> 8, (size - 40) & 0xff, 17, 64, 0xfd, first]);
  return packet;
}

/** A frame as a peer's kernel sends it; the receiver's MAC address is that of lo. */
function frame(shape: Shape = {}): Uint8Array<ArrayBuffer> {
  const { inner = inner4([172, 2, 0, 2]), from = PEER_B.address, to = OWN } = shape;
  const { sourcePort = PORT, port = PORT, checksum = 0 } = shape;
  const bytes = new Uint8Array(42 + inner.length);
  const view = new DataView(bytes.buffer);
  bytes.set([0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 7, 8, 0]);
  bytes.set([0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0, ...from, ...to], 14);
  view.setUint16(16, 28 + inner.length);
  view.setUint16(34, sourcePort);
  view.setUint16(36, port);
  view.setUint16(38, 8 + inner.length);
  view.setUint16(40, checksum);
  bytes.set(inner, 42);
  return bytes;
}

/** A frame with some bytes changed. */
function changed(at: number, ...bytes: number[]): Uint8Array<ArrayBuffer> {
  const whole = frame();
  whole.set(bytes, at);
  return whole;
}

const equal = (one: Uint8Array, other: readonly number[]) => `${one}` === `${other}`;

/** Who sent it and how long the inner packet is, read field by field; undefined: for the lanes. */
function oracle(bytes: Uint8Array): { peer: number; inner: Uint8Array } | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < 42 || view.getUint16(12) !== 0x0800) return undefined;
  if (!equal(bytes.subarray(0, 6), [0, 0, 0, 0, 0, 0])) return undefined;
  if (bytes[14] !== 0x45 || (view.getUint16(20) & 0x3fff) !== 0 || bytes[23] !== 17) {
    return undefined;
  }
  const udp = view.getUint16(38);
  if (view.getUint16(36) !== PORT || view.getUint16(40) !== 0) return undefined;
  if (view.getUint16(16) !== udp + 20 || bytes.length !== udp + 34 || udp < 28) return undefined;
  const peer = [PEER_B, REST].find(({ address, port }) =>
    equal(bytes.subarray(26, 30), address) && view.getUint16(34) === port
  );
  if (!peer || !equal(bytes.subarray(30, 34), OWN)) return undefined;
  const inner = bytes.slice(42);
  const innerView = new DataView(inner.buffer);
  let owned: boolean;
  if (inner[0] === 0x45) {
    if (innerView.getUint16(2) !== inner.length) return undefined;
    owned = inner[12] === 172 && inner[13] === 2;
  } else if (inner[0]! >> 4 === 6) {
    if (inner.length < 40 || innerView.getUint16(4) + 40 !== inner.length) return undefined;
    owned = inner[8] === 0xfd && inner[9] === 2;
  } else return undefined;
  if (peer === PEER_B && !owned) return undefined;
  return { peer: peer.index, inner };
}

/** What the helper is to get, byte by byte. */
function wrapped(bytes: Uint8Array, inner: Uint8Array): Uint8Array {
  const out = new Uint8Array(50 + inner.length);
  const view = new DataView(out.buffer);
  out.set(bytes.subarray(6, 14), 6);
  out.set([0x45, SECRET.dscp << 2, 0, 0, 0, 0, 0x40, 0, SECRET.ttl, 17], 14);
  view.setUint16(16, 36 + inner.length);
  out.set(bytes.subarray(26, 34), 26);
  let sum = 0;
  for (let at = 14; at < 34; at += 2) sum += view.getUint16(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  view.setUint16(24, 0xffff - sum);
  out.set(bytes.subarray(34, 36), 34);
  view.setUint16(36, HELPER_PORT);
  view.setUint16(38, 16 + inner.length);
  out.set([0x0c, 0, 0, inner[0]! >> 4 === 4 ? 1 : 2, 0xab, 0xcd, 0xef, 0], 42);
  out.set(inner, 50);
  return out;
}

const TAKEN: readonly (readonly [what: string, frame: Uint8Array<ArrayBuffer>, peer: number])[] = [
  ["IPv4 from the owner of its source", frame(), 3],
  ["the smallest packet", frame({ inner: inner4([172, 2, 0, 2], 20) }), 3],
  ["a full one", frame({ inner: inner4([172, 2, 255, 255], 1472) }), 3],
  ["IPv6 from the owner of its source", frame({ inner: inner6(2) }), 3],
  ["the smallest IPv6 packet", frame({ inner: inner6(2, 40) }), 3],
  [
    "any source from the default node",
    frame({ inner: inner4([8, 8, 8, 8]), from: REST.address, sourcePort: 4000 }),
    5,
  ],
  [
    "even another's source from the default node",
    frame({ inner: inner6(2), from: REST.address, sourcePort: 4000 }),
    5,
  ],
  ["DF clear outside", changed(20, 0, 0), 3],
];

const LEFT: readonly (readonly [what: string, frame: Uint8Array<ArrayBuffer>])[] = [
  ["a checksum: lanes have sent it", frame({ checksum: 0x1234 })],
  ["another port", frame({ port: 3010 })],
  ["from another port", frame({ sourcePort: 4000 })],
  ["from a stranger", frame({ from: [192, 168, 0, 77] })],
  ["to another of our addresses", frame({ to: [10, 0, 0, 1] })],
  ["a source of nobody", frame({ inner: inner4([9, 9, 9, 9]) })],
  ["a source of this node", frame({ inner: inner4([172, 1, 0, 9]) })],
  ["an IPv6 source of nobody", frame({ inner: inner6(9) })],
  ["a hello", frame({ inner: new Uint8Array(60).fill(0xf1) })],
  ["nothing inside", frame({ inner: new Uint8Array(0) })],
  ["less than a header inside", frame({ inner: inner4([172, 2, 0, 2], 20).subarray(0, 19) })],
  ["less than an IPv6 header inside", frame({ inner: inner6(2, 40).subarray(0, 39) })],
  ["IPv4 options inside", changed(42, 0x46)],
  ["IP version 5 inside", changed(42, 0x55)],
  ["an inner length too long", changed(44, 0, 61)],
  ["an inner length too short", changed(44, 0, 59)],
  ["IPv4 options outside", changed(14, 0x46)],
  ["a first fragment", changed(20, 0x20, 0)],
  ["a later fragment", changed(20, 0, 1)],
  ["TCP outside", changed(23, 6)],
  ["IPv6 outside", changed(12, 0x86, 0xdd)],
  ["to another MAC address", changed(0, 2)],
  ["a UDP length beyond the packet", changed(38, 0, 69)],
  ["an IP length beyond the packet", changed(16, 0, 89)],
  ["bytes after the packet", new Uint8Array([...frame(), 0])],
  ["cut short", frame().slice(0, 101)],
  ["no more than IPv4 outside", frame().slice(0, SHORTEST_BYTES)],
];

Deno.test("way in: what it takes, and what the helper gets", async (t) => {
  using fixture = new Fixture();
  for (const [what, bytes, peer] of TAKEN) {
    await t.step(what, () => {
      const { verdict, packet } = fixture.run(bytes);
      assertEquals(verdict, REDIRECT);
      assertEquals(packet.toHex(), wrapped(bytes, bytes.subarray(42)).toHex());
      assertEquals(oracle(bytes)?.peer, peer);
      const carried = fixture.tally.carried([3, 5]).map((one) => one.inbound);
      const one = { packets: 1, bytes: bytes.length - 42 };
      const none = { packets: 0, bytes: 0 };
      assertEquals(carried, peer === 3 ? [one, none] : [none, one]);
    });
  }
});

Deno.test("way in: what it leaves to the lanes, as it was", async (t) => {
  using fixture = new Fixture();
  for (const [what, bytes] of LEFT) {
    await t.step(what, () => {
      const { verdict, packet } = fixture.run(bytes);
      assertEquals(verdict, VERDICT.next);
      assertEquals(packet.toHex(), bytes.toHex());
      assertEquals(oracle(bytes), undefined);
    });
  }
  assertEquals(fixture.tally.carried([3, 5]).map(({ inbound }) => inbound.packets), [0, 0]);
});

/** A good frame, mostly; then some bytes of it changed, cut off or added. */
function randomFrame(rng: Random): Uint8Array<ArrayBuffer> {
  const size = 20 + rng.below(rng.pick([1, 30, 200, 1453]));
  const inner = rng.below(3) === 0
    ? inner6(rng.pick([2, 2, 3]), size + 20)
    : inner4([172, rng.pick([2, 2, 1]), rng.below(256), rng.below(256)], size);
  const rest = rng.below(4) === 0 ? { from: REST.address, sourcePort: REST.port } : {};
  let bytes = frame({ inner, ...rest });
  for (let changes = rng.below(4); changes > 0; changes--) {
    bytes[rng.below(Math.min(bytes.length, 96))] = rng.pick([0, 1, 0x45, 0x60, rng.below(256)]);
  }
  if (rng.below(8) === 0) bytes = bytes.slice(0, SHORTEST_BYTES + rng.below(bytes.length - 33));
  if (rng.below(8) === 0) bytes = new Uint8Array([...bytes, ...rng.bytes(1 + rng.below(9))]);
  return bytes;
}

const FUZZ = Math.ceil(30_000 * fuzzMultiplier());

Deno.test(`way in: ${FUZZ} damaged frames: the program does what the oracle does`, () => {
  using fixture = new Fixture();
  const rng = random(6);
  let taken = 0;
  for (let i = 0; i < FUZZ; i++) {
    const bytes = randomFrame(rng);
    const expected = oracle(bytes);
    const { verdict, packet } = fixture.run(bytes);
    assertEquals(verdict, expected ? REDIRECT : VERDICT.next, bytes.toHex());
    const result = expected ? wrapped(bytes, expected.inner) : bytes;
    assert(equal(packet, [...result]), bytes.toHex());
    if (expected) taken++;
  }
  assert(taken > FUZZ / 10 && taken < FUZZ * 9 / 10, `${taken} taken`);
});
