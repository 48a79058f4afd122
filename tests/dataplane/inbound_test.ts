import { FakeControl } from "../fakes/control.ts";
import { helloOf, TOKEN } from "../fakes/peers.ts";
import { assertEquals } from "../assert.ts";
import { FakeDevice, NO_FEATURES } from "../fakes/device.ts";
import { acquired, publishedTable } from "../fakes/table.ts";
import { ipv4, ipv6 } from "../fakes/packets.ts";
import { FakeSocket, OTHER_PORT } from "../fakes/socket.ts";
import {
  type CounterName,
  COUNTERS,
  LANE_COUNTERS_BYTES,
  laneCounters,
} from "../../src/forwarding/counters.ts";
import { PacketAdmission } from "../../src/dataplane/admit.ts";
import { Inbound, type WrongPortDatagram } from "../../src/dataplane/inbound.ts";
import {
  CONTROL_MAX_BYTES,
  UNVERIFIED_HELLOS_PER_S,
  WRONG_INTERFACES_PER_S,
  WRONG_PORTS_PER_S,
} from "../../src/base/limits.ts";
import { DEVICE_GONE, WRITE } from "../../src/io/device.ts";
import { MARKED_BYTES } from "../../src/io/interface_filter.ts";
import { UNKNOWN_PEER } from "../../src/dataplane/senders.ts";

const A = "fd00:1:0:0:0:0:0:2";
const B = "fd00:2:0:0:0:0:0:2";

function setup(defaultPeer = -1, accepted: readonly string[] = []) {
  const clock = { now_ms: 0 };
  const device = new FakeDevice();
  const socket = new FakeSocket();
  const counters = laneCounters(new SharedArrayBuffer(LANE_COUNTERS_BYTES));
  const control = new FakeControl();
  const inbound = new Inbound(
    device,
    socket,
    counters,
    new PacketAdmission(),
    control,
    () => clock.now_ms,
  );
  const table = publishedTable(
    [
      { address: "192.168.0.7", subnets: ["172.2.0.0/16", "fd00:2::/64"] },
      { address: "192.168.0.9", subnets: ["172.3.0.0/16"] },
    ],
    ["172.1.0.0/16", "fd00:1::/64"],
    defaultPeer,
    accepted,
  );
  socket.table = acquired(table);
  inbound.useTable(socket.table);
  const count = (name: CounterName) => counters.totals[COUNTERS.indexOf(name)]!;
  return { device, socket, inbound, control, counters, count, clock };
}

const good = ipv4("172.2.0.2", "172.1.0.2");
const changed = (packet: Uint8Array, at: number, value: number) => {
  const copy = packet.slice();
  copy[at] = value;
  return copy;
};

