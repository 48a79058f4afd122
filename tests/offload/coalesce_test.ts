/**
 * The merger against its contract: what the kernel sees in the writes is what
 * arrived, byte for byte, and in order within each flow. How many runs are open
 * at a time, and how flows take turns, is the merger's own business.
 */

import { assert, assertEquals } from "../assert.ts";
import { ipv4, ipv6 } from "../fakes/packets.ts";
import { fuzzMultiplier, random } from "../fuzz/random.ts";
import { arrivals, Flow, type FlowShape, randomEthernet } from "./flows.ts";
import { type Layout, merge } from "./coalescing.ts";
import {
  byFlow,
  checksumField,
  complete,
  delivered,
  join,
  packetsOf,
  partial,
  readWritten,
  withChecksum,
  withIpChecksum,
  zeroSum,
} from "./oracle.ts";

const RUNS = Math.round(200 * fuzzMultiplier());

Deno.test(`merge: ${RUNS} random arrivals come out as they came in`, () => {
  const dice = random(0x6e46);
  let packetCount = 0;
  let writes = 0;
  for (let run = 0; run < RUNS; run++) {
    const mayBePartial = dice.below(2) === 0;
    let packets: Uint8Array[] = arrivals(dice, 1 + dice.below(120));
    if (mayBePartial && dice.below(2) === 0) {
      packets = packets.map((one) => checksumField(one) === undefined ? one : partial(one));
    }
    const features = {
      tcp4: dice.below(8) > 0,
      tcp6: dice.below(8) > 0,
      udp: dice.below(8) > 0,
    };
    const layout: Layout = dice.pick(["slots", "one behind the other"] as const);
    const header = randomEthernet(dice);
    const ethernet = () => header;
    const options = { mayBePartial, features, layout, flushes: dice, ethernet };
    const { written, ethernet: headers } = merge(packets, options);
    const out = written.flatMap(packetsOf);
    const wanted = packets.map((packet) => delivered(packet, mayBePartial));
    assertEquals(byFlow(out), byFlow(wanted), `run ${run}, ${layout}`);
    assertEquals(headers, written.map(ethernet));
    for (const write of written) {
      const { virtio: { gsoType } } = readWritten(write);
      if (!features.tcp4) assert((gsoType & 0x7f) !== 1);
      if (!features.tcp6) assert((gsoType & 0x7f) !== 4);
      if (!features.udp) assert(gsoType !== 5);
    }
    packetCount += packets.length;
    writes += written.length;
  }
  // Something was merged, and not everything could be.
  assert(writes < 0.7 * packetCount && writes > 0.05 * packetCount, `${writes} ${packetCount}`);
});

const TCP4: FlowShape = {
  version: 4,
  protocol: "tcp",
  payload_bytes: 100,
  ipOptions: [],
  tcpOptions: [1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8],
  trouble: 0,
};
const TCP6: FlowShape = { ...TCP4, version: 6 };
const UDP4: FlowShape = { ...TCP4, protocol: "udp" };
const UDP6: FlowShape = { ...UDP4, version: 6 };

type Change = (packet: Uint8Array) => void;
const set = (at: number, value: number): Change => (packet) => void (packet[at] = value);
const add = (at: number, value: number): Change => (packet) => void (packet[at]! += value);
const or = (at: number, value: number): Change => (packet) => void (packet[at]! |= value);

