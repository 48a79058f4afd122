/** Mode tap: what becomes of frames at egress and at ingress. */

import { FakeControl } from "../fakes/control.ts";
import { assert, assertEquals } from "../assert.ts";
import { FakeDevice } from "../fakes/device.ts";
import { acquired, publishedTable } from "../fakes/table.ts";
import { arpRequest, frame, macBytes } from "../fakes/frames.ts";
import { ipv4, ipv6, slowChecksum } from "../fakes/packets.ts";
import { FakeSocket } from "../fakes/socket.ts";
import { fuzzMultiplier, random } from "../fuzz/random.ts";
import { Flow, randomEthernet, randomShape } from "../offload/flows.ts";
import {
  byFlow,
  checksumField,
  complete,
  ipBytes,
  join,
  packetsOf,
  partial,
  VIRTIO_BYTES,
  virtioBytes,
} from "../offload/oracle.ts";
import {
  type CounterName,
  COUNTERS,
  LANE_COUNTERS_BYTES,
  laneCounters,
} from "../../src/forwarding/counters.ts";
import { TRANSPORT } from "../../src/forwarding/peer_row.ts";
import { ForwardingTable } from "../../src/forwarding/table.ts";
import { Outbound } from "../../src/dataplane/outbound.ts";
import { FrameAdmission, FrameLookup } from "../../src/dataplane/tap.ts";
import { Inbound } from "../../src/dataplane/inbound.ts";
import { ICMP_ERRORS_PER_S, MAC_AGEING_S, MAC_LEARNS_PER_S } from "../../src/base/limits.ts";
import { CAPABILITY } from "../../src/wire/hello.ts";
import { MAC_TABLE_BYTES, MacTable, NOBODY, SELF } from "../../src/forwarding/macs.ts";
import { UNKNOWN_PEER } from "../../src/dataplane/senders.ts";

const HERE = "02:00:00:00:00:01";
const AT_0 = "02:00:00:00:00:10";
const AT_1 = "02:00:00:00:00:11";
const FIXED_1 = "02:00:00:00:00:f1";
const FIXED_SELF = "02:00:00:00:00:f5";
const BROADCAST = "ff:ff:ff:ff:ff:ff";

const V4 = ipv4("10.0.0.1", "10.0.0.2");
const FEATURES = { checksum: true, partial: true, tcp4: true, tcp6: true, udp: true };

function setup(mtu_bytes = 1472, capabilities = 0) {
  const device = new FakeDevice(FEATURES);
  const socket = new FakeSocket();
  const counters = laneCounters(new SharedArrayBuffer(LANE_COUNTERS_BYTES));
  const inCounters = laneCounters(new SharedArrayBuffer(LANE_COUNTERS_BYTES));
  const macs = new MacTable(new SharedArrayBuffer(MAC_TABLE_BYTES));
  macs.reset(1);
  macs.setFixed([
    { mac: macBytes(FIXED_1), owner: 1 },
    { mac: macBytes(FIXED_SELF), owner: SELF },
  ]);
  const clock = { now_ms: 0 };
  const now_ms = () => clock.now_ms;
  const lookup = new FrameLookup(macs, counters, now_ms);
  const outbound = new Outbound(device, socket, counters, lookup, now_ms);
  const admission = new FrameAdmission(macs, inCounters, now_ms);
  const control = new FakeControl();
  const inbound = new Inbound(
    device,
    socket,
    inCounters,
    admission,
    control,
    now_ms,
  );
  const table = acquired(publishedTable(
    [7, 9, 10].map((n) => ({ address: `192.168.0.${n}`, subnets: [], mtu_bytes, capabilities })),
  ));
  socket.table = table;
  outbound.useTable(table);
  inbound.useTable(table);
  const counted = (one: typeof counters) =>
    Object.fromEntries(
      COUNTERS.map((name, i) => [name, one.totals[i]!] as const)
        .filter(([name, value]) => value > 0 && name !== "bytes"),
    );
  /** Sends frames out; which peers got them. */
  const out = (...frames: Uint8Array[]) => {
    device.waiting = frames;
    while (outbound.turn() > 0);
    return socket.sent.splice(0).map(({ peer }) => peer);
  };
  /** Takes frames in from a peer; what the device got. */
  const into = (peer: number, ...frames: Uint8Array[]) => {
    socket.waiting = frames.map((bytes) => ({ peer, bytes }));
    while (inbound.turn() > 0);
    return device.written.splice(0);
  };
  const owner = (mac: string) => macs.lookup(new DataView(macBytes(mac).buffer), 0);
  return {
    device,
    socket,
    outbound,
    inbound,
    macs,
    clock,
    control,
    out,
    into,
    owner,
    counted,
    counters,
    inCounters,
  };
}

