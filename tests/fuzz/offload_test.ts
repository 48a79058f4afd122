/**
 * Splitting and merging against hostile bytes: no exception, no byte read or
 * written outside, and nothing handed on that the kernel would misread.
 */

import { FakeControl } from "../fakes/control.ts";
import { assert, assertEquals } from "../assert.ts";
import { acquired, publishedTable } from "../fakes/table.ts";
import { FakeSocket } from "../fakes/socket.ts";
import { Flow, randomEthernet, randomShape } from "../offload/flows.ts";
import { merge } from "../offload/coalescing.ts";
import {
  byFlow,
  delivered,
  headerBytes,
  join,
  packetsOf,
  partial,
  type SuperPacket,
  VIRTIO_BYTES,
  withIpChecksum,
} from "../offload/oracle.ts";
import { split } from "../offload/segmenting.ts";
import { fuzzMultiplier, type Random, random } from "./random.ts";
import type { Burst } from "../../src/io/arena.ts";
import {
  COUNTER,
  type CounterName,
  DROPS,
  LANE_COUNTERS_BYTES,
  laneCounters,
} from "../../src/forwarding/counters.ts";
import { PacketAdmission } from "../../src/dataplane/admit.ts";
import { Inbound } from "../../src/dataplane/inbound.ts";
import { LOCAL } from "../../src/forwarding/prefixes.ts";
import { checkPacket } from "../../src/net/ip.ts";
import type { PacketDevice, WriteResult } from "../../src/io/device.ts";
import { WRITE } from "../../src/io/device.ts";

const SUPER_PACKETS = Math.round(20_000 * fuzzMultiplier());
const TRAINS = Math.round(4_000 * fuzzMultiplier());
const BUFFERS = Math.round(1_500 * fuzzMultiplier());

/** Numbers that bounds get wrong. */
const EDGES = [0, 1, 2, 19, 20, 39, 40, 41, 60, 119, 120, 127, 128, 255, 256, 65_534, 65_535];

/** Changes a few bytes, mostly in the headers; half of the time the IP header stays right. */
function mutate(dice: Random, packet: Uint8Array): Uint8Array {
  let copy = packet.slice();
  for (let n = dice.below(4); n > 0; n--) {
    const within = dice.below(4) > 0 ? Math.min(copy.length, 64) : copy.length;
    copy[dice.below(within)] = dice.pick([dice.u32(), 0, 0xff, 0x45, 0x4f, 0x60, 0xf0, 0x50]);
  }
  if (dice.below(6) === 0) copy = copy.slice(0, dice.below(copy.length + 1));
  if (copy.length < 20 || dice.below(8) === 0) return copy;
  // Agrees with its length again, to come further.
  if (copy[0]! >> 4 === 4) {
    [copy[2], copy[3]] = [copy.length >> 8, copy.length & 255];
    return withIpChecksum(copy);
  }
  if (copy.length >= 40) [copy[4], copy[5]] = [(copy.length - 40) >> 8, (copy.length - 40) & 255];
  return copy;
}

/** A few packets of one flow that would merge. */
function train(dice: Random, payload_max_bytes: number): Uint8Array[] {
  const payload_bytes = 1 + dice.below(payload_max_bytes);
  const flow = new Flow(dice, { ...randomShape(dice, 0), payload_bytes });
  return Array.from({ length: 1 + dice.below(6) }, () => flow.next());
}

Deno.test(`fuzz: ${SUPER_PACKETS} hostile virtio headers and super-packets through the splitter`, () => {
  const dice = random(0x0ff1);
  let taken = 0;
  for (let i = 0; i < SUPER_PACKETS; i++) {
    const good = join(train(dice, 40));
    const number = (value: number) =>
      dice.below(6) === 0 ? dice.pick([dice.below(65_536), ...EDGES]) : value;
    const bad: SuperPacket = {
      virtio: {
        flags: number(good.virtio.flags) & 0xff,
        gsoType: number(good.virtio.gsoType) & 0xff,
        headerLength: number(good.virtio.headerLength),
        gsoSize: number(good.virtio.gsoSize),
        checksumStart: number(good.virtio.checksumStart),
        checksumOffset: number(good.virtio.checksumOffset),
      },
      packet: mutate(dice, good.packet),
    };
    const completed = dice.below(2) === 0;
    const packets = split(bad, completed, randomEthernet(dice));
    if (!packets) continue;
    taken++;
    // Whatever is sent is whole: payloads add up and every header is right.
    const header = headerBytes(bad.packet);
    const payload = packets.flatMap((packet) => [...packet.slice(header)]);
    assertEquals(payload, [...bad.packet.slice(header)]);
    for (const packet of packets) {
      const view = new DataView(packet.buffer);
      assertEquals(checkPacket(view, 0, packet.length), packet[0]! >> 4);
      if (!completed) assertEquals(packet, partial(packet));
    }
  }
  assert(taken > SUPER_PACKETS / 10 && taken < SUPER_PACKETS * 0.7, `${taken} were taken`);
});