const ACK = 0x10;
/** Whether the second packet may join the first; RFC 9293, 3168 and the kernel's GRO say why. */
const PAIRS: readonly {
  readonly name: string;
  readonly shape: FlowShape;
  readonly joins: boolean;
  /** Payload sizes and TCP flags of both. */
  readonly sizes?: readonly [number, number];
  readonly flags?: readonly [number, number];
  /** What is changed in the second, before its checksums are made right. */
  readonly change?: Change;
}[] = [
  { name: "TCP in sequence", shape: TCP4, joins: true },
  { name: "TCP in sequence, IPv6", shape: TCP6, joins: true },
  { name: "UDP of one size", shape: UDP4, joins: true },
  { name: "UDP of one size, IPv6", shape: UDP6, joins: true },
  { name: "a shorter last one", shape: TCP4, joins: true, sizes: [100, 1] },
  { name: "a shorter last one, UDP", shape: UDP4, joins: true, sizes: [100, 99] },
  { name: "odd sizes", shape: TCP6, joins: true, sizes: [101, 7] },
  { name: "PSH on the last", shape: TCP4, joins: true, flags: [ACK, ACK + 0x08] },
  { name: "FIN on the last", shape: TCP4, joins: true, flags: [ACK, ACK + 0x01] },
  { name: "FIN and PSH on the last", shape: TCP6, joins: true, flags: [ACK, ACK + 0x09] },
  { name: "CWR on the first", shape: TCP4, joins: true, flags: [ACK + 0x80, ACK] },
  { name: "ECE on both", shape: TCP6, joins: true, flags: [ACK + 0x40, ACK + 0x40] },
  { name: "a longer second", shape: TCP4, joins: false, sizes: [100, 101] },
  { name: "a longer second, UDP", shape: UDP4, joins: false, sizes: [100, 101] },
  { name: "no payload in the second", shape: TCP4, joins: false, sizes: [100, 0] },
  { name: "no payload in the first", shape: TCP4, joins: false, sizes: [0, 100] },
  { name: "no payload in either, UDP", shape: UDP4, joins: false, sizes: [0, 0] },
  { name: "PSH on the first", shape: TCP4, joins: false, flags: [ACK + 0x08, ACK] },
  { name: "FIN on the first", shape: TCP4, joins: false, flags: [ACK + 0x01, ACK] },
  { name: "CWR on the second", shape: TCP4, joins: false, flags: [ACK, ACK + 0x80] },
  { name: "CWR on both", shape: TCP4, joins: false, flags: [ACK + 0x80, ACK + 0x80] },
  { name: "ECE on the second", shape: TCP4, joins: false, flags: [ACK, ACK + 0x40] },
  { name: "ECE on the first", shape: TCP4, joins: false, flags: [ACK + 0x40, ACK] },
  { name: "SYN", shape: TCP4, joins: false, flags: [ACK + 0x02, ACK + 0x02] },
  { name: "RST on the second", shape: TCP4, joins: false, flags: [ACK, ACK + 0x04] },
  { name: "URG on the second", shape: TCP4, joins: false, flags: [ACK, ACK + 0x20] },
  { name: "URG on the first", shape: TCP4, joins: false, flags: [ACK + 0x20, ACK] },
  { name: "URG on both", shape: TCP4, joins: false, flags: [ACK + 0x20, ACK + 0x20] },
  { name: "RST on both", shape: TCP6, joins: false, flags: [ACK + 0x04, ACK + 0x04] },
  { name: "no ACK", shape: TCP4, joins: false, flags: [0, 0] },
  { name: "another sequence number", shape: TCP4, joins: false, change: add(20 + 7, 1) },
  { name: "another acknowledgment", shape: TCP4, joins: false, change: add(20 + 11, 1) },
  { name: "another window", shape: TCP4, joins: false, change: add(20 + 15, 1) },
  { name: "another urgent pointer", shape: TCP4, joins: false, change: add(20 + 19, 1) },
  { name: "a reserved TCP bit", shape: TCP4, joins: false, change: or(20 + 12, 0x02) },
  { name: "the AE bit (RFC 9768)", shape: TCP6, joins: false, change: or(40 + 12, 0x01) },
  { name: "another timestamp", shape: TCP4, joins: false, change: add(20 + 27, 1) },
  { name: "another echoed timestamp", shape: TCP4, joins: false, change: add(20 + 31, 1) },
  { name: "options of another length", shape: TCP4, joins: false, change: set(20 + 12, 0x70) },
  { name: "another source port", shape: TCP4, joins: false, change: add(20, 1) },
  { name: "another destination port", shape: UDP4, joins: false, change: add(23, 1) },
  { name: "another source", shape: TCP4, joins: false, change: add(15, 1) },
  { name: "another destination", shape: UDP4, joins: false, change: add(19, 1) },
  { name: "another source, IPv6", shape: UDP6, joins: false, change: add(8, 1) },
  { name: "another source, IPv6, last byte", shape: TCP6, joins: false, change: add(23, 1) },
  { name: "another destination, IPv6", shape: TCP6, joins: false, change: add(39, 1) },
  { name: "a congestion mark", shape: TCP4, joins: false, change: (p) => p[1]! ^= 1 },
  { name: "another type of service, UDP", shape: UDP4, joins: false, change: (p) => p[1]! ^= 8 },
  { name: "a congestion mark, IPv6", shape: TCP6, joins: false, change: (p) => p[1]! ^= 0x10 },
  { name: "another flow label", shape: TCP6, joins: false, change: add(3, 1) },
  { name: "another TTL", shape: TCP4, joins: false, change: (p) => p[8]! ^= 1 },
  { name: "another hop limit", shape: UDP6, joins: false, change: (p) => p[7]! ^= 1 },
  { name: "a gap in the identification", shape: TCP4, joins: false, change: add(5, 1) },
  { name: "the same identification", shape: UDP4, joins: false, change: add(5, -1) },
  { name: "DF on one", shape: TCP4, joins: false, change: (p) => p[6]! ^= 0x40 },
  { name: "the reserved IP bit on one", shape: UDP4, joins: false, change: (p) => p[6]! ^= 0x80 },
  { name: "more fragments", shape: TCP4, joins: false, change: or(6, 0x20) },
  { name: "a later fragment", shape: UDP4, joins: false, change: add(7, 8) },
  { name: "IP options", shape: { ...TCP4, ipOptions: [1, 1, 1, 0] }, joins: false },
  { name: "a UDP length that is not true", shape: UDP4, joins: false, change: add(25, -1) },
];