Deno.test("frames out: to the station's peer when it is known, to all otherwise", () => {
  const { into, out, counted, counters, inCounters } = setup();
  into(0, frame(HERE, AT_0, 0x800, V4));
  into(1, frame(HERE, AT_1, 0x800, V4));
  assertEquals(out(frame(AT_0, HERE, 0x800, V4)), [0]);
  assertEquals(out(frame(AT_1, HERE, 0x86dd, [1, 2])), [1]);
  assertEquals(out(frame(FIXED_1, HERE, 0x800, V4)), [1]);
  assertEquals(out(frame("02:00:00:00:00:99", HERE, 0x800, V4)), [0, 1, 2], "unknown");
  assertEquals(out(arpRequest(HERE, "10.0.0.1", "10.0.0.2")), [0, 1, 2], "ARP");
  assertEquals(out(frame("33:33:00:00:00:01", HERE, 0x86dd, V4)), [0, 1, 2], "IPv6 neighbours");
  assertEquals(out(frame("01:00:5e:00:00:01", HERE, 0x800, V4)), [0, 1, 2], "IPv4 multicast");
  assertEquals(out(frame("01:80:c2:00:00:00", HERE, 38, [0x42])), [0, 1, 2], "spanning tree");
  assertEquals(counted(counters), { packets: 3 + 5 * 3, flooded: 5 });
  assertEquals(counted(inCounters), { packets: 2, mac_learned: 2 });
});

Deno.test("frames out: bytes are the frame's own, tags and padding included", () => {
  const { device, outbound, socket } = setup();
  const frames = [
    frame(AT_0, HERE, 0x800, V4, [[0x8100, 7]]),
    frame(AT_0, HERE, 0x800, V4, [[0x88a8, 9], [0x8100, 7]]),
    frame(AT_0, HERE, 0x800, [...V4, ...Array(20).fill(0)]),
    frame(AT_0, HERE, 0x88cc, [1, 2, 3]),
    frame(AT_0, HERE, 0x800),
  ];
  device.waiting = frames.slice();
  outbound.turn();
  assertEquals(socket.sent.filter(({ peer }) => peer === 2).map(({ bytes }) => bytes), frames);
});

Deno.test("frames out: one that comes alone leaves before the next is looked for", () => {
  const { device, outbound, socket } = setup();
  /** What had been sent at each read that found something or nothing. */
  const sentBefore: number[] = [];
  const read = device.read.bind(device);
  device.read = (burst, slot) => {
    sentBefore.push(socket.sent.length);
    return read(burst, slot);
  };
  const turn = (frames: number) => {
    device.waiting = Array.from({ length: frames }, () => frame(FIXED_1, HERE, 0x800, V4));
    socket.sent = [];
    sentBefore.length = 0;
    outbound.turn();
    assertEquals(socket.sent.length, frames);
    return sentBefore.join(" ");
  };
  assertEquals([turn(1), turn(3), turn(3)], ["0 1", "0 1 1 1", "0 0 0 0"]);
});

const DROPS: readonly { name: string; bytes: Uint8Array; reason: CounterName }[] = [
  { name: "13 bytes", bytes: frame(AT_0, HERE, 0x800).slice(0, 13), reason: "malformed" },
  { name: "a group's source", bytes: frame(AT_0, BROADCAST, 0x800, V4), reason: "malformed" },
  {
    name: "a source of zeros",
    bytes: frame(AT_0, "00:00:00:00:00:00", 0x800, V4),
    reason: "malformed",
  },
  {
    name: "the control datagrams' group",
    bytes: frame("f1:01:00:00:00:01", HERE, 0x800, V4),
    reason: "reserved_type",
  },
  {
    name: "a source that is another node's",
    bytes: frame(AT_0, FIXED_1, 0x800, V4),
    reason: "spoofed_source",
  },
  {
    name: "to a station of this very node",
    bytes: frame(FIXED_SELF, HERE, 0x800, V4),
    reason: "no_route",
  },
  {
    name: "too large",
    bytes: frame(FIXED_1, HERE, 0x88cc, Array(1459).fill(7)),
    reason: "too_big",
  },
];

