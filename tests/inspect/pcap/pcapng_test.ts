import { assert, assertEquals } from "../../assert.ts";
import {
  encodeInterface,
  encodePacket,
  encodeSectionHeader,
  encodeStatistics,
  LINK_TYPE,
} from "../../../src/inspect/pcap/pcapng.ts";
import { fuzzMultiplier, random } from "../../fuzz/random.ts";
import { readCapture } from "./reader.ts";

const DEVICE = {
  name: "tun0",
  description: "a device",
  linkType: LINK_TYPE.raw,
  snap_bytes: 0,
};

function join(blocks: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(blocks.flatMap((block) => [...block]));
}

Deno.test("pcapng: a section header and an interface, byte for byte", () => {
  const hex = (bytes: Uint8Array) =>
    [...bytes].map((b) => b.toString(16).padStart(2, "0")).join("");
  assertEquals(
    hex(encodeSectionHeader("ab")),
    "0a0d0d0a" + "28000000" + "4d3c2b1a" + "01000000" + "ffffffffffffffff" +
      "04000200" + "61620000" + "00000000" + "28000000",
  );
  assertEquals(
    hex(encodeInterface({ ...DEVICE, description: "", snap_bytes: 0x102 })),
    "01000000" + "2c000000" + "65000000" + "02010000" + "02000400" + "74756e30" +
      "03000000" + "09000100" + "09000000" + "00000000" + "2c000000",
  );
});

Deno.test("pcapng: random packets come back as they were", () => {
  const dice = random(0x9ca9);
  for (let round = 0; round < 200 * fuzzMultiplier(); round++) {
    const packets = Array.from({ length: dice.below(8) }, () => {
      const bytes = dice.bytes(dice.below(200));
      return {
        interface: dice.below(2),
        time: { seconds: dice.u32(), nanoseconds: dice.below(1e9) },
        direction: dice.pick(["in", "out"] as const),
        bytes,
        length_bytes: bytes.length + dice.below(2000),
        comment: dice.pick([undefined, "", "dropped: spoofed_source", "é".repeat(dice.below(9))]),
      };
    });
    const file = readCapture(join([
      encodeSectionHeader("tunnet"),
      encodeInterface(DEVICE),
      encodeInterface({ ...DEVICE, name: "udp", linkType: LINK_TYPE.ethernet }),
      ...packets.map(encodePacket),
      encodeStatistics(1, { seconds: 1, nanoseconds: 2 }, 70_000_000_000, 3),
    ]));
    assertEquals(file.interfaces, [
      { linkType: 101, name: "tun0" },
      { linkType: 1, name: "udp", received: 70_000_000_000n, dropped: 3n },
    ]);
    assertEquals(file.packets.length, packets.length);
    for (const [i, packet] of packets.entries()) {
      const { seconds, nanoseconds } = packet.time;
      const { comment } = packet;
      assertEquals(file.packets[i], {
        interface: packet.interface,
        time_ns: BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds),
        bytes: packet.bytes,
        length_bytes: packet.length_bytes,
        direction: packet.direction === "in" ? 1 : 2,
        ...(comment === undefined ? {} : { comment }),
      });
    }
  }
});

Deno.test("pcapng: a comment longer than an option may be is cut, and the file stays whole", () => {
  const packet = {
    interface: 0,
    time: { seconds: 1, nanoseconds: 0 },
    direction: "in" as const,
    bytes: new Uint8Array(3),
    length_bytes: 3,
    comment: "x".repeat(70_000),
  };
  const blocks = [encodeSectionHeader("t"), encodeInterface(DEVICE), encodePacket(packet)];
  assertEquals(readCapture(join(blocks)).packets[0]!.comment!.length, 65_535);
});

Deno.test("pcapng: every block is a multiple of four bytes", () => {
  for (let length = 0; length < 9; length++) {
    const block = encodePacket({
      interface: 0,
      time: { seconds: 0, nanoseconds: 0 },
      direction: "out",
      bytes: new Uint8Array(length),
      length_bytes: length,
      comment: "y".repeat(length),
    });
    assert(block.length % 4 === 0);
  }
});