const CASES: readonly {
  name: string;
  peer: number;
  bytes: Uint8Array;
  becomes: CounterName;
  defaultPeer?: number;
  accepted?: readonly string[];
}[] = [
  { name: "a packet of the peer's subnet", peer: 0, bytes: good, becomes: "packets" },
  { name: "an IPv6 packet", peer: 0, bytes: ipv6(B, A), becomes: "packets" },
  {
    name: "a packet with IP options",
    peer: 0,
    bytes: ipv4("172.2.0.2", "172.1.0.2", [1], { headerOptions: [1, 1, 1, 0] }),
    becomes: "packets",
  },
  { name: "an unknown sender", peer: UNKNOWN_PEER, bytes: good, becomes: "unknown_peer" },
  { name: "a source of another peer", peer: 1, bytes: good, becomes: "spoofed_source" },
  {
    name: "a source of this node",
    peer: 0,
    bytes: ipv4("172.1.0.9", "172.1.0.2"),
    becomes: "spoofed_source",
  },
  {
    name: "a source of nobody",
    peer: 0,
    bytes: ipv4("8.8.8.8", "172.1.0.2"),
    becomes: "spoofed_source",
  },
  { name: "an IPv6 source of this node", peer: 0, bytes: ipv6(A, A), becomes: "spoofed_source" },
  {
    name: "any source from the default node",
    peer: 0,
    bytes: ipv4("8.8.8.8", "172.1.0.2"),
    becomes: "packets",
    defaultPeer: 0,
  },
  {
    name: "a source of nobody, not from the default node",
    peer: 1,
    bytes: ipv4("8.8.8.8", "172.1.0.2"),
    becomes: "spoofed_source",
    defaultPeer: 0,
  },
  ...[
    "172.1.0.9",
    "172.3.0.2",
    "0.0.0.0",
    "127.0.0.1",
    "169.254.1.1",
    "224.0.0.5",
    "255.255.255.255",
  ].flatMap((source) =>
    [0, 1].map((peer) => ({
      name: `${source} as a source from ${peer === 0 ? "the default node" : "another"}`,
      peer,
      bytes: ipv4(source, "172.1.0.2"),
      becomes: source === "172.3.0.2" && peer === 1
        ? "packets" as const
        : "spoofed_source" as const,
      defaultPeer: 0,
    }))
  ),
  ...[
    "fd00:1:0:0:0:0:0:9",
    "0:0:0:0:0:0:0:0",
    "0:0:0:0:0:0:0:1",
    "0:0:0:0:0:ffff:808:808",
    "fe80:0:0:0:0:0:0:bad",
    "ff02:0:0:0:0:0:0:1",
  ].map((source) => ({
    name: `${source} as a source from the default node`,
    peer: 0,
    bytes: ipv6(source, A),
    becomes: "spoofed_source" as const,
    defaultPeer: 0,
  })),
  {
    name: "any IPv6 source from the default node",
    peer: 0,
    bytes: ipv6("2001:db8:0:0:0:0:0:1", A),
    becomes: "packets",
    defaultPeer: 0,
  },
  ...[
    "8.8.8.8",
    "192.168.7.9",
    "172.3.0.2",
    "127.0.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "0.0.0.0",
  ].map((to) => ({
    name: `a packet for ${to}`,
    peer: 0,
    bytes: ipv4("172.2.0.2", to),
    becomes: "foreign_destination" as const,
  })),
  ...["2001:db8:0:0:0:0:0:1", "fe80:0:0:0:0:0:0:1", "ff02:0:0:0:0:0:0:1"].map((to) => ({
    name: `a packet for ${to}`,
    peer: 0,
    bytes: ipv6(B, to),
    becomes: "foreign_destination" as const,
  })),
  ...([
    ["192.168.7.9", ["192.168.7.0/24"], "packets"],
    ["192.168.8.9", ["192.168.7.0/24"], "foreign_destination"],
    ["192.168.7.9", ["10.0.0.0/8", "192.168.7.9/32"], "packets"],
    ["192.168.7.9", ["::/0"], "foreign_destination"],
    ["8.8.8.8", ["0.0.0.0/0", "::/0"], "packets"],
    ["127.0.0.1", ["0.0.0.0/0"], "foreign_destination"],
    ["169.254.1.1", ["0.0.0.0/0"], "foreign_destination"],
    ["224.0.0.1", ["0.0.0.0/0"], "foreign_destination"],
    ["255.255.255.255", ["0.0.0.0/0"], "foreign_destination"],
  ] as const).map(([to, accepted, becomes]) => ({
    name: `a packet for ${to}, where ${accepted} is accepted`,
    peer: 0,
    bytes: ipv4("172.2.0.2", to),
    becomes,
    accepted,
  })),
  ...([
    ["2001:db8:0:0:0:0:0:1", ["2001:db8::/64"], "packets"],
    ["2001:db8:0:1:0:0:0:1", ["2001:db8::/64"], "foreign_destination"],
    ["ff02:0:0:0:0:0:0:1", ["::/0"], "foreign_destination"],
    ["fe80:0:0:0:0:0:0:1", ["::/0"], "foreign_destination"],
    ["0:0:0:0:0:0:0:1", ["::/0"], "foreign_destination"],
  ] as const).map(([to, accepted, becomes]) => ({
    name: `a packet for ${to}, where ${accepted} is accepted`,
    peer: 0,
    bytes: ipv6(B, to),
    becomes,
    accepted,
  })),
  { name: "an empty datagram", peer: 0, bytes: new Uint8Array(0), becomes: "malformed" },
  {
    name: "what the filter has left of one by a wrong interface",
    peer: 0,
    bytes: good.slice(0, MARKED_BYTES),
    becomes: "wrong_interface",
  },
  {
    name: "the same of a hello",
    peer: 0,
    bytes: changed(good, 0, 0xf1).slice(0, MARKED_BYTES),
    becomes: "wrong_interface",
  },
  {
    name: "the same of an unknown sender",
    peer: UNKNOWN_PEER,
    bytes: good.slice(0, MARKED_BYTES),
    becomes: "unknown_peer",
  },
  { name: "two bytes", peer: 0, bytes: good.slice(0, 2), becomes: "malformed" },
  { name: "19 bytes", peer: 0, bytes: good.slice(0, 19), becomes: "malformed" },
  { name: "a cut packet", peer: 0, bytes: good.slice(0, -1), becomes: "malformed" },
  {
    name: "a byte too many",
    peer: 0,
    bytes: Uint8Array.from([...good, 0]),
    becomes: "malformed",
  },
  { name: "a header of 16 bytes", peer: 0, bytes: changed(good, 0, 0x44), becomes: "malformed" },
  {
    name: "a header longer than the packet",
    peer: 0,
    bytes: changed(good, 0, 0x4f),
    becomes: "malformed",
  },
  { name: "a wrong header checksum", peer: 0, bytes: changed(good, 8, 63), becomes: "malformed" },
  { name: "IPv6 of 39 bytes", peer: 0, bytes: ipv6(B, A).slice(0, 39), becomes: "malformed" },
  { name: "IPv6 cut", peer: 0, bytes: ipv6(B, A).slice(0, -1), becomes: "malformed" },
  ...[0, 5, 0x10, 0x33, 0x55, 0x77, 0xf0, 0xff].map((first) => ({
    name: `first byte ${first}`,
    peer: 0,
    bytes: changed(good, 0, first),
    becomes: "malformed" as const,
  })),
  ...[1, 2, 3, 4].map((first) => ({
    name: `first byte ${first}, WireGuard's`,
    peer: 0,
    bytes: changed(good, 0, first),
    becomes: "reserved_type" as const,
  })),
  { name: "a control datagram", peer: 0, bytes: changed(good, 0, 0xf1), becomes: "control" },
  {
    name: "a control datagram of no peer",
    peer: UNKNOWN_PEER,
    bytes: changed(good, 0, 0xf1),
    becomes: "unknown_peer",
  },
];

