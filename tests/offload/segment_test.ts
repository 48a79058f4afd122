import { assert, assertEquals } from "../assert.ts";
import { fuzzMultiplier, random } from "../fuzz/random.ts";
import { completePartial } from "../../src/offload/segment.ts";
import { Flow, type FlowShape, randomEthernet, randomShape } from "./flows.ts";
import {
  headerBytes,
  ipBytes,
  join,
  partial,
  type SuperPacket,
  type Virtio,
  VIRTIO_BYTES,
  virtioBytes,
  withChecksum,
  withIpChecksum,
  zeroSum,
} from "./oracle.ts";
import { split } from "./segmenting.ts";

const RUNS = Math.round(200 * fuzzMultiplier());

Deno.test(`split: ${RUNS} random super-packets become the packets they mean`, () => {
  const dice = random(0x5911);
  let cut = 0;
  for (let run = 0; run < RUNS; run++) {
    const shape = { ...randomShape(dice, 0), payload_bytes: 1 + dice.below(700) };
    const flow = new Flow(dice, shape);
    const count = 1 + dice.below(50);
    const flags = 0x10 | dice.pick([0, 0, 0x40, 0x20]);
    const packets = Array.from({ length: count }, (_, i) => {
      const last = i === count - 1;
      const size = last ? 1 + dice.below(shape.payload_bytes) : shape.payload_bytes;
      const first = i === 0 ? dice.pick([0, 0x80]) : 0;
      return flow.next(size, flags | first | (last ? dice.pick([0, 0x08, 0x01, 0x09]) : 0));
    });
    const whole = join(packets);
    // With one packet, gso_size may be more than there is.
    const ethernet = randomEthernet(dice);
    assertEquals(split(whole, true, ethernet), packets, `run ${run}`);
    assertEquals(split(whole, false, ethernet), packets.map(partial), `run ${run}, partial`);
    if (count > 1) cut++;
  }
  assert(cut > RUNS / 2);
});

/** A packet with IPv6 extensions put before its transport header, whose protocol they end in. */
function extend(packet: Uint8Array, kind: number, extensions: readonly number[]): Uint8Array {
  const bytes = [...packet.slice(0, 40), ...extensions, ...packet.slice(40)];
  const payload = bytes.length - 40;
  [bytes[4], bytes[5], bytes[6]] = [payload >> 8, payload & 255, kind];
  return Uint8Array.from(bytes);
}

Deno.test("split: IPv6 extensions go along with every segment", async (t) => {
  const destination = (next: number) => [next, 0, 1, 4, 0, 0, 0, 0];
  const padding = (next: number, words: number) => [
    ...[next, words - 1, 1, 8 * words - 4],
    ...Array<number>(8 * words - 4).fill(0),
  ];
  const cases: readonly {
    readonly name: string;
    readonly kind: number;
    readonly extensions: (protocol: number) => readonly number[];
    readonly refused?: boolean;
  }[] = [
    { name: "destination options", kind: 60, extensions: destination },
    { name: "hop-by-hop options", kind: 0, extensions: destination },
    { name: "two", kind: 0, extensions: (next) => [...destination(60), ...destination(next)] },
    { name: "long ones", kind: 60, extensions: (next) => padding(next, 14) },
    { name: "too long ones", kind: 60, extensions: (next) => padding(next, 32), refused: true },
    { name: "a fragment header", kind: 44, extensions: destination, refused: true },
    {
      name: "none before another protocol",
      kind: 60,
      extensions: () => destination(58),
      refused: true,
    },
    {
      name: "longer than said",
      kind: 60,
      extensions: (n) => padding(n, 2).with(1, 0),
      refused: true,
    },
    {
      name: "shorter than said",
      kind: 60,
      extensions: (n) => padding(n, 2).with(1, 200),
      refused: true,
    },
  ];
  for (const { name, kind, extensions, refused } of cases) {
    for (const protocol of ["tcp", "udp"] as const) {
      await t.step(`${name}, ${protocol}`, () => {
        const flow = new Flow(random(4), { ...UDP6, protocol });
        const packets = Array.from({ length: 5 }, () => flow.next());
        const added = extensions(protocol === "tcp" ? 6 : 17);
        const { virtio, packet } = join(packets);
        const whole = {
          virtio: {
            ...virtio,
            headerLength: virtio.headerLength + added.length,
            checksumStart: virtio.checksumStart + added.length,
          },
          packet: extend(packet, kind, added),
        };
        const wanted = packets.map((one) => extend(one, kind, added));
        assertEquals(split(whole, true), refused ? undefined : wanted);
      });
    }
  }
});

