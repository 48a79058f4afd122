/** Cutting IPv4 packets, beside RFC 791's words taken literally. */

import { assert, assertEquals } from "../assert.ts";
import { fuzzMultiplier, type Random, random } from "../fuzz/random.ts";
import { foldChecksum, sum16 } from "../../src/net/checksum.ts";
import { checkPacket, PACKET } from "../../src/net/ip.ts";
import { Fragmenter, mayBeCut, NOT_CUT } from "../../src/offload/fragment.ts";

interface Parts {
  readonly identification: number;
  /** DF, MF and the offset in units of 8 bytes. */
  readonly fragment: number;
  readonly options: readonly number[];
  readonly payload: readonly number[];
}

function packet({ identification, fragment, options, payload }: Parts): Uint8Array {
  const padded = [...options, ...Array((4 - options.length % 4) % 4).fill(0)];
  const header = 20 + padded.length;
  const bytes = Uint8Array.from([
    ...[0x40 | header / 4, 0x10, 0, 0, 0, 0, 0, 0, 61, 17, 0, 0, 172, 16, 0, 1, 172, 17, 0, 2],
    ...[...padded, ...payload],
  ]);
  const view = new DataView(bytes.buffer);
  view.setUint16(2, bytes.length);
  view.setUint16(4, identification);
  view.setUint16(6, fragment);
  view.setUint16(10, foldChecksum(sum16(view, 0, header)));
  return bytes;
}

/** What the fragmenter makes, each fragment whole. */
function cut(bytes: Uint8Array, mtu_bytes: number): Uint8Array[] {
  const lead = 7;
  const view = new DataView(Uint8Array.from([...Array(lead).fill(9), ...bytes]).buffer);
  const fragmenter = new Fragmenter();
  const count = fragmenter.begin(view, lead, bytes.length, mtu_bytes);
  return Array.from({ length: count }, (_, i) => {
    const out = new Uint8Array(fragmenter.headerLength(i) + fragmenter.payloadLength(i));
    fragmenter.writeHeader(i, new DataView(out.buffer), 0);
    const at = fragmenter.payloadOffset(i);
    out.set(
      new Uint8Array(view.buffer).subarray(at, at + fragmenter.payloadLength(i)),
      fragmenter.headerLength(i),
    );
    return out;
  });
}

/** The same by the letter: as much as fits goes into a fragment, then the rest is looked at. */
function naive(parts: Parts, mtu_bytes: number): Uint8Array[] {
  const { fragment, identification } = parts;
  const later: number[] = [];
  for (let rest = parts.options; rest.length > 0 && rest[0] !== 0;) {
    const size = rest[0] === 1 ? 1 : rest[1]!;
    if (rest[0]! >= 128) later.push(...rest.slice(0, size));
    rest = rest.slice(size);
  }
  const fragments: Uint8Array[] = [];
  let options = parts.options;
  let at = fragment & 0x1fff;
  for (let rest = parts.payload; rest.length > 0 || fragments.length === 0;) {
    const room = mtu_bytes - 20 - 4 * Math.ceil(options.length / 4);
    const payload = rest.slice(0, Math.floor(room / 8) * 8);
    rest = rest.slice(payload.length);
    const more = rest.length > 0 ? 0x2000 : fragment & 0x2000;
    fragments.push(packet({ identification, fragment: more | at, options, payload }));
    at += payload.length / 8;
    options = later;
  }
  return fragments;
}

/** What a host makes of fragments that come in any order. */
function reassembled(
  fragments: readonly Uint8Array[],
): { begin: number; more: boolean; payload: number[] } {
  const pieces = fragments.map((bytes) => {
    const view = new DataView(bytes.buffer);
    const field = view.getUint16(6);
    const payload = [...bytes.subarray((bytes[0]! & 15) * 4)];
    return { begin: (field & 0x1fff) * 8, more: (field & 0x2000) !== 0, payload };
  }).sort((one, other) => one.begin - other.begin);
  const [first] = pieces;
  const payload: number[] = [];
  for (const piece of pieces) {
    assertEquals(piece.begin, first!.begin + payload.length, "no gap, no overlap");
    payload.push(...piece.payload);
  }
  return { begin: first!.begin, more: pieces.at(-1)!.more, payload };
}

