import { assertEquals } from "../assert.ts";
import { FakeDevice } from "../fakes/device.ts";
import { acquired, publishedTable } from "../fakes/table.ts";
import { ipv4, ipv6 } from "../fakes/packets.ts";
import { FakeSocket } from "../fakes/socket.ts";
import {
  type CounterName,
  COUNTERS,
  LANE_COUNTERS_BYTES,
  laneCounters,
} from "../../src/forwarding/counters.ts";
import { PacketLookup } from "../../src/dataplane/lookup.ts";
import { Outbound } from "../../src/dataplane/outbound.ts";
import { ICMP_ERRORS_PER_S } from "../../src/base/limits.ts";
import { DEVICE_GONE } from "../../src/io/device.ts";

const A = "fd00:1:0:0:0:0:0:2";
const B = "fd00:2:0:0:0:0:0:2";
const NOBODY = "fd00:9:0:0:0:0:0:2";

function setup(clock = { now_ms: 0 }) {
  const device = new FakeDevice();
  const socket = new FakeSocket();
  const counters = laneCounters(new SharedArrayBuffer(LANE_COUNTERS_BYTES));
  const outbound = new Outbound(device, socket, counters, new PacketLookup(), () => clock.now_ms);
  const table = publishedTable(
    [
      { address: "192.168.0.7", subnets: ["172.2.0.0/16", "fd00:2::/64"], mtu_bytes: 1300 },
      { address: "192.168.0.9", subnets: ["172.2.128.0/17"] },
    ],
    ["172.1.0.0/16"],
  );
  outbound.useTable(acquired(table));
  const count = (name: CounterName) => counters.totals[COUNTERS.indexOf(name)]!;
  return { device, socket, outbound, count };
}

/** Type and code of an ICMP or ICMPv6 error, and the MTU field. */
function icmp(packet: Uint8Array): [number, number, number] {
  const at = packet[0]! >> 4 === 4 ? 20 : 40;
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  return [view.getUint8(at), view.getUint8(at + 1), view.getUint32(at + 4)];
}

const payload = (size: number) => Array<number>(size).fill(7);

const CASES: readonly {
  name: string;
  packet: Uint8Array;
  peer?: number;
  drop?: CounterName;
  icmp?: [number, number, number];
}[] = [
  { name: "to a peer's subnet", packet: ipv4("172.1.0.2", "172.2.0.2"), peer: 0 },
  { name: "to the longer prefix", packet: ipv4("172.1.0.2", "172.2.128.2"), peer: 1 },
  { name: "IPv6", packet: ipv6(A, B), peer: 0 },
  { name: "exactly the MTU", packet: ipv4("172.1.0.2", "172.2.0.2", payload(1280)), peer: 0 },
  {
    name: "one byte over the MTU",
    packet: ipv4("172.1.0.2", "172.2.0.2", payload(1281)),
    drop: "too_big",
    icmp: [3, 4, 1300],
  },
  {
    name: "one byte over the MTU, without DF, but at the end of what an offset can say",
    packet: ipv4("172.1.0.2", "172.2.0.2", payload(1281), { fragment: 0x1fff }),
    drop: "too_big",
  },
  {
    name: "IPv6, one byte over the MTU",
    packet: ipv6(A, B, payload(1261)),
    drop: "too_big",
    icmp: [2, 0, 1300],
  },
  {
    name: "to nobody",
    packet: ipv4("172.1.0.2", "172.9.0.2"),
    drop: "no_route",
    icmp: [3, 0, 0],
  },
  { name: "IPv6 to nobody", packet: ipv6(A, NOBODY), drop: "no_route", icmp: [1, 0, 0] },
  {
    name: "to a subnet of this node",
    packet: ipv4("172.1.0.2", "172.1.9.9"),
    drop: "no_route",
    icmp: [3, 0, 0],
  },
  {
    name: "a multicast destination is not answered",
    packet: ipv4("172.1.0.2", "239.0.0.1"),
    drop: "no_route",
  },
  {
    name: "a group of the link is none of the tunnel's business",
    packet: ipv4("172.1.0.0", "224.0.0.22"),
    drop: "link_local",
  },
  {
    name: "a group of the link in IPv6, likewise",
    packet: ipv6(A, "ff02:0:0:0:0:0:0:16"),
    drop: "link_local",
  },
  {
    name: "an IPv6 multicast destination is not answered",
    packet: ipv6(A, "ff0e:0:0:0:0:0:0:2"),
    drop: "no_route",
  },
  {
    name: "a later fragment is not answered",
    packet: ipv4("172.1.0.2", "172.9.0.2", [1, 2, 3, 4], { fragment: 0x20b9 }),
    drop: "no_route",
  },
  {
    name: "an ICMP error is not answered",
    packet: ipv4("172.1.0.2", "172.9.0.2", [3, 1, 0, 0], { protocol: 1 }),
    drop: "no_route",
  },
  {
    name: "an ICMP echo request is answered",
    packet: ipv4("172.1.0.2", "172.9.0.2", [8, 0, 0, 0], { protocol: 1 }),
    drop: "no_route",
    icmp: [3, 0, 0],
  },
  {
    name: "an ICMPv6 error is not answered",
    packet: ipv6(A, NOBODY, [1, 0, 0, 0], 58),
    drop: "no_route",
  },
  { name: "not an IP packet", packet: Uint8Array.of(1, 2, 3), drop: "malformed" },
];

