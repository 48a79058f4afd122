import { assertEquals } from "../assert.ts";
import { slowChecksum } from "../fakes/packets.ts";
import { random } from "../fuzz/random.ts";
import { foldChecksum, sum16 } from "../../src/net/checksum.ts";

Deno.test("checksum: ranges of every length and alignment, against the slow and obvious way", () => {
  const dice = random(0xc5);
  for (let length = 0; length < 300; length++) {
    const offset = dice.below(20);
    const bytes = dice.bytes(offset + length);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const expected = slowChecksum([...bytes.subarray(offset)]);
    assertEquals(foldChecksum(sum16(view, offset, length)), expected, `${offset} ${length}`);
  }
});

Deno.test("checksum: all ones, up to the largest packet and beyond", () => {
  for (const length of [65_535, 65_536, 262_144]) {
    const view = new DataView(new Uint8Array(length).fill(0xff).buffer);
    // All words are 0xffff, which is 0 in one's complement; an odd byte makes 0xff00.
    assertEquals(foldChecksum(sum16(view, 0, length)), length % 2 === 0 ? 0 : 0x00ff);
  }
});

Deno.test("checksum: sums go on from one range to the next, and fold whatever their size", () => {
  const bytes = random(0xc6).bytes(1000);
  const view = new DataView(bytes.buffer);
  const whole = sum16(view, 0, 1000);
  const parts = sum16(view, 600, 400, sum16(view, 0, 600));
  assertEquals(foldChecksum(parts), foldChecksum(whole));
  const cases: [number, number][] = [
    [0, 0xffff],
    [0xffff, 0],
    [0x1_0000, 0xfffe],
    [0xffff_ffff, 0],
    [0x1_0000_0001, 0xfffd],
    [2 ** 40 + 5, 0xfefa],
  ];
  for (const [sum, folded] of cases) assertEquals(foldChecksum(sum), folded, `${sum}`);
});