Deno.test("inbound: what becomes of a datagram", async (t) => {
  for (const { name, peer, bytes, becomes, defaultPeer, accepted } of CASES) {
    await t.step(name, () => {
      const { device, socket, inbound, count, control } = setup(defaultPeer, accepted);
      socket.waiting = [{ peer, bytes }];
      assertEquals(inbound.turn(), 1);
      assertEquals(device.written, becomes === "packets" ? [bytes] : []);
      assertEquals(
        control.mails().map((one) => one.peer),
        becomes === "control" ? [peer] : [],
      );
      // Exactly one counter besides `bytes` has moved.
      for (const counter of COUNTERS) {
        if (counter !== "bytes") assertEquals(count(counter), counter === becomes ? 1 : 0, counter);
      }
    });
  }
});

Deno.test("inbound: bytes and packets are counted per peer", () => {
  const { socket, inbound, counters } = setup();
  const other = ipv4("172.3.0.2", "172.1.0.2", [1, 2, 3]);
  socket.waiting = [{ peer: 0, bytes: good }, { peer: 1, bytes: other }, { peer: 0, bytes: good }];
  inbound.turn();
  assertEquals([...counters.peerPackets.subarray(0, 3)], [2, 1, 0]);
  assertEquals([...counters.peerBytes.subarray(0, 3)], [2 * good.length, other.length, 0]);
  assertEquals([...counters.peerDrops.subarray(0, 3)], [0, 0, 0]);
  socket.waiting = [{ peer: 1, bytes: good }];
  inbound.turn();
  assertEquals([...counters.peerDrops.subarray(0, 3)], [0, 1, 0], "a forged source of peer 1");
});

