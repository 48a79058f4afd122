/**
 * Frames, whole, damaged and random, through both directions of mode tap: no
 * exception, each is carried byte for byte or counted once as dropped, and the
 * views of a frame agree with a slow reading of it.
 */

import { FakeControl } from "../fakes/control.ts";
import { assert, assertEquals } from "../assert.ts";
import { FakeDevice } from "../fakes/device.ts";
import { acquired, publishedTable } from "../fakes/table.ts";
import { arpRequest, frame, macBytes } from "../fakes/frames.ts";
import { ipv4, ipv6, slowChecksum } from "../fakes/packets.ts";
import { FakeSocket } from "../fakes/socket.ts";
import {
  COUNTER,
  DROPS,
  LANE_COUNTERS_BYTES,
  laneCounters,
} from "../../src/forwarding/counters.ts";
import { Outbound } from "../../src/dataplane/outbound.ts";
import { FrameAdmission, FrameLookup } from "../../src/dataplane/tap.ts";
import { Inbound } from "../../src/dataplane/inbound.ts";
import { checkFrame, ethernetHeaderBytes, packetInFrame } from "../../src/net/ethernet.ts";
import { MAC_TABLE_BYTES, MacTable } from "../../src/forwarding/macs.ts";
import { fuzzMultiplier, random } from "./random.ts";

const INPUTS = Math.round(200_000 * fuzzMultiplier());
const BATCH = 50;

const A = "02:00:00:00:00:01";
const B = "02:00:00:00:00:02";
const FIXED = "02:00:00:00:00:03";

const SEEDS = [
  frame(A, B, 0x800, ipv4("10.0.0.1", "10.0.0.2")),
  frame(FIXED, A, 0x800, ipv4("10.0.0.1", "10.0.0.2", [1], { headerOptions: [7, 7, 4, 1] })),
  frame(B, A, 0x86dd, ipv6("fd00:1:0:0:0:0:0:2", "fd00:2:0:0:0:0:0:2")),
  frame(A, FIXED, 0x800, ipv4("10.0.0.1", "10.0.0.2"), [[0x8100, 7]]),
  frame(A, B, 0x86dd, ipv6("fd00:1:0:0:0:0:0:2", "fd00:2:0:0:0:0:0:2"), [[0x88a8, 1], [0x8100, 2]]),
  frame(A, B, 0x800, ipv4("10.0.0.1", "10.0.0.2"), [[0x8100, 1], [0x8100, 2], [0x8100, 3]]),
  arpRequest(A, "10.0.0.1", "10.0.0.2"),
];

/** Which IP packet fills the frame, and where it starts; read as the standards draw it. */
function reference(bytes: readonly number[]): { good: boolean; header: number; version: number } {
  const source = bytes.slice(6, 12);
  const group = (source[0] ?? 1) % 2 === 1;
  const good = bytes.length >= 14 && !group && source.some((octet) => octet !== 0);
  if (!good) return { good, header: 0, version: 0 };
  const typeAt = (at: number) => bytes[at]! * 256 + bytes[at + 1]!;
  let header = 14;
  while (
    header < 22 && [0x8100, 0x88a8].includes(typeAt(header - 2)) && header + 4 <= bytes.length
  ) header += 4;
  const packet = bytes.slice(header);
  const type = typeAt(header - 2);
  let version = 0;
  if (type === 0x800 && packet.length >= 20 && packet[0]! >> 4 === 4) {
    const ip = (packet[0]! & 15) * 4;
    const whole = ip >= 20 && ip <= packet.length &&
      packet[2]! * 256 + packet[3]! === packet.length;
    if (whole && slowChecksum(packet.slice(0, ip)) === 0) version = 4;
  }
  if (type === 0x86dd && packet.length >= 40 && packet[0]! >> 4 === 6) {
    if (packet[4]! * 256 + packet[5]! + 40 === packet.length) version = 6;
  }
  return { good, header, version };
}