Deno.test("frames out: what is dropped, and why", async (t) => {
  for (const { name, bytes, reason } of DROPS) {
    await t.step(name, () => {
      const { out, counted, counters } = setup();
      assertEquals(out(bytes), []);
      assertEquals(counted(counters), { [reason]: 1 });
    });
  }
  await t.step("exactly what fits", () => {
    const { out } = setup();
    assertEquals(out(frame(FIXED_1, HERE, 0x88cc, Array(1458).fill(7))), [1]);
  });
});

Deno.test("frames out: a packet too large for the path is answered with ICMP, to its sender's MAC", async (t) => {
  const big = (size: number) => Array(size).fill(7);
  const tags = [[0x8100, 7]] as const;
  for (
    const [name, bytes, header, type, mtu] of [
      ["IPv4", frame(FIXED_1, HERE, 0x800, ipv4("10.0.0.1", "10.0.0.2", big(1500))), 14, 3, 1458],
      [
        "IPv4 with a tag",
        frame(FIXED_1, HERE, 0x800, ipv4("10.0.0.1", "10.0.0.2", big(1500)), tags),
        ...[18, 3, 1454] as const,
      ],
      [
        "IPv6",
        frame(
          FIXED_1,
          HERE,
          0x86dd,
          ipv6("fd00:1:0:0:0:0:0:2", "fd00:2:0:0:0:0:0:2", big(1500)),
        ),
        ...[14, 2, 1458] as const,
      ],
    ] as const
  ) {
    await t.step(name, () => {
      const { device, out, counted, counters } = setup();
      assertEquals(out(bytes), []);
      const [answer] = device.written.splice(0);
      const view = new DataView(answer!.buffer);
      const back = frame(HERE, FIXED_1, view.getUint16(header - 2), [], header === 18 ? tags : []);
      assertEquals(answer!.slice(0, header), back);
      const ip = type === 3 ? 20 : 40;
      assertEquals(answer![header + ip], type);
      assertEquals(view.getUint32(header + ip + 4), mtu);
      assertEquals(counted(counters), { too_big: 1, icmp_errors: 1 });
    });
  }
  await t.step("IPv4 without DF, in a frame with a tag: a frame for each fragment", () => {
    const { device, socket, outbound } = setup();
    const inFrame = (size: number, fragment: number) =>
      frame(FIXED_1, HERE, 0x800, ipv4("10.0.0.1", "10.0.0.2", big(size), { fragment }), tags);
    device.waiting = [inFrame(1500, 0)];
    outbound.turn();
    assertEquals(device.written, []);
    assertEquals(
      socket.sent.map(({ bytes }) => bytes),
      // 1,472 less 18 and 20 are 1,434: 179 units.
      [inFrame(1432, 0x2000), inFrame(68, 179)],
    );
  });
  await t.step("not a group's, and not without end", () => {
    const { device, out } = setup();
    out(frame(BROADCAST, HERE, 0x800, ipv4("10.0.0.1", "10.0.0.2", big(1500))));
    assertEquals(device.written, []);
    const one = frame(FIXED_1, HERE, 0x800, ipv4("10.0.0.1", "10.0.0.2", big(1500)));
    out(...Array.from({ length: 300 }, () => one));
    assertEquals(device.written.length, ICMP_ERRORS_PER_S);
  });
});

