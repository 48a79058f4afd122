/** From one kernel's device to another's: what two nodes do to packets together is nothing. */

import { FakeControl } from "../fakes/control.ts";
import { assert, assertEquals } from "../assert.ts";
import { FakeDevice } from "../fakes/device.ts";
import { acquired, publishedTable } from "../fakes/table.ts";
import { FakeSocket } from "../fakes/socket.ts";
import { fuzzMultiplier, random } from "../fuzz/random.ts";
import { Flow } from "../offload/flows.ts";
import {
  byFlow,
  complete,
  headerBytes,
  ipBytes,
  NO_OFFLOAD,
  packetsOf,
  partial,
  type SuperPacket,
  withChecksum,
} from "../offload/oracle.ts";
import { handedOut, putHanded } from "./handed_out.ts";
import { LANE_COUNTERS_BYTES, laneCounters } from "../../src/forwarding/counters.ts";
import { Transmit, VERDICT } from "../../src/dataplane/transmit.ts";
import { PacketAdmission } from "../../src/dataplane/admit.ts";
import { Inbound } from "../../src/dataplane/inbound.ts";
import { Packet } from "../../src/dataplane/packet.ts";
import { CAPABILITY } from "../../src/wire/hello.ts";

const TABLE = publishedTable(
  [
    { address: "192.168.0.7", subnets: [], mtu_bytes: 65_507 },
    {
      address: "192.168.0.9",
      subnets: [],
      mtu_bytes: 65_507,
      capabilities: CAPABILITY.partialChecksum,
    },
  ],
  [],
  1,
  ["0.0.0.0/0", "::/0"],
);
const PLAIN = 0;
const TUNNET = 1;

function setup() {
  const socket = new FakeSocket();
  const counters = () => laneCounters(new SharedArrayBuffer(LANE_COUNTERS_BYTES));
  const transmit = new Transmit(socket, counters(), undefined, () => 0);
  transmit.useTable(acquired(TABLE));
  const device = new FakeDevice({
    checksum: true,
    partial: true,
    tcp4: true,
    tcp6: true,
    udp: true,
  });
  const inbound = new Inbound(
    device,
    socket,
    counters(),
    new PacketAdmission(),
    new FakeControl(),
    () => 0,
  );
  socket.table = acquired(TABLE);
  inbound.useTable(socket.table);
  /** What leaves for a peer when the device hands out this. */
  const send = (peer: number, handed: readonly SuperPacket[]) => {
    const { burst } = transmit;
    const one = new Packet();
    handed.forEach((superPacket, slot) => {
      putHanded(burst, slot, superPacket, one);
      assertEquals(transmit.send(peer, one), VERDICT.queued);
    });
    transmit.flush();
    return socket.sent.splice(0).map(({ bytes }) => bytes);
  };
  /** What the other node's kernel sees of these datagrams. */
  const receive = (datagrams: readonly Uint8Array[]) => {
    socket.waiting = datagrams.map((bytes) => ({ peer: TUNNET, bytes }));
    while (inbound.turn() > 0);
    return device.writtenWhole.splice(0).flatMap(packetsOf);
  };
  return { send, receive };
}

const RUNS = Math.round(150 * fuzzMultiplier());

Deno.test(`transmit: ${RUNS} times, a plain peer gets complete packets, a tunnet the same through its device`, () => {
  const dice = random(0xe9e5);
  const { send, receive } = setup();
  let partials = 0;
  for (let run = 0; run < RUNS; run++) {
    const all = Array.from({ length: 1 + dice.below(3) }, () => handedOut(dice));
    const handed = all.flatMap((one) => one.handed);
    const packets = all.flatMap((one) => one.packets);
    assertEquals(send(PLAIN, handed), packets, `run ${run}`);
    const datagrams = send(TUNNET, handed);
    partials += datagrams.filter((bytes, i) => bytes.join() !== packets[i]!.join()).length;
    assertEquals(byFlow(receive(datagrams)), byFlow(packets), `run ${run}`);
  }
  assert(partials > RUNS, "checksums were left to the tunnet");
});

Deno.test("transmit: a partial checksum deep in a packet is completed for every peer", () => {
  // IPv4 and UDP without a checksum (VXLAN's kind) around a TCP packet.
  const inner = new Flow(random(1), {
    version: 4,
    protocol: "tcp",
    payload_bytes: 100,
    ipOptions: [],
    tcpOptions: [],
    trouble: 0,
  }).next();
  const around = new Flow(random(2), {
    version: 4,
    protocol: "udp",
    payload_bytes: inner.length,
    ipOptions: [],
    tcpOptions: [],
    trouble: 0,
  }).next();
  const wrap = (packet: Uint8Array) => {
    const outer = around.slice();
    outer.set(packet, headerBytes(outer));
    return outer;
  };
  const wanted = withChecksum(wrap(complete(inner)), 0);
  const checksumStart = headerBytes(around) + ipBytes(inner);
  const handed = {
    virtio: { ...NO_OFFLOAD, flags: 1, checksumStart, checksumOffset: 16 },
    packet: withChecksum(wrap(partial(inner)), 0),
  };
  const { send, receive } = setup();
  assertEquals(send(PLAIN, [handed]), [wanted]);
  assertEquals(send(TUNNET, [handed]), [wanted]);
  assertEquals(receive([wanted]), [wanted]);
});