Deno.test("inbound: what the device refuses is counted by reason", () => {
  const { socket, device, inbound, count } = setup();
  device.result = WRITE.rejected;
  socket.waiting = [{ peer: 0, bytes: good }];
  inbound.turn();
  device.result = WRITE.down;
  socket.waiting = [{ peer: 0, bytes: good }];
  inbound.turn();
  assertEquals([count("device_rejected"), count("device_down")], [1, 1]);
  device.gone = true;
  socket.waiting = [{ peer: 0, bytes: good }];
  assertEquals(inbound.turn(), DEVICE_GONE);
});

Deno.test("inbound: datagrams that the kernel received as one are judged one by one", () => {
  const { socket, device, inbound, count } = setup();
  const spoofed = ipv4("172.3.0.2", "172.1.0.2");
  const short = ipv4("172.2.0.2", "172.1.0.2", [9, 9]);
  const hello = changed(good, 0, 0xf1);
  const bytes = Uint8Array.from([...good, ...spoofed, ...hello, ...good, ...short]);
  socket.waiting = [{ peer: 0, bytes, segment: good.length }];
  assertEquals(inbound.turn(), 1);
  assertEquals(device.written, [good, good, short]);
  assertEquals([count("packets"), count("spoofed_source"), count("control")], [3, 1, 1]);
});

Deno.test("inbound: a flood in a peer's name costs nobody else a hello, and grows nothing", () => {
  const { socket, inbound, control, count, clock } = setup();
  const junk = Uint8Array.of(0xf1, 9);
  const own = helloOf({ number: 7 });
  const flood = (peer: number, bytes: Uint8Array<ArrayBuffer>, length: number) => {
    socket.waiting = Array.from({ length }, () => ({ peer, bytes }));
    while (inbound.turn() > 0);
  };
  flood(0, junk, UNVERIFIED_HELLOS_PER_S + 10);
  assertEquals([count("control_flood"), control.told], [10, 1]);
  flood(0, own, 1);
  flood(1, helloOf({ echoToken: TOKEN + 1n }), 1);
  assertEquals(
    control.mails().map(({ peer, verified, bytes, length }) => [peer, verified, bytes[0], length]),
    [[0, true, 0xf1, own.length], [0, false, 0xf1, 2], [1, false, 0xf1, own.length]],
  );
  assertEquals(count("control_replaced"), UNVERIFIED_HELLOS_PER_S - 1);
  flood(0, own, 1000);
  assertEquals([count("control_flood"), control.mails().length], [10, 1], "the newest is enough");
  clock.now_ms = 500;
  flood(0, junk, 100);
  assertEquals(count("control_flood"), 10 + 100 - UNVERIFIED_HELLOS_PER_S / 2);
});

Deno.test("inbound: of datagrams of no peer, those from a peer's address are told", async (t) => {
  const hello = changed(good, 0, 0xf1);
  const long = Uint8Array.from([0xf1, ...new Uint8Array(CONTROL_MAX_BYTES)]);
  const told = (bytes: Uint8Array) => ({
    sender: { address: Uint8Array.of(192, 168, 0, 7), port: OTHER_PORT },
    bytes,
  });
  const nothing = new Uint8Array(0);
  const cases: readonly (readonly [
    name: string,
    peerHost: boolean,
    bytes: Uint8Array,
    counted: CounterName,
    heard: readonly WrongPortDatagram[],
  ])[] = [
    ["a hello", false, hello, "unknown_peer", []],
    ["a packet", false, good, "unknown_peer", []],
    ["nothing", false, nothing, "unknown_peer", []],
    ["a packet from another port of a peer", true, good, "wrong_port", [told(nothing)]],
    ["nothing from there", true, nothing, "wrong_port", [told(nothing)]],
    ["a hello from there", true, hello, "wrong_port", [told(hello)]],
    ["a probe from there", true, helloOf({ probe: true }), "control", []],
    ["a probe of an outsider", false, helloOf({ probe: true }), "unknown_peer", []],
    ["a long one is cut", true, long, "wrong_port", [told(long.subarray(0, CONTROL_MAX_BYTES))]],
  ];
  for (const [name, peerHost, bytes, counted, expected] of cases) {
    await t.step(name, () => {
      const { socket, inbound, control, count } = setup();
      socket.waiting = [{ peer: UNKNOWN_PEER, bytes, peerHost }];
      inbound.turn();
      assertEquals(control.wrongPorts, expected);
      for (const counter of COUNTERS) assertEquals(count(counter), counter === counted ? 1 : 0);
    });
  }
});

