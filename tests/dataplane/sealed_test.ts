/** What two nodes with keys do to packets together is nothing, and their messages say nothing of them. */

import { FakeControl } from "../fakes/control.ts";
import { assert, assertEquals } from "../assert.ts";
import { FakeDevice } from "../fakes/device.ts";
import { sealingWithItself } from "../fakes/sealing.ts";
import { FakeSocket } from "../fakes/socket.ts";
import { acquired, publishedTable } from "../fakes/table.ts";
import { fuzzMultiplier, type Random, random } from "../fuzz/random.ts";
import { byFlow, packetsOf, type SuperPacket } from "../offload/oracle.ts";
import { handedOut, putHanded } from "./handed_out.ts";
import { PacketAdmission } from "../../src/dataplane/admit.ts";
import { Inbound } from "../../src/dataplane/inbound.ts";
import { Packet } from "../../src/dataplane/packet.ts";
import { Transmit, VERDICT } from "../../src/dataplane/transmit.ts";
import { COUNTERS, LANE_COUNTERS_BYTES, laneCounters } from "../../src/forwarding/counters.ts";
import { HANDSHAKES_HANDED_ON_PER_S } from "../../src/base/limits.ts";
import { CAPABILITY } from "../../src/wire/hello.ts";

const PEER = 0;
/** Little enough to be full at times. */
const SEALED_BYTES = 256 * 1024;

const table = publishedTable(
  [{
    address: "192.168.0.9",
    subnets: [],
    mtu_bytes: 65_000,
    capabilities: CAPABILITY.partialChecksum,
    sealed: true,
  }],
  [],
  PEER,
  ["0.0.0.0/0", "::/0"],
);
const socket = new FakeSocket();
socket.table = acquired(table);
const { sealing, told, asked } = sealingWithItself(PEER, SEALED_BYTES);
const sent = laneCounters(new SharedArrayBuffer(LANE_COUNTERS_BYTES));
const received = laneCounters(new SharedArrayBuffer(LANE_COUNTERS_BYTES));
const count = (name: typeof COUNTERS[number]) => received.totals[COUNTERS.indexOf(name)]!;
const transmit = new Transmit(socket, sent, sealing, () => 0);
transmit.useTable(acquired(table));
const features = { checksum: true, partial: true, tcp4: true, tcp6: true, udp: true };
const device = new FakeDevice(features);
const admission = new PacketAdmission();
const inbound = new Inbound(
  ...[device, socket, received, admission, new FakeControl(), () => 0, sealing] as const,
);
inbound.useTable(acquired(table));

function send(handed: readonly SuperPacket[]): readonly Uint8Array[] {
  const packet = new Packet();
  handed.forEach((one, slot) => {
    putHanded(transmit.burst, slot, one, packet);
    assertEquals(transmit.send(PEER, packet), VERDICT.queued);
  });
  transmit.flush();
  return socket.sent.splice(0).map(({ bytes }) => bytes);
}

/** As they come: each by itself, or in rows of one size with a shorter one at the end. */
function receive(dice: Random, messages: readonly Uint8Array[]): readonly Uint8Array[] {
  for (let i = 0; i < messages.length;) {
    const segment = messages[i]!.length;
    const row = [messages[i++]!];
    let total = segment;
    while (i < messages.length && dice.below(20) > 0) {
      const next = messages[i]!;
      total += next.length;
      if (next.length > segment || row.at(-1)!.length < segment || total > 65_507) break;
      row.push(next);
      i++;
    }
    const bytes = Uint8Array.from(row.flatMap((one) => [...one]));
    socket.waiting.push({ peer: PEER, bytes, segment: row.length > 1 ? segment : 0 });
  }
  while (inbound.turn() > 0);
  return device.writtenWhole.splice(0).flatMap(packetsOf);
}

const RUNS = Math.round(150 * fuzzMultiplier());

Deno.test(`sealed: ${RUNS} times, what kernels hand out arrives as it would have in the clear`, () => {
  const dice = random(0x5ea1);
  let messages = 0;
  for (let run = 0; run < RUNS; run++) {
    const all = Array.from({ length: 1 + dice.below(3) }, () => handedOut(dice));
    const packets = all.flatMap((one) => one.packets);
    const made = send(all.flatMap((one) => one.handed));
    messages += made.length;
    assertEquals(made.length, packets.length, `run ${run}`);
    made.forEach((message, i) => {
      assertEquals(message[0], 4);
      const extra_bytes = message.length - packets[i]!.length - 32;
      assert(extra_bytes >= 0 && extra_bytes < 16, `${extra_bytes} bytes of padding`);
    });
    assertEquals(byFlow(receive(dice, made)), byFlow(packets), `run ${run}`);
  }
  assertEquals([count("packets"), told.length], [messages, 0]);
});

Deno.test("sealed: a row with forged and repeated messages in it: only these are dropped", () => {
  const dice = random(0x5ea2);
  const before = COUNTERS.map((name) => count(name));
  let forged = 0, repeated = 0;
  for (let run = 0; run < RUNS; run++) {
    const { handed, packets } = handedOut(dice);
    const made = send(handed);
    const row: Uint8Array[] = [];
    made.forEach((message) => {
      if (dice.below(4) === 0) {
        const bad = message.slice();
        bad[16 + dice.below(bad.length - 16)]! ^= 1 << dice.below(8);
        row.push(bad);
        forged++;
      }
      row.push(message);
      if (dice.below(4) === 0) {
        row.push(message);
        repeated++;
      }
    });
    assertEquals(byFlow(receive(dice, row)), byFlow(packets), `run ${run}`);
  }
  const grown = (name: typeof COUNTERS[number]) => count(name) - before[COUNTERS.indexOf(name)]!;
  assert(forged > 0 && repeated > 0);
  assertEquals([grown("bad_tag"), grown("replayed")], [forged, repeated]);
});

Deno.test("sealed: of a flood of handshakes some are handed on, and the rest costs nothing", () => {
  const FLOOD = 3 * HANDSHAKES_HANDED_ON_PER_S;
  const bytes = new Uint8Array(148);
  bytes[0] = 1;
  const before = count("handshake_flood");
  for (let i = 0; i < FLOOD; i++) socket.waiting.push({ peer: PEER, bytes });
  while (inbound.turn() > 0);
  const handed = told.splice(0);
  assertEquals(new Set(handed.map(({ what }) => what)), new Set(["handshake"]));
  assertEquals([handed.length, asked.count], Array(2).fill(HANDSHAKES_HANDED_ON_PER_S));
  assertEquals(count("handshake_flood") - before, FLOOD - HANDSHAKES_HANDED_ON_PER_S);
});