Deno.test(`fuzz: ${INPUTS} frames each way`, () => {
  const dice = random(0xf4a3e5);
  const macs = new MacTable(new SharedArrayBuffer(MAC_TABLE_BYTES));
  macs.reset(5);
  macs.setFixed([{ mac: macBytes(FIXED), owner: 1 }]);
  const device = new FakeDevice();
  const socket = new FakeSocket();
  const outCounters = laneCounters(new SharedArrayBuffer(LANE_COUNTERS_BYTES));
  const inCounters = laneCounters(new SharedArrayBuffer(LANE_COUNTERS_BYTES));
  let now_ms = 0;
  const clock = () => now_ms;
  const lookup = new FrameLookup(macs, outCounters, clock);
  const outbound = new Outbound(device, socket, outCounters, lookup, clock);
  const admission = new FrameAdmission(macs, inCounters, clock);
  const inbound = new Inbound(device, socket, inCounters, admission, new FakeControl(), clock);
  const table = acquired(publishedTable(
    ["10.0.0.1", "10.0.0.2"].map((address) => ({ address, subnets: [], mtu_bytes: 120 })),
  ));
  socket.table = table;
  outbound.useTable(table);
  inbound.useTable(table);
  const dropped = ({ totals }: typeof inCounters) =>
    DROPS.reduce((sum, name) => sum + totals[COUNTER[name]]!, 0);

  const reached: Record<string, number> = {};
  for (let n = 0; n < INPUTS; n += BATCH) {
    now_ms += dice.below(50);
    if (dice.below(100) === 0) macs.tick(now_ms / 1000);
    const inputs = Array.from({ length: BATCH }, () => {
      let bytes = dice.below(4) === 0 ? dice.bytes(dice.below(90)) : dice.pick(SEEDS).slice();
      for (let edits = dice.below(3); edits > 0 && bytes.length > 0; edits--) {
        bytes[dice.below(bytes.length)] = dice.u32();
      }
      if (dice.below(6) === 0) bytes = bytes.slice(0, dice.below(bytes.length + 1));
      if (dice.below(6) === 0) bytes = Uint8Array.from([...bytes, ...dice.bytes(dice.below(80))]);
      return bytes;
    });
    for (const bytes of inputs) {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      const { good, header, version } = reference([...bytes]);
      assertEquals(checkFrame(view, 0, bytes.length), good, bytes.join());
      if (!good) continue;
      assertEquals(ethernetHeaderBytes(view, 0, bytes.length), header, bytes.join());
      assertEquals(packetInFrame(view, 0, bytes.length, header), version, bytes.join());
      reached[`v${version}`] = (reached[`v${version}`] ?? 0) + 1;
    }

    const before = dropped(outCounters);
    device.waiting = inputs.slice();
    while (outbound.turn() > 0);
    const out = dropped(outCounters) - before;
    device.written = []; // ICMP errors
    // Whatever left is one of the frames, and each frame left, or its drop is counted (once a peer).
    const left = new Set(socket.sent.splice(0).map(({ bytes }) => bytes.join()));
    const known = new Set(inputs.map((bytes) => bytes.join()));
    for (const one of left) assert(known.has(one));
    assert(left.size + out >= known.size, `${left.size} left, ${out} dropped, of ${known.size}`);
    reached.left = (reached.left ?? 0) + left.size;
    reached.out = (reached.out ?? 0) + out;

    const beforeIn = dropped(inCounters) + inCounters.totals[COUNTER.control]!;
    const packets = inCounters.totals[COUNTER.packets]!;
    // Now and then several arrive as one (UDP_GRO).
    const arriving = dice.below(2) === 0
      ? inputs.map((bytes) => ({ peer: dice.below(3) - 1, bytes }))
      : [{
        peer: 0,
        bytes: Uint8Array.from(inputs.flatMap((b) => [...b])),
        segment: 1 + dice.below(90),
      }];
    const datagrams = arriving.flatMap(({ bytes, ...one }) => {
      const segment = ("segment" in one && one.segment) || Math.max(1, bytes.length);
      const count = Math.max(1, Math.ceil(bytes.length / segment));
      return Array.from({ length: count }, (_, i) => bytes.slice(i * segment, (i + 1) * segment));
    });
    socket.waiting = arriving;
    while (inbound.turn() > 0);
    const written = device.written.splice(0);
    const lost = dropped(inCounters) + inCounters.totals[COUNTER.control]! - beforeIn;
    assertEquals(written.length + lost, datagrams.length);
    assertEquals(inCounters.totals[COUNTER.packets]! - packets, written.length);
    // In order, byte for byte.
    let at = 0;
    for (const one of written) {
      while (at < datagrams.length && datagrams[at]!.join() !== one.join()) at++;
      assert(at++ < datagrams.length, `${one.join()} did not arrive`);
    }
    reached.in = (reached.in ?? 0) + written.length;
    reached.lost = (reached.lost ?? 0) + lost;
  }
  const names: readonly (keyof typeof COUNTER)[] = [
    "mac_learned",
    "mac_moved",
    "spoofed_source",
  ];
  for (const name of names) reached[name] = inCounters.totals[COUNTER[name]]!;
  for (const name of ["v0", "v4", "v6", "left", "out", "in", "lost", ...names]) {
    assert((reached[name] ?? 0) > INPUTS / 2000, JSON.stringify(reached));
  }
  // Bounded, whatever came.
  assert(macs.learned <= 4096);
});