Deno.test("merge: who may join whom", async (t) => {
  for (const { name, shape, joins, sizes = [], flags = [], change } of PAIRS) {
    await t.step(name, () => {
      for (const left of [false, true]) {
        const flow = new Flow(random(name.length), shape);
        const first = flow.next(sizes[0], flags[0]);
        let second = flow.next(sizes[1], flags[1]);
        if (change) {
          change(second);
          second = withIpChecksum(second);
          if (checksumField(second) !== undefined) second = complete(second);
        }
        const whole = [first, second];
        const packets = left && shape.ipOptions.length === 0
          ? whole.map((one) => checksumField(one) === undefined ? one : partial(one))
          : whole;
        // Both ways: each packet by itself, and received as one.
        const layout: Layout = left ? "one behind the other" : "slots";
        const { written } = merge(packets, { mayBePartial: left, layout });
        const out = written.flatMap(packetsOf);
        // An untrue length is nothing to complete by.
        const wanted = packets.map((packet) => delivered(packet, left));
        assertEquals(byFlow(out), byFlow(wanted));
        assertEquals(written.length, joins ? 1 : 2);
        if (joins) assertEquals(readWritten(written[0]!), join(whole));
      }
    });
  }
});

Deno.test("merge: a checksum that is wrong stays wrong, and joins nothing", () => {
  for (const shape of [TCP4, TCP6, UDP4, UDP6]) {
    for (const mayBePartial of [false, true]) {
      const flow = new Flow(random(1), shape);
      const packets: Uint8Array[] = Array.from({ length: 6 }, () => flow.next());
      packets[2]![packets[2]!.length - 1]! ^= 1;
      // The seed alone is a wrong checksum too, from somebody who completes his.
      if (!mayBePartial) packets[4] = partial(packets[4]!);
      if (shape.protocol === "udp") packets[5] = withChecksum(packets[5]!, 0);
      assertEquals(merge(packets, { mayBePartial }).written.flatMap(packetsOf), packets);
    }
  }
});

Deno.test("merge: another packet's checksum is a wrong one, also in what was received as one", () => {
  for (const shape of [TCP4, TCP6]) {
    for (const mayBePartial of [false, true]) {
      const flow = new Flow(random(8), shape);
      const packets: Uint8Array[] = [flow.next(), flow.next(), flow.next()];
      const field = checksumField(packets[0]!)!;
      packets[1]!.set(packets[0]!.subarray(field, field + 2), field);
      const { written } = merge(packets, { mayBePartial, layout: "one behind the other" });
      assertEquals(written.flatMap(packetsOf), packets);
    }
  }
});