Deno.test("outbound: what becomes of a packet", async (t) => {
  for (const { name, packet, peer, drop, icmp: answer } of CASES) {
    await t.step(name, () => {
      const { device, socket, outbound, count } = setup();
      device.waiting = [packet];
      assertEquals(outbound.turn(), 1);
      assertEquals(socket.sent, peer === undefined ? [] : [{ peer, bytes: packet }]);
      assertEquals(device.written.map(icmp), answer ? [answer] : []);
      if (drop) assertEquals(count(drop), 1);
      if (drop !== "no_route") assertEquals(count("no_route"), 0);
      assertEquals(count("icmp_errors"), answer ? 1 : 0);
    });
  }
});

Deno.test("outbound: ICMP errors are limited, and come again with time", () => {
  const clock = { now_ms: 1000 };
  const { device, outbound } = setup(clock);
  const flood = () => Array.from({ length: 500 }, () => ipv4("172.1.0.2", "172.9.0.2"));
  device.waiting = flood();
  while (outbound.turn() > 0);
  assertEquals(device.written.length, ICMP_ERRORS_PER_S);
  clock.now_ms += 100;
  device.waiting = flood();
  while (outbound.turn() > 0);
  assertEquals(device.written.length, ICMP_ERRORS_PER_S + ICMP_ERRORS_PER_S / 10);
});

Deno.test("outbound: order within a burst is kept, and a lost device is told", () => {
  const { device, socket, outbound } = setup();
  device.waiting = Array.from(
    { length: 200 },
    (_, i) => ipv4("172.1.0.2", i % 3 === 0 ? "172.2.200.2" : "172.2.0.2", [i & 0xff]),
  );
  const expected = device.waiting.map((bytes) => bytes[20]);
  while (outbound.turn() > 0);
  assertEquals(socket.sent.map(({ bytes }) => bytes[20]), expected);
  device.gone = true;
  assertEquals(outbound.turn(), DEVICE_GONE);
});

Deno.test("outbound: a packet that comes alone leaves before the next is looked for", () => {
  const { device, socket, outbound } = setup();
  /** What had been sent at each read that found something or nothing. */
  const sentBefore: number[] = [];
  const read = device.read.bind(device);
  device.read = (burst, slot) => {
    sentBefore.push(socket.sent.length);
    return read(burst, slot);
  };
  const turn = (packets: number) => {
    device.waiting = Array.from({ length: packets }, () => ipv4("172.1.0.2", "172.2.0.2"));
    socket.sent = [];
    sentBefore.length = 0;
    outbound.turn();
    assertEquals(socket.sent.length, packets);
    return sentBefore.join(" ");
  };
  assertEquals(turn(1), "0 1");
  assertEquals(turn(3), "0 1 1 1", "the burst shows with its second packet");
  assertEquals(turn(3), "0 0 0 0", "and is expected from then on");
  assertEquals(turn(1), "0 0");
  assertEquals(turn(1), "0 1");
});