Deno.test("a station that moves: from peer to peer, to this node, and back", () => {
  const { into, out, owner, counted, counters, inCounters } = setup();
  into(0, frame(HERE, AT_0, 0x800, V4));
  assertEquals(out(frame(AT_0, HERE, 0x800, V4)), [0]);
  into(1, frame(HERE, AT_0, 0x800, V4));
  assertEquals(out(frame(AT_0, HERE, 0x800, V4)), [1]);
  out(frame(BROADCAST, AT_0, 0x806, [0]));
  assertEquals(owner(AT_0), NOBODY, "it speaks from this side now");
  assertEquals(out(frame(AT_0, HERE, 0x800, V4)), [0, 1, 2]);
  into(2, frame(HERE, AT_0, 0x800, V4));
  assertEquals(out(frame(AT_0, HERE, 0x800, V4)), [2]);
  assertEquals(counted(inCounters), { packets: 3, mac_learned: 2, mac_moved: 1 });
  assertEquals(counted(counters).mac_moved, 1);
});

Deno.test("a silent station ages, one that speaks does not", () => {
  const { into, out, macs } = setup();
  into(0, frame(HERE, AT_0, 0x800, V4));
  into(1, frame(HERE, AT_1, 0x800, V4));
  macs.tick(MAC_AGEING_S - 1);
  into(1, frame(HERE, AT_1, 0x800, V4));
  macs.tick(MAC_AGEING_S);
  assertEquals(out(frame(AT_0, HERE, 0x800, V4)), [0, 1, 2]);
  assertEquals(out(frame(AT_1, HERE, 0x800, V4)), [1]);
});

Deno.test("frames in: to the device and never to another peer; what is dropped, and why", async (t) => {
  const good = frame(BROADCAST, AT_0, 0x800, V4);
  const cases: readonly { name: string; peer: number; bytes: Uint8Array; becomes: CounterName }[] =
    [
      { name: "a broadcast", peer: 0, bytes: good, becomes: "packets" },
      {
        name: "for a station of another peer",
        peer: 0,
        bytes: frame(FIXED_1, AT_0, 0x800, V4),
        becomes: "packets",
      },
      {
        name: "the owner of a fixed address",
        peer: 1,
        bytes: frame(HERE, FIXED_1, 0x800, V4),
        becomes: "packets",
      },
      {
        name: "somebody else with a fixed address",
        peer: 0,
        bytes: frame(HERE, FIXED_1, 0x800, V4),
        becomes: "spoofed_source",
      },
      {
        name: "a fixed address of this node",
        peer: 0,
        bytes: frame(HERE, FIXED_SELF, 0x800, V4),
        becomes: "spoofed_source",
      },
      { name: "no peer", peer: UNKNOWN_PEER, bytes: good, becomes: "unknown_peer" },
      { name: "nothing", peer: 0, bytes: new Uint8Array(0), becomes: "malformed" },
      { name: "13 bytes", peer: 0, bytes: good.slice(0, 13), becomes: "malformed" },
      {
        name: "a group for a source",
        peer: 0,
        bytes: frame(HERE, "01:00:5e:00:00:01", 0x800, V4),
        becomes: "malformed",
      },
      {
        name: "WireGuard's types are addresses like any other",
        peer: 0,
        bytes: frame("02:00:00:00:00:07", AT_0, 0x800, V4),
        becomes: "packets",
      },
      {
        name: "a control datagram",
        peer: 0,
        bytes: frame("f1:01:00:06:00:00", AT_0, 0x800, V4),
        becomes: "control",
      },
    ];
  for (const { name, peer, bytes, becomes } of cases) {
    await t.step(name, () => {
      const { into, socket, counted, inCounters, control } = setup();
      assertEquals(into(peer, bytes), becomes === "packets" ? [bytes] : []);
      assertEquals(socket.sent, []);
      assertEquals(control.mails().length, becomes === "control" ? 1 : 0);
      const { mac_learned: _, ...rest } = counted(inCounters);
      assertEquals(rest, { [becomes]: 1 });
    });
  }
});

