import { decodePacket, type LinkKind } from "../../../src/inspect/decode/decode.ts";
import { completeChecksum } from "../../../src/inspect/trace/checksum.ts";
import { assert, assertEquals } from "../../assert.ts";
import { bytesOf } from "../decode/packets.ts";
import { fuzzMultiplier, random } from "../../fuzz/random.ts";

const A6 = "fd000000000000000000000000000001";
const B6 = "fd000000000000000000000000000002";
const V4 = "4500002c 00004000 4006hhhh c0a8010a c0a8010c";
const TCP = "04d20050 0000000a 00000000 6002faf0";

/** Packets whose checksum is right, its place in them, and the seed that offloading leaves there. */
const PACKETS: readonly (readonly [name: string, hex: string, at: number, seed: number])[] = [
  ["TCP over IPv4", `${V4} ${TCP} tttt0000 020405b4`, 36, 0x8385],
  // fd00::1, fd00::2: 2 * 0xfd00 + 1 + 2, the length and the protocol.
  ["UDP over IPv6", `60000000 000a1140 ${A6}${B6} 00070009 000auuuu 4142`, 46, 0xfa1f],
  [
    "TCP in a tagged frame",
    `020000000002 020000000001 8100 000a 0800 ${V4} ${TCP} tttt0000 020405b4`,
    54,
    0x8385,
  ],
];

for (const [name, hex, at, seed] of PACKETS) {
  Deno.test(`checksum: a partial checksum is completed: ${name}`, () => {
    const right = bytesOf(hex);
    const link = name.includes("frame") ? "ethernet" : "ip";
    const partial = right.slice();
    partial.set([seed >> 8, seed & 0xff], at);
    completeChecksum(partial, link);
    assertEquals(partial, right);
    // A right one, and a wrong one, stay as they are.
    completeChecksum(partial, link);
    assertEquals(partial, right);
    const wrong = right.slice();
    wrong[at]! ^= 0x5a;
    const before = wrong.slice();
    completeChecksum(wrong, link);
    assertEquals(wrong, before);
  });
}

Deno.test("checksum: 50,000 damaged packets: nothing thrown, nothing but a partial checksum changed", () => {
  const dice = random(0x5e77);
  let completed = 0;
  for (let i = 0; i < 50_000 * fuzzMultiplier(); i++) {
    const [name, hex, at, seed] = dice.pick(PACKETS);
    const link: LinkKind = name.includes("frame") ? "ethernet" : "ip";
    let bytes = bytesOf(hex);
    if (dice.below(2) === 0) bytes.set([seed >> 8, seed & 0xff], at);
    for (let n = dice.below(3); n > 0; n--) bytes[dice.below(bytes.length)] = dice.u32();
    if (dice.below(4) === 0) bytes = bytes.slice(0, dice.below(bytes.length + 1));
    const before = bytes.slice();
    const notesOf = (packet: Uint8Array<ArrayBuffer>) =>
      decodePacket(new DataView(packet.buffer), 0, packet.length, packet.length, link).notes;
    completeChecksum(bytes, link);
    const changed = bytes.some((byte, k) => byte !== before[k]);
    // Where lengths lie, the decoder does not look at checksums.
    if (!changed || notesOf(before).some(({ kind }) => kind !== "checksum")) continue;
    completed++;
    assert(notesOf(before).some(({ text }) => / partial$/.test(text)), "it was partial");
    assert(notesOf(bytes).every(({ kind }) => kind !== "checksum"), "it is right");
  }
  assert(completed > 1000, `${completed} completed`);
});