Deno.test("split: behind a routing header, the checksum is of the last destination", () => {
  const flow = new Flow(random(6), UDP6);
  const packets = Array.from({ length: 3 }, () => flow.next());
  const last = [...packets[0]!.slice(24, 40)];
  const routing = [17, 2, 4, 1, 0, 0, 0, 0, ...last];
  const onTheWay = (packet: Uint8Array) => {
    const extended = extend(packet, 43, routing);
    extended.fill(0xfc, 24, 40);
    return extended;
  };
  const { virtio, packet } = join(packets);
  const whole = {
    virtio: { ...virtio, headerLength: 72, checksumStart: 64 },
    packet: onTheWay(packet),
  };
  assertEquals(split(whole, true), packets.map(onTheWay));
});

const TCP4: FlowShape = {
  version: 4,
  protocol: "tcp",
  payload_bytes: 100,
  ipOptions: [],
  tcpOptions: [],
  trouble: 0,
};
const UDP6: FlowShape = { ...TCP4, version: 6, protocol: "udp" };

function superPacket(shape: FlowShape, count = 5): SuperPacket {
  const flow = new Flow(random(7), shape);
  return join(Array.from({ length: count }, () => flow.next()));
}

Deno.test("split: the largest super-packets", () => {
  for (const shape of [TCP4, UDP6]) {
    for (const payload_bytes of [1, 8, 1432, 32_000]) {
      const flow = new Flow(random(payload_bytes), { ...shape, payload_bytes });
      const most = Math.floor((65_535 - headerBytes(flow.next())) / payload_bytes);
      // One byte at a time, so many will do.
      const packets = Array.from({ length: Math.min(most, 1500) }, () => flow.next());
      assertEquals(split(join(packets), true), packets);
    }
  }
});

Deno.test("split: a UDP checksum of 0 is sent as 0xffff, a TCP one as it is", () => {
  for (const protocol of ["udp", "tcp"] as const) {
    const flow = new Flow(random(9), { ...TCP4, protocol });
    const packets = [flow.next(), flow.next()].map(zeroSum);
    const field = ipBytes(packets[0]!) + (protocol === "udp" ? 6 : 16);
    assertEquals(
      packets[1]!.slice(field, field + 2),
      Uint8Array.from(protocol === "udp" ? [255, 255] : [0, 0]),
    );
    assertEquals(split(join(packets), true), packets);
  }
});

const MALFORMED: readonly {
  readonly name: string;
  readonly virtio?: Partial<Virtio>;
  readonly shape?: FlowShape;
  readonly change?: (packet: Uint8Array) => Uint8Array;
}[] = [
  { name: "no checksum asked for", virtio: { flags: 0 } },
  { name: "no segment size", virtio: { gsoSize: 0 } },
  { name: "UDP's type on TCP", virtio: { gsoType: 5 } },
  { name: "TCP's type on UDP", virtio: { gsoType: 4 }, shape: UDP6 },
  { name: "IPv6's type on IPv4", virtio: { gsoType: 4 } },
  { name: "fragments' type (UFO)", virtio: { gsoType: 3 } },
  { name: "an unknown type", virtio: { gsoType: 0x7f } },
  { name: "ECN alone", virtio: { gsoType: 0x80 } },
  { name: "a checksum that starts early", virtio: { checksumStart: 0 } },
  { name: "a checksum that starts late", virtio: { checksumStart: 40 } },
  { name: "a checksum that starts outside", virtio: { checksumStart: 65_535 } },
  { name: "cut in the TCP header", change: (packet) => shorten(packet, 39) },
  { name: "cut in the UDP header", shape: UDP6, change: (packet) => shorten(packet, 47) },
  { name: "a byte is missing", change: (packet) => packet.slice(0, -1) },
  { name: "a byte too many", change: (packet) => Uint8Array.from([...packet, 0]) },
  { name: "a TCP header of 16 bytes", change: (packet) => replace(packet, 32, 0x40) },
  {
    name: "a TCP header longer than the packet",
    change: (packet) => replace(shorten(packet, 45), 32, 0xf0),
  },
  { name: "an IP header of 16 bytes", change: (packet) => replace(packet, 0, 0x44) },
  { name: "IP version 5", change: (packet) => replace(packet, 0, 0x55) },
  { name: "a wrong header checksum", change: (packet) => Uint8Array.from(packet).fill(1, 10, 11) },
  { name: "an extension before UDP", shape: UDP6, change: (packet) => replace(packet, 6, 60) },
  { name: "nothing at all", change: () => new Uint8Array(0) },
];