Deno.test("a storm of forged sources: counted, limited by the second, and nobody is pushed out", () => {
  const { into, owner, out, clock, macs, counted, inCounters } = setup();
  into(0, frame(HERE, AT_0, 0x800, V4));
  into(1, frame(HERE, AT_1, 0x800, V4));
  const forged = frame(HERE, HERE, 0x800, V4);
  const storm = (first: number, count: number) => {
    for (let n = first; n < first + count; n += 1000) {
      into(
        2,
        ...Array.from({ length: Math.min(1000, first + count - n) }, (_, k) => {
          const copy = forged.slice();
          new DataView(copy.buffer).setUint32(8, 0x0a00_0000 + n + k);
          return copy;
        }),
      );
    }
  };
  storm(0, 20_000);
  assertEquals(macs.learned, 2 + MAC_LEARNS_PER_S);
  assertEquals(counted(inCounters).mac_limited, 20_000 - MAC_LEARNS_PER_S);
  for (let second = 1; second <= 5; second++) {
    clock.now_ms += 1000;
    storm(20_000 * second, 20_000);
  }
  // Peer 2 holds as many as are free by now.
  assertEquals(macs.learned, 2 + 2047);
  assertEquals(counted(inCounters).mac_table_full, 5 * MAC_LEARNS_PER_S - 1047);
  assertEquals([owner(AT_0), owner(AT_1)], [0, 1]);
  assertEquals(out(frame(AT_0, HERE, 0x800, V4), frame(AT_1, HERE, 0x800, V4)), [0, 1]);
  const late = frame(HERE, "02:00:00:00:00:22", 0x800, V4);
  into(0, late);
  assertEquals(
    owner("02:00:00:00:00:22"),
    0,
    "others still find room, and have a limit of their own",
  );
});

Deno.test("a storm of sources that are the peers' own stations: limited at egress as well", () => {
  const { into, out, macs, counted, counters } = setup();
  const source = (n: number) =>
    `02:00:00:01:${(n >> 8).toString(16).padStart(2, "0")}:${
      (n & 255).toString(16).padStart(2, "0")
    }`;
  const count = MAC_LEARNS_PER_S;
  into(0, ...Array.from({ length: count }, (_, n) => frame(HERE, source(n), 0x800, V4)));
  into(1, ...Array.from({ length: 500 }, (_, n) => frame(HERE, source(count + n), 0x800, V4)));
  assertEquals(macs.learned, count + 500);
  for (let n = 0; n < count + 500; n++) out(frame(AT_1, source(n), 0x800, V4));
  assertEquals([counted(counters).mac_moved, counted(counters).mac_limited], [count, 500]);
  assertEquals(macs.learned, 500);
});

Deno.test("a peer of the other mode, or out of reach, gets and gives nothing", () => {
  const { socket, outbound, inbound, out, into, counted, counters, inCounters } = setup();
  const entry = { port: 1, mtu_bytes: 1472, capabilities: 0, heard: true, token: 0n };
  const published = new ForwardingTable();
  const { other_mode, unresolved, tunnet } = TRANSPORT;
  [other_mode, unresolved, tunnet].forEach((transport, index) =>
    published.setPeer(index, {
      ...entry,
      address: Uint8Array.of(10, 0, 0, index),
      transport,
    })
  );
  into(0, frame(HERE, AT_0, 0x800, V4));
  socket.table = acquired(published);
  outbound.useTable(socket.table);
  inbound.useTable(socket.table);
  assertEquals(out(frame(BROADCAST, HERE, 0x800, V4)), [2]);
  assertEquals(out(frame(AT_0, HERE, 0x800, V4), frame(FIXED_1, HERE, 0x800, V4)), []);
  assertEquals(into(0, frame(HERE, AT_0, 0x800, V4)), []);
  assertEquals(counted(counters), { packets: 1, flooded: 1, wrong_mode: 1, no_route: 1 });
  assertEquals(counted(inCounters).wrong_mode, 1);
});

const RUNS = Math.round(150 * fuzzMultiplier());