Deno.test("outbound: what a path refuses is answered, and the path is known from then on", () => {
  const { device, socket, outbound, count } = setup();
  const big = ipv4("172.1.0.2", "172.2.0.2", payload(1250));
  const elsewhere = ipv4("172.1.0.2", "172.2.200.2", payload(1250));
  const small = ipv4("172.1.0.2", "172.2.0.2", payload(1000));
  device.waiting = [small, big, elsewhere, big];
  outbound.turn();
  // The device towards peer 0 carries 1,100 bytes now, and the kernel has refused the large ones.
  socket.refused = [0];
  socket.paths.set(0, 1100);
  outbound.turn();
  assertEquals(device.written.map(icmp), [[3, 4, 1100], [3, 4, 1100]]);
  assertEquals(count("too_big"), 1, "what the socket has refused");
  socket.sent = [];
  device.waiting = [big, small];
  outbound.turn();
  assertEquals(device.written.slice(2).map(icmp), [[3, 4, 1100]]);
  assertEquals(socket.sent, [{ peer: 0, bytes: small }]);
  assertEquals(count("too_big"), 2);
});

Deno.test("outbound: a refusal that the kernel does not explain changes nothing", () => {
  const { device, socket, outbound } = setup();
  const big = ipv4("172.1.0.2", "172.2.0.2", payload(1250));
  for (const path of [undefined, 1400]) {
    device.waiting = [big];
    outbound.turn();
    socket.refused = [0];
    if (path) socket.paths.set(0, path);
    socket.sent = [];
    device.waiting = [big];
    outbound.turn();
    assertEquals([device.written.length, socket.sent.length], [0, 1]);
  }
});

Deno.test("outbound: IPv6 packets of 1,280 bytes leave whatever the path", () => {
  const { device, socket, outbound } = setup();
  device.waiting = [ipv6(A, B, payload(1241))];
  outbound.turn();
  assertEquals(socket.fragments, false);
  socket.refused = [0];
  socket.paths.set(0, 1000);
  device.waiting = [];
  outbound.turn();
  // No sender would believe less than 1,280 (RFC 8200, section 5).
  assertEquals(device.written.map(icmp), [[2, 0, 1280]]);
  socket.sent = [];
  const least = ipv6(A, B, payload(1240));
  device.waiting = [least, ipv6(A, B, payload(1241)), ipv4("172.1.0.2", "172.2.0.2", payload(981))];
  outbound.turn();
  assertEquals(socket.sent, [{ peer: 0, bytes: least }]);
  assertEquals(device.written.slice(1).map(icmp), [[2, 0, 1280], [3, 4, 1000]]);
  assertEquals(socket.fragments, true);
});

Deno.test("outbound: an IPv4 packet without DF leaves in fragments that fit", () => {
  const { device, socket, outbound, count } = setup();
  const free = { fragment: 0 };
  const big = ipv4("172.1.0.2", "172.2.0.2", payload(3000), free);
  const small = ipv4("172.1.0.2", "172.2.0.2", payload(1280), free);
  device.waiting = [small, big, small];
  outbound.turn();
  // 1,300 bytes hold 1,280 of payload, 160 units.
  const parts = [[1280, 0x2000], [1280, 0x2000 | 160], [440, 320]] as const;
  const wanted = parts.map(([size, fragment]) =>
    ipv4("172.1.0.2", "172.2.0.2", payload(size), { fragment })
  );
  const to0 = (bytes: Uint8Array) => ({ peer: 0, bytes });
  assertEquals(socket.sent, [small, ...wanted, small].map(to0));
  assertEquals([device.written, count("too_big"), count("packets")], [[], 0, 5]);
  // More headers than there is room for at once.
  socket.sent = [];
  const huge = ipv4("172.1.0.2", "172.2.0.2", payload(65_000), free);
  device.waiting = Array.from({ length: 64 }, () => huge);
  while (outbound.turn() > 0);
  assertEquals(socket.sent.length, 64 * Math.ceil(65_000 / 1280));
});

Deno.test("outbound: who lets routers cut a packet is not told that it was refused", () => {
  const { device, socket, outbound } = setup();
  device.waiting = [ipv4("172.1.0.2", "172.2.0.2", payload(1250), { fragment: 0 })];
  outbound.turn();
  socket.refused = [0];
  socket.paths.set(0, 1100);
  outbound.turn();
  assertEquals(device.written, []);
});