Deno.test("inbound: a flood from a wrong port is counted, but shown within bounds", () => {
  const { socket, inbound, control, count } = setup();
  const flood = { peer: UNKNOWN_PEER, bytes: changed(good, 0, 0xf1), peerHost: true };
  socket.waiting = Array.from({ length: WRONG_PORTS_PER_S + 500 }, () => flood);
  while (inbound.turn() > 0);
  assertEquals(
    [control.wrongPorts.length, count("wrong_port")],
    [WRONG_PORTS_PER_S, WRONG_PORTS_PER_S + 500],
  );
});

Deno.test("inbound: what comes by a wrong interface is counted, and told within bounds", () => {
  const { socket, inbound, control, count } = setup();
  // Marked while the kernel received several as one.
  const marked = { bytes: good.slice(0, MARKED_BYTES), segment: good.length };
  socket.waiting = [{ ...marked, peer: UNKNOWN_PEER, peerHost: true }, { ...marked, peer: 1 }];
  inbound.turn();
  assertEquals([count("wrong_interface"), control.wrongInterfaces], [2, [1]]);
  assertEquals(control.wrongPorts, [], "nobody knows whose port it is");
  socket.waiting = Array.from({ length: WRONG_INTERFACES_PER_S + 500 }, () => ({
    ...marked,
    peer: 0,
  }));
  while (inbound.turn() > 0);
  assertEquals(
    [count("wrong_interface"), control.wrongInterfaces.length],
    [WRONG_INTERFACES_PER_S + 502, WRONG_INTERFACES_PER_S],
  );
});

Deno.test("inbound: only a peer that has said hello may leave checksums to this kernel", () => {
  const partial = ipv4("172.2.0.2", "172.1.0.2", [0, 7, 0, 9, 0, 12, 0, 0, 1, 2, 3, 4]);
  const transport = new DataView(partial.buffer, 20);
  // The pseudo header's sum: both addresses, protocol 17 and 12 bytes.
  const words = [0xac02, 0x0002, 0xac01, 0x0002, 17, 12];
  let sum = words.reduce((a, b) => a + b);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  transport.setUint16(6, sum);
  for (const [capabilities, flags] of [[undefined, 0], [0, 1], [1, 1]] as const) {
    const asked: number[] = [];
    const device = new class extends FakeDevice {
      override write(...[burst, offset, length, pieces]: Parameters<FakeDevice["write"]>) {
        asked.push(burst.view.getUint8(offset[0]!));
        return super.write(burst, offset, length, pieces);
      }
    }({ ...NO_FEATURES, checksum: true, partial: true });
    const socket = new FakeSocket();
    const counters = laneCounters(new SharedArrayBuffer(LANE_COUNTERS_BYTES));
    const inbound = new Inbound(
      device,
      socket,
      counters,
      new PacketAdmission(),
      new FakeControl(),
      () => 0,
    );
    const peer = { address: "192.168.0.7", subnets: ["172.2.0.0/16"], capabilities };
    socket.table = acquired(publishedTable([peer], ["172.1.0.0/16"]));
    inbound.useTable(socket.table);
    socket.waiting = [{ peer: 0, bytes: partial }];
    inbound.turn();
    assertEquals([device.written, asked], [[partial], [flags]]);
  }
});