function randomOptions(dice: Random): number[] {
  const options: number[] = [];
  while (options.length < 36 && dice.below(3) > 0) {
    const size = 2 + dice.below(6);
    if (dice.below(3) === 0) options.push(1);
    else if (options.length + size <= 40) {
      const type = [7, 68, 130, 131, 148][dice.below(5)]!;
      options.push(type, size, ...Array.from({ length: size - 2 }, () => dice.below(256)));
    }
  }
  return options;
}

function randomParts(dice: Random): Parts {
  const more = dice.below(3) === 0;
  const length = dice.below(4000);
  return {
    identification: dice.below(65_536),
    fragment: (more ? 0x2000 : 0) | (dice.below(2) === 0 ? 0 : dice.below(7000)),
    options: randomOptions(dice),
    // Only the last fragment of all may end within a unit.
    payload: Array.from({ length: more ? length & ~7 : length }, () => dice.below(256)),
  };
}

const RUNS = Math.round(2_000 * fuzzMultiplier());

Deno.test(`fragment: ${RUNS} packets are cut as RFC 791 has it, and put together again`, () => {
  const dice = random(0xf4a6);
  let most = 0;
  for (let run = 0; run < RUNS; run++) {
    const parts = randomParts(dice);
    const mtu_bytes = 68 + dice.below(1500);
    const bytes = packet(parts);
    const fragments = cut(bytes, mtu_bytes);
    assertEquals(fragments, naive(parts, mtu_bytes), `run ${run}`);
    most = Math.max(most, fragments.length);
    for (const one of fragments) {
      assert(one.length <= mtu_bytes);
      assertEquals(checkPacket(new DataView(one.buffer), 0, one.length), PACKET.ipv4);
    }
    // A second narrow link on the way.
    const again = fragments.flatMap((one) => one.length > 68 ? cut(one, 68) : [one]);
    const whole = { begin: (parts.fragment & 0x1fff) * 8, more: (parts.fragment & 0x2000) !== 0 };
    assertEquals(reassembled(again), { ...whole, payload: [...parts.payload] }, `run ${run}`);
  }
  assert(most > 20);
});

Deno.test("fragment: what is not cut", () => {
  const parts = { identification: 7, options: [], payload: Array(2000).fill(1) };
  const cases: readonly [name: string, fragment: number, options: number[], mtu_bytes: number][] = [
    ["DF", 0x4000, [], 1400],
    ["DF in a fragment", 0x6001, [], 1400],
    ["no room for a payload", 0, [], 27],
    ["no room behind options", 0, Array(40).fill(1), 67],
    ["an end behind what an offset can say", 0x1fff, [], 1400],
  ];
  for (const [name, fragment, options, mtu_bytes] of cases) {
    const bytes = packet({ ...parts, fragment, options });
    assertEquals(cut(bytes, mtu_bytes).length, NOT_CUT, name);
  }
  const free = packet({ ...parts, fragment: 0 });
  assertEquals(mayBeCut(new DataView(free.buffer), 0), true);
  assertEquals(mayBeCut(new DataView(packet({ ...parts, fragment: 0x4000 }).buffer), 0), false);
});

Deno.test("fragment: options that contradict themselves end the list, and nothing is read behind them", () => {
  const dice = random(3);
  for (let run = 0; run < 2_000; run++) {
    const options = Array.from({ length: 4 * dice.below(11) }, () => dice.below(256));
    const payload = Array(300).fill(5);
    const fragments = cut(packet({ identification: 1, fragment: 0, options, payload }), 128);
    for (const one of fragments) {
      assertEquals(checkPacket(new DataView(one.buffer), 0, one.length), PACKET.ipv4);
    }
    assertEquals(reassembled(fragments).payload, payload);
  }
});