Deno.test("merge: UDP's 0 means no checksum, even where the sum comes to 0", () => {
  const flow = new Flow(random(2), UDP4);
  const packets = Array.from({ length: 4 }, () => zeroSum(flow.next()));
  assertEquals(merge(packets).written.flatMap(packetsOf), packets);
  const without = packets.map((packet) => withChecksum(packet, 0));
  for (const mayBePartial of [false, true]) {
    assertEquals(merge(without, { mayBePartial }).written.flatMap(packetsOf), without);
  }
});

Deno.test("merge: a long run is cut where a super-packet ends", async (t) => {
  for (const shape of [TCP4, TCP6, UDP4, UDP6]) {
    for (const payload_bytes of [1, 100, 1432, 9000, 30_000]) {
      await t.step(`${shape.protocol} over IPv${shape.version}, ${payload_bytes} bytes`, () => {
        const flow = new Flow(random(payload_bytes), { ...shape, payload_bytes });
        const count = payload_bytes > 5000 ? 12 : 150;
        const packets = Array.from({ length: count }, () => flow.next());
        const { written, counts } = merge(packets);
        assertEquals(written.flatMap(packetsOf), packets);
        assertEquals(counts.reduce((sum, one) => sum + one), count);
        for (const write of written) assert(write.length <= 10 + 65_535);
        // As few writes as 64 packets and 65,535 bytes allow.
        const most = Math.min(64, Math.floor((65_535 - 60) / payload_bytes));
        assert(written.length <= Math.ceil(count / most) + 1, `${written.length} writes`);
      });
    }
  }
});

Deno.test("merge: the counters wrap within a run", () => {
  // Identification 65,533 and sequence 2^32 - 300 on.
  const flow = new Flow(random(3), TCP4);
  const packets = Array.from({ length: 10 }, (_, i) => {
    const packet = flow.next();
    const id = (65_533 + i) % 65_536;
    const sequence = (2 ** 32 - 300 + 100 * i) % 2 ** 32;
    new DataView(packet.buffer).setUint16(4, id);
    new DataView(packet.buffer).setUint32(24, sequence);
    return complete(withIpChecksum(packet));
  });
  const { written } = merge(packets);
  assertEquals(written.map(readWritten), [join(packets)]);
  assertEquals(packetsOf(written[0]!), packets);
});

Deno.test("merge: what is neither TCP nor UDP passes, and so does what is cut short", () => {
  const packets = [
    ipv4("172.2.0.2", "172.1.0.2", [8, 0, 1, 2], { protocol: 1 }),
    ipv4("172.2.0.2", "172.1.0.2", [], { protocol: 6 }),
    ipv4("172.2.0.2", "172.1.0.2", [1, 2, 3], { protocol: 17 }),
    ipv4("172.2.0.2", "172.1.0.2", Array(19).fill(0x50), { protocol: 6 }),
    ipv4("172.2.0.2", "172.1.0.2", Array(20).fill(0xf0), { protocol: 6 }),
    ipv4("172.2.0.2", "172.1.0.2", Array(20).fill(0x40), { protocol: 6 }),
    ipv6("fd00:2:0:0:0:0:0:2", "fd00:1:0:0:0:0:0:2", [128, 0, 1, 2], 58),
    ipv6("fd00:2:0:0:0:0:0:2", "fd00:1:0:0:0:0:0:2", [6, 0, 0, 0, 0, 0, 0, 0], 60),
    ipv6("fd00:2:0:0:0:0:0:2", "fd00:1:0:0:0:0:0:2", [1, 2, 3], 17),
    ipv6("fd00:2:0:0:0:0:0:2", "fd00:1:0:0:0:0:0:2", [], 6),
  ];
  for (const mayBePartial of [false, true]) {
    const { written } = merge(packets, { mayBePartial });
    assertEquals(byFlow(written.flatMap(packetsOf)), byFlow(packets));
  }
});

Deno.test("merge: frames join only where their Ethernet headers are the same", () => {
  const header = [...random(11).bytes(16), 8, 0];
  for (let at = -1; at < header.length; at++) {
    const flow = new Flow(random(12), TCP4);
    const packets = [flow.next(), flow.next()];
    const changed = header.map((byte, i) => i === at ? byte ^ 1 : byte);
    const { written, ethernet } = merge(packets, { ethernet: (i) => i === 0 ? header : changed });
    assertEquals(ethernet, at === -1 ? [header] : [header, changed]);
    assertEquals(written.flatMap(packetsOf), packets);
  }
});