/** The packet cut to a length, which its header agrees with. */
function shorten(packet: Uint8Array, length: number): Uint8Array {
  const cut = packet.slice(0, length);
  if (cut[0]! >> 4 === 4) [cut[2], cut[3]] = [length >> 8, length & 255];
  else [cut[4], cut[5]] = [(length - 40) >> 8, (length - 40) & 255];
  return withIpChecksum(cut);
}

function replace(packet: Uint8Array, at: number, value: number): Uint8Array {
  const copy = packet.slice();
  copy[at] = value;
  return withIpChecksum(copy);
}

Deno.test("split: a super-packet that contradicts itself is refused", async (t) => {
  for (const { name, virtio, shape = TCP4, change = (packet: Uint8Array) => packet } of MALFORMED) {
    await t.step(name, () => {
      const good = superPacket(shape);
      assert(split(good, true));
      const bad = { virtio: { ...good.virtio, ...virtio }, packet: change(good.packet) };
      assertEquals(split(bad, true), undefined);
    });
  }
});

/** Runs `completePartial` on a packet that fills its arena. */
function completed(virtio: Virtio, packet: Uint8Array): Uint8Array | undefined {
  const arena = Uint8Array.from([...virtioBytes(virtio), ...packet]);
  const version = packet[0]! >> 4 as 4 | 6;
  const view = new DataView(arena.buffer);
  const done = completePartial(view, VIRTIO_BYTES, packet.length, version, 0);
  assertEquals(arena.slice(0, VIRTIO_BYTES), virtioBytes(virtio));
  if (!done) assertEquals(arena.slice(VIRTIO_BYTES), Uint8Array.from(packet));
  return done ? arena.slice(VIRTIO_BYTES) : undefined;
}

function partialHeader(packet: Uint8Array, protocol: "tcp" | "udp"): Virtio {
  return {
    flags: 1,
    gsoType: 0,
    headerLength: 0,
    gsoSize: 0,
    checksumStart: ipBytes(packet),
    checksumOffset: protocol === "udp" ? 6 : 16,
  };
}

Deno.test("completePartial: packets get the checksum they should have", () => {
  const dice = random(0xc0de);
  for (let run = 0; run < RUNS; run++) {
    const shape = { ...randomShape(dice, 0), payload_bytes: dice.below(1400) };
    const packet = new Flow(dice, shape).next();
    assertEquals(completed(partialHeader(packet, shape.protocol), partial(packet)), packet);
    // Whatever is there is what the kernel wants summed: this is no place to judge.
    const odd = withChecksum(packet, 0);
    assert(completed(partialHeader(packet, shape.protocol), odd));
  }
});

Deno.test("completePartial: UDP behind an IPv6 extension never gets the checksum 0", () => {
  // A destination option of padding, then UDP whose only data is the sum of the rest.
  const udp = [0, 1, 0, 2, 0, 10, 0, 0, 0, 0];
  const extension = [17, 0, 1, 4, 0, 0, 0, 0];
  const bytes = [...Array(8).fill(0), ...Array(32).fill(7), ...extension, ...udp];
  bytes[0] = 0x60;
  bytes[5] = extension.length + udp.length;
  bytes[6] = 60;
  const packet = Uint8Array.from(bytes);
  const header = { ...partialHeader(packet, "udp"), checksumStart: 48 };
  const sum = completed(header, packet)!.slice(54, 56);
  packet.set(sum, 56);
  assertEquals([...completed(header, packet)!.slice(54, 56)], [0xff, 0xff]);
});

Deno.test("completePartial: a header that points elsewhere is refused", () => {
  const packet = partial(new Flow(random(5), TCP4).next());
  const good = partialHeader(packet, "tcp");
  for (
    const wrong of [
      { checksumStart: 0 },
      { checksumStart: 19 },
      { checksumStart: packet.length },
      { checksumStart: 65_535, checksumOffset: 65_535 },
      { checksumOffset: packet.length - 20 - 1 },
      { checksumOffset: 65_535 },
    ]
  ) assertEquals(completed({ ...good, ...wrong }, packet), undefined, JSON.stringify(wrong));
  assert(completed({ ...good, checksumOffset: packet.length - 20 - 2 }, packet));
});