Deno.test(`fuzz: ${TRAINS} trains of hostile packets through the merger`, () => {
  const dice = random(0x0ff2);
  let packetCount = 0;
  let merged = 0;
  for (let i = 0; i < TRAINS; i++) {
    const mayBePartial = dice.below(2) === 0;
    const packets = [train(dice, 60), train(dice, 60)].flat()
      .map((packet) => dice.below(3) === 0 ? mutate(dice, packet) : packet)
      .filter((packet) => checkPacket(new DataView(packet.buffer), 0, packet.length) !== 0);
    const layout = dice.pick(["slots", "one behind the other"] as const);
    const { written } = merge(packets, { mayBePartial, layout });
    const out = written.flatMap(packetsOf);
    if (!mayBePartial) assertEquals(byFlow(out), byFlow(packets), `train ${i}`);
    packetCount += packets.length;
    merged += packets.length - written.length;
  }
  assert(merged > packetCount / 10, `${merged} of ${packetCount} merged`);
});

/** A device with all features that looks at each write as the kernel would. */
class StrictDevice implements PacketDevice {
  readonly features = { checksum: true, partial: true, tcp4: true, tcp6: true, udp: true };
  readonly packets: Uint8Array[] = [];
  writes = 0;

  read(): number {
    return 0;
  }

  write(burst: Burst, offset: Int32Array, length: Int32Array, pieces: number): WriteResult {
    const parts: number[] = [];
    for (let i = 0; i < pieces; i++) {
      assert(offset[i]! >= burst.offset(0) - VIRTIO_BYTES && length[i]! > 0);
      assert(offset[i]! + length[i]! <= burst.bytes.length);
      for (const byte of burst.bytes.subarray(offset[i]!, offset[i]! + length[i]!)) {
        parts.push(byte);
      }
    }
    this.writes++;
    this.packets.push(...packetsOf(Uint8Array.from(parts)));
    return WRITE.ok;
  }
}

Deno.test(`fuzz: ${BUFFERS} hostile UDP_GRO buffers from a known peer inbound`, () => {
  const dice = random(0x0ff3);
  const device = new StrictDevice();
  const socket = new FakeSocket();
  const counters = laneCounters(new SharedArrayBuffer(LANE_COUNTERS_BYTES));
  const { totals } = counters;
  const inbound = new Inbound(
    device,
    socket,
    counters,
    new PacketAdmission(),
    new FakeControl(),
    () => 0,
  );
  // The default node may send any source: more gets past the checks.
  const table = publishedTable(
    [{ address: "192.168.0.7", subnets: ["172.2.0.0/16"], capabilities: 1 }],
    ["172.1.0.0/16", "fd00:1::/32"],
    0,
  );
  socket.table = acquired(table);
  const { routes } = socket.table;
  /** Whether a packet's source is not this node's, and its destination is. */
  const isAdmitted = (packet: Uint8Array) => {
    const [at, size] = packet[0]! >> 4 === 4 ? [12, 4] : [8, 16];
    const source = packet.subarray(at, at + size);
    return routes.lookup(source) === 0 &&
      routes.lookup(packet.subarray(at + size, at + 2 * size)) === LOCAL;
  };
  inbound.useTable(socket.table);
  let datagramCount = 0;
  let accepted: Uint8Array[] = [];
  let acceptedCount = 0;
  for (let i = 0; i < BUFFERS; i++) {
    const left = dice.below(2) === 0;
    const parts = [train(dice, 1400), train(dice, 60)].flat()
      .map((packet) => left && packet.length > 0 ? partial(packet) : packet)
      .map((packet) => dice.below(8) === 0 ? mutate(dice, packet) : packet);
    let bytes = concat(parts);
    if (dice.below(20) === 0) bytes = dice.bytes(dice.below(3000));
    const size = parts[0]!.length;
    const segment = dice.below(4) > 0 ? size : dice.pick([1, 7, 20, size - 1, size + 1, 65_535, 0]);
    socket.waiting.push({ peer: 0, bytes, segment });
    for (const datagram of datagramsOf(bytes, segment)) {
      datagramCount++;
      const view = new DataView(datagram.buffer);
      const whole = checkPacket(view, 0, datagram.length) !== 0;
      if (whole && isAdmitted(datagram)) accepted.push(delivered(datagram, true));
    }
    if (dice.below(3) > 0) continue;
    while (inbound.turn() > 0);
    assertEquals(byFlow(device.packets.splice(0)), byFlow(accepted), `buffer ${i}`);
    acceptedCount += accepted.length;
    accepted = [];
  }
  while (inbound.turn() > 0);
  // Each datagram is accounted for: written, taken as control, or dropped by name.
  const count = (name: CounterName) => totals[COUNTER[name]]!;
  const dropped = DROPS.reduce((sum, name) => sum + count(name), 0);
  assertEquals(count("packets") + count("control") + dropped, datagramCount);
  assertEquals(count("packets"), acceptedCount + accepted.length);
  assert(count("packets") > BUFFERS && count("malformed") > BUFFERS);
  assert(device.writes < count("packets"), "some were merged");
});

/** A buffer of UDP_GRO cut into the datagrams it means; 0: it is one. */
function datagramsOf(bytes: Uint8Array, segment: number): Uint8Array[] {
  if (segment === 0 || bytes.length === 0) return [bytes];
  const out: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += segment) out.push(bytes.slice(at, at + segment));
  return out;
}

function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}