Deno.test(`frames from device to device, ${RUNS} times: super-frames, partial checksums, tags, floods`, () => {
  const dice = random(0xf4a3e);
  let merged = 0;
  for (let run = 0; run < RUNS; run++) {
    const { device, outbound, socket, into } = setup(
      65_507,
      dice.pick([0, CAPABILITY.partialChecksum]),
    );
    const header = [...randomEthernet(dice)];
    if (header.length === 0) header.push(...frame(AT_0, HERE, 0x800));
    const flow = new Flow(dice, randomShape(dice, 0));
    const packets = Array.from({ length: 2 + dice.below(20) }, () => flow.next());
    const version = packets[0]![0]! >> 4;
    header.splice(0, 12, ...macBytes(dice.pick([FIXED_1, BROADCAST])), ...macBytes(HERE));
    for (let at = 12; at < header.length - 2; at += 4) header.splice(at, 2, 0x81, 0);
    header.splice(-2, 2, ...(version === 4 ? [8, 0] : [0x86, 0xdd]));
    const whole = dice.below(2) === 0;
    const handed = whole ? [join(packets)] : packets.map((packet) => {
      const checksumStart = ipBytes(packet);
      const checksumOffset = checksumField(packet)! - checksumStart;
      const virtio = {
        flags: 1,
        gsoType: 0,
        headerLength: 0,
        gsoSize: 0,
        checksumStart,
        checksumOffset,
      };
      return { virtio, packet: partial(packet) };
    });
    // The fake device's header is plain: this one hands out what a kernel would.
    device.read = (burst, slot) => {
      const next = handed.shift();
      if (!next) return 0;
      const { virtio, packet } = next;
      const shifted = virtio.flags === 0
        ? virtio
        : { ...virtio, checksumStart: virtio.checksumStart + header.length };
      burst.bytes.set(virtioBytes(shifted), burst.offset(slot) - VIRTIO_BYTES);
      burst.bytes.set(header, burst.offset(slot));
      burst.bytes.set(packet, burst.offset(slot) + header.length);
      burst.length[slot] = header.length + packet.length;
      return 1;
    };
    while (outbound.turn() > 0);
    const copies = [0, 1, 2].map((peer) =>
      socket.sent.filter((one) => one.peer === peer).map(({ bytes }) => bytes)
    );
    const group = header[0] === 0xff;
    assertEquals(copies.map(({ length }) => length > 0), [group, true, group]);
    for (const datagrams of copies.filter(({ length }) => length > 0)) {
      const bare = datagrams.map((bytes) => {
        assertEquals([...bytes.subarray(0, header.length)], header);
        return complete(bytes.slice(header.length));
      });
      assertEquals(bare, packets, `run ${run}`);
      into(0, ...datagrams.map((bytes) => Uint8Array.from(bytes)));
      const written = device.writtenWhole.splice(0);
      if (written.length < datagrams.length) merged++;
      const arrived = written.flatMap((write) => {
        const bytes = [...write];
        assertEquals(bytes.splice(VIRTIO_BYTES, header.length), header);
        // The checksum begins behind the Ethernet header.
        const view = new DataView(Uint8Array.from(bytes).buffer);
        if (view.getUint8(0) === 1) {
          view.setUint16(6, view.getUint16(6, true) - header.length, true);
          if (view.getUint8(1) !== 0) {
            view.setUint16(2, view.getUint16(2, true) - header.length, true);
          }
        }
        return packetsOf(new Uint8Array(view.buffer));
      });
      assertEquals(byFlow(arrived), byFlow(packets), `run ${run}`);
    }
  }
  assert(merged > RUNS / 4, `${merged} merged`);
});

Deno.test("a partial checksum in a frame that is not understood is completed", () => {
  const { device, outbound, socket, counted, counters } = setup();
  const content = random(3).bytes(61);
  const bytes = frame(FIXED_1, HERE, 0x1234, content);
  const handOut = (checksumStart: number, checksumOffset: number, gsoType = 0) => {
    let once = true;
    device.read = (burst) => {
      if (!once) return 0;
      once = false;
      const virtio = {
        flags: 1,
        gsoType,
        headerLength: 0,
        gsoSize: 0,
        checksumStart,
        checksumOffset,
      };
      burst.bytes.set(virtioBytes(virtio), burst.offset(0) - VIRTIO_BYTES);
      burst.bytes.set(bytes, burst.offset(0));
      burst.length[0] = bytes.length;
      return 1;
    };
    outbound.turn();
    return socket.sent.splice(0)[0]?.bytes;
  };
  const expected = bytes.slice();
  const sum = slowChecksum([...bytes.subarray(24)]);
  expected[30] = sum >> 8;
  expected[31] = sum & 255;
  assertEquals(handOut(24, 6), expected);
  for (
    const [start, offset, type] of [[24, bytes.length - 25], [13, 0], [65_535, 65_535], [24, 6, 1]]
  ) {
    assertEquals(handOut(start!, offset!, type), undefined);
  }
  assertEquals(counted(counters), { packets: 1, malformed: 4 });
});
