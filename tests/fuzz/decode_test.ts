/** The decoders against random and mutated packets: no exception, and nothing beyond the packet is read. */

import { decodePacket } from "../../src/inspect/decode/decode.ts";
import { packetJson, packetLine, plainPaint } from "../../src/inspect/decode/line.ts";
import { Summary } from "../../src/inspect/dump/summary.ts";
import { SUMMARY_PROTOCOLS_MAX } from "../../src/base/limits.ts";
import { assert, assertEquals } from "../assert.ts";
import { bytesOf } from "../inspect/decode/packets.ts";
import { ipv4, ipv6 } from "../fakes/packets.ts";
import { fuzzMultiplier, random } from "./random.ts";

const INPUTS = Math.round(200_000 * fuzzMultiplier());
const GUARD = 64;
const ROOM = 512;

const A6 = "fd000000000000000000000000000001";
const B6 = "fd000000000000000000000000000002";
const TCP = [...bytesOf("04d20050 0000000a 0000000b 8012faf0 00000000 020405b4 0101080a0102")];
const QUOTE = [...ipv4("172.1.0.2", "172.9.0.2", [0, 7, 0, 9, 0, 8, 0, 0])];

/** One of each kind, to be damaged. */
const PACKETS = [
  ipv4("172.1.0.2", "172.9.0.2", TCP, { protocol: 6 }),
  ipv4("172.1.0.2", "172.9.0.2", [0, 7, 0, 9, 0, 8, 0, 0]),
  ipv4("172.1.0.2", "172.9.0.2", [8, 0, 1, 2, 3, 4, 5, 6], { protocol: 1 }),
  ipv4("172.1.0.2", "172.9.0.2", [3, 4, 0, 0, 0, 0, 5, 0x78, ...QUOTE], { protocol: 1 }),
  ipv4("172.1.0.2", "172.9.0.2", [1, 2, 3, 4, 5, 6, 7, 8], { fragment: 0x2003 }),
  ipv4("172.1.0.2", "172.9.0.2", [1], { headerOptions: [7, 7, 4, 1, 2, 3, 4, 0] }),
  ipv6("fd00:1:0:0:0:0:0:2", "fd00:2:0:0:0:0:0:2", TCP, 6),
  ipv6("fd00:1:0:0:0:0:0:2", "fd00:2:0:0:0:0:0:2", [128, 0, 0, 0, 0, 1, 0, 2], 58),
  bytesOf(`60000000 00180040 ${A6}${B6} 3c00 050200000100 3a00 010400000000 8000nnnn 00070001`),
  bytesOf(`60000000 00102c40 ${A6}${B6} 3a0005a9 0000beef 0102030405060708`),
  bytesOf(`60000000 00203aff ${A6}${B6} 8700 nnnn 00000000 ${B6} 0101020000000001`),
  bytesOf(`60000000 00303aff ${A6}${B6} 8600 nnnn 40000708 00000000 00000000 0501 0000000005dc`),
];
const MAC = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
const FRAMES = [
  ...PACKETS.map((packet) =>
    Uint8Array.of(...MAC, packet[0] === 0x60 ? 0x86 : 8, packet[0] === 0x60 ? 0xdd : 0, ...packet)
  ),
  Uint8Array.of(...MAC, ...bytesOf("8100600a 88a80014 0800"), ...PACKETS[0]!),
  Uint8Array.of(
    ...MAC,
    ...bytesOf("0806 0001080006040001 020000000001c0a8020a 000000000000c0a8020c"),
  ),
  Uint8Array.of(...MAC, ...bytesOf("0026 424203 0000")),
];

Deno.test(`fuzz: ${INPUTS} packets and frames through the decoders`, () => {
  const dice = random(0xdec0de);
  const arena = new Uint8Array(GUARD + ROOM + GUARD);
  const view = new DataView(arena.buffer);
  const summary = new Summary();
  const time = new Date(0);
  const reached = { noted: 0, clean: 0, snapped: 0, kinds: new Set<string>() };
  for (let i = 0; i < INPUTS; i++) {
    const link = dice.pick(["ip", "ethernet"] as const);
    let bytes: Uint8Array;
    if (dice.below(8) === 0) bytes = dice.bytes(dice.below(ROOM));
    else {
      bytes = dice.pick(link === "ip" ? PACKETS : FRAMES).slice();
      for (let n = dice.below(4); n > 0; n--) bytes[dice.below(bytes.length)] = dice.u32();
      if (dice.below(4) === 0) bytes = bytes.slice(0, dice.below(bytes.length + 1));
    }
    const length = bytes.length + (dice.below(4) === 0 ? dice.below(2000) : 0);
    const decode = () => decodePacket(view, GUARD, bytes.length, length, link);
    arena.fill(dice.u32());
    arena.set(bytes, GUARD);
    const decoded = decode();
    const met = { time, device: "tun0", direction: "in", length_bytes: length } as const;
    const line = packetLine(met, decoded, plainPaint);
    // Whatever is sent, a line is printable and short.
    assert(/^[ -~]+$/.test(line), line);
    assert(line.length < 4_000, `${line.length}`);
    const json = JSON.stringify(packetJson(met, decoded));
    // What is around the packet changes nothing: it is not read.
    arena.fill(dice.u32());
    arena.set(bytes, GUARD);
    if (i % 4 === 0) assertEquals(JSON.stringify(packetJson(met, decode())), json);
    summary.add(decoded.protocol, length);
    reached[decoded.notes.length > 0 ? "noted" : "clean"]++;
    if (length > bytes.length) reached.snapped++;
    for (const { kind } of decoded.layers) reached.kinds.add(kind);
  }
  assert(reached.noted > INPUTS / 10 && reached.clean > INPUTS / 10, JSON.stringify(reached));
  assert(reached.snapped > INPUTS / 10);
  assertEquals([...reached.kinds].sort(), [
    ...["arp", "data", "ethernet", "icmp", "icmpv6", "ipv4", "ipv6", "tcp", "udp"],
  ]);
  assertEquals(summary.packets, INPUTS);
  assert(Object.keys(summary.protocols).length <= SUMMARY_PROTOCOLS_MAX + 1);
});
