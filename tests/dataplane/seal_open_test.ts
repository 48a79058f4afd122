/** Two lanes and a session between them: what one seals the other opens, and nothing else. */

import { assert, assertEquals, assertLess } from "../assert.ts";
import { chooseAead } from "../../src/aead/choose.ts";
import { wasmAead } from "../../src/aead/wasm.ts";
import type { Aead } from "../../src/aead/aead.ts";
import { NONCE_BLOCK, REJECT_AFTER_MESSAGES_HIGH } from "../../src/base/limits.ts";
import { LaneKeys } from "../../src/dataplane/lane_keys.ts";
import { Open, UNOPENED } from "../../src/dataplane/open.ts";
import { Seal } from "../../src/dataplane/seal.ts";
import { LaneSessions } from "../../src/forwarding/lane_sessions.ts";
import { SendCounters } from "../../src/forwarding/send_counters.ts";
import { indexFor, placeOf } from "../../src/forwarding/session_index.ts";
import { PLACE, PLACE_WORDS, sessionViews } from "../../src/forwarding/session_layout.ts";
import { Sessions } from "../../src/forwarding/sessions.ts";
import { simdArena } from "../../src/net/simd.ts";
import { DATA, dataMessageBytes, paddedLength } from "../../src/wire/data_message.ts";
import { ipv4 } from "../fakes/packets.ts";
import { fuzzMultiplier, random } from "../fuzz/random.ts";

const arena = simdArena(512 * 1024);
const { bytes, view, start } = arena;
/** Where packets are, where messages are made, where they are opened to. */
const [SOURCE, MESSAGE, OPENED] = [start + 1024, start + 140_000, start + 280_000];
const MTU = 1420;

const wasm = wasmAead(arena)!;
const { aead: chosen } = chooseAead(arena);

/** A lane with a session for peer `peer` whose keys are `send` and `receive`. */
class TestLane {
  readonly sessions = new Sessions();
  readonly counters = new SendCounters(this.sessions.memory);
  readonly keys: LaneKeys;
  readonly lane: LaneSessions;
  readonly seal: Seal;
  readonly open: Open;

  constructor(aead: Aead, readonly peer: number, trims = true) {
    this.keys = new LaneKeys(aead, this.counters);
    this.lane = new LaneSessions(this.sessions.memory, 0, this.keys);
    this.seal = new Seal(bytes, view, this.lane, this.keys, this.counters);
    this.open = new Open(view, this.lane, this.keys, trims);
  }

  begin(index: number, remoteIndex: number, sendKey: Uint8Array, receiveKey: Uint8Array): void {
    const made = { index, remoteIndex, sendKey, receiveKey };
    assert(
      this.sessions.publish(this.peer, { older: 0, previous: 0, current: index, next: 0 }, 1, made),
    );
    this.lane.acquire();
  }

  end(): void {
    this.sessions.publish(this.peer, { older: 0, previous: 0, current: 0, next: 0 }, 1);
    this.lane.acquire();
  }
}

function pair(seed: number, aead = wasm, trims = true) {
  const dice = random(seed);
  const [k1, k2] = [dice.bytes(32), dice.bytes(32)];
  const [a, b] = [new TestLane(aead, 3, trims), new TestLane(aead, 700, trims)];
  const [ia, ib] = [indexFor(3, 1, dice.u32()), indexFor(700, 5, dice.u32())];
  a.begin(ia, ib, k1, k2);
  b.begin(ib, ia, k2, k1);
  return { dice, a, b, ia, ib };
}

const packetOf = (length: number): Uint8Array =>
  ipv4("172.1.0.2", "172.2.0.2", Array(length - 20).fill(9));

/** Seals a packet at MESSAGE; its message's length. */
function sealed(lane: TestLane, packet: Uint8Array, inPlace = false): number {
  const from = inPlace ? MESSAGE + DATA.text : SOURCE;
  bytes.set(packet, from);
  const padded = paddedLength(packet.length, MTU);
  return lane.seal.seal(lane.peer, MESSAGE, from, packet.length, padded);
}

Deno.test("seal and open: packets of every length up to the MTU, in place and not", () => {
  for (const aead of [wasm, chosen]) {
    const { a, b, ib } = pair(1, aead);
    for (let length = 20; length <= MTU; length += length < 80 ? 1 : 13) {
      for (const inPlace of [false, true]) {
        const packet = packetOf(length);
        bytes.fill(0x77, SOURCE + length, SOURCE + length + 32);
        const size = sealed(a, packet, inPlace);
        assertEquals(size, dataMessageBytes(paddedLength(length, MTU)));
        if (!inPlace) {
          assert(bytes.subarray(SOURCE, SOURCE + length).every((byte, i) => byte === packet[i]));
          const behind = bytes.subarray(SOURCE + length, SOURCE + length + 32);
          assert(behind.every((byte) => byte === 0x77), "what is behind stays");
        }
        const to = inPlace ? MESSAGE + DATA.text : OPENED;
        assertEquals(b.open.open(to, MESSAGE, size), length);
        assertEquals([b.open.peer, b.open.index], [700, ib]);
        assert(packet.every((byte, i) => bytes[to + i] === byte));
      }
    }
  }
});

Deno.test("seal and open: a row of segments, each header over the end of the one sealed before", () => {
  const { dice, a, b } = pair(2, chosen);
  const payload = dice.bytes(44 * 1000);
  bytes.set(payload, SOURCE + 40);
  let to = MESSAGE;
  for (let i = 0; i < 44; i++) {
    const from = SOURCE + i * 1000;
    bytes.set(packetOf(1040).subarray(0, 20), from);
    to += a.seal.seal(a.peer, to, from, 1040, 1040);
  }
  let from = MESSAGE;
  for (let i = 0; i < 44; i++, from += dataMessageBytes(1040)) {
    const at = OPENED + i * 1040;
    assertEquals(b.open.open(at, from, dataMessageBytes(1040)), 1040);
    assert(
      payload.subarray(i * 1000, (i + 1) * 1000).every((byte, k) => bytes[at + 40 + k] === byte),
      `segment ${i}`,
    );
  }
  assertEquals(from, to);
});

Deno.test("seal and open: a keepalive, a message that is no IP packet, frames without padding", () => {
  const { a, b } = pair(3);
  assertEquals(b.open.open(OPENED, MESSAGE, sealed(a, new Uint8Array(0))), 0);
  const hello = Uint8Array.of(0xf1, 1, 2, 3, 4);
  assertEquals(b.open.open(OPENED, MESSAGE, sealed(a, hello)), 16, "with its padding");
  const tap = pair(4, wasm, false);
  const frame = Uint8Array.from({ length: 77 }, (_, i) => i);
  bytes.set(frame, SOURCE);
  const size = tap.a.seal.seal(tap.a.peer, MESSAGE, SOURCE, 77, 77);
  assertEquals(tap.b.open.open(OPENED, MESSAGE, size), 77);
});

Deno.test("open: replayed, damaged, for nobody, too short, of another type", () => {
  const { a, b, ib } = pair(5);
  const size = sealed(a, packetOf(100));
  const message = bytes.slice(MESSAGE, MESSAGE + size);
  const open = (change: (copy: Uint8Array) => void, length = size) => {
    const copy = message.slice();
    change(copy);
    bytes.set(copy, MESSAGE);
    return b.open.open(OPENED, MESSAGE, length);
  };
  const set = (at: number, value: number) => (copy: Uint8Array) => void (copy[at] = value);
  assertEquals(open(set(size - 1, message[size - 1]! ^ 1)), UNOPENED.badTag);
  assertEquals(open(set(8, message[8]! ^ 1)), UNOPENED.badTag, "another counter");
  assertEquals(open((copy) => new DataView(copy.buffer).setUint32(4, ib ^ 1 << 31, true)), -1);
  assertEquals(open((copy) => copy.fill(0, 4, 8)), UNOPENED.noSession);
  assertEquals(open(set(0, 1)), UNOPENED.malformed);
  assertEquals(open(set(3, 1)), UNOPENED.malformed, "the zeros behind the type");
  for (let length = 0; length < 32; length++) {
    assertEquals(open(() => {}, length), UNOPENED.malformed, `${length} bytes`);
  }
  assertEquals(open(() => {}, size - 1), UNOPENED.badTag);
  assertEquals(open(() => {}), 100);
  assertEquals(open(() => {}), UNOPENED.replayed);
  // What was forged did not move the window: an older one still comes in.
  const second = sealed(a, packetOf(50));
  const [x, y] = [bytes.slice(MESSAGE, MESSAGE + second), sealed(a, packetOf(60))];
  assertEquals(b.open.open(OPENED, MESSAGE, y), 60);
  bytes.set(x, MESSAGE);
  assertEquals(b.open.open(OPENED, MESSAGE, second), 50);
});

Deno.test("open: authentic, but shorter than the packet in it says, or no whole header", () => {
  const { a, b } = pair(6);
  const claim = (text: Uint8Array) => {
    bytes.set(text, SOURCE);
    const size = a.seal.seal(a.peer, MESSAGE, SOURCE, text.length, text.length);
    return b.open.open(OPENED, MESSAGE, size);
  };
  const four = packetOf(40);
  four[3] = 41;
  assertEquals(claim(four), UNOPENED.malformed);
  four[3] = 0;
  assertEquals(claim(four), UNOPENED.malformed, "of no bytes");
  assertEquals(claim(packetOf(40).subarray(0, 19)), UNOPENED.malformed);
  const six = new Uint8Array(48);
  six[0] = 0x60;
  six[5] = 9;
  assertEquals(claim(six), UNOPENED.malformed);
  assertEquals(claim(six.subarray(0, 39)), UNOPENED.malformed);
  six[5] = 3;
  assertEquals(claim(six), 43);
});

Deno.test("seal: no session, one that has ended, one that has sent all it may", () => {
  const { a, b, ia } = pair(7);
  assertEquals(a.seal.isReady(4), false);
  assertEquals(a.seal.seal(4, MESSAGE, SOURCE, 100, 100), 0);
  const { places } = sessionViews(a.sessions.memory);
  const at = placeOf(ia) * PLACE_WORDS;
  places[at + PLACE.counterHigh] = REJECT_AFTER_MESSAGES_HIGH | 0;
  places[at + PLACE.counterLow] = 0xffff_df80 | 0;
  let made = 0;
  while (sealed(a, packetOf(60)) > 0) made++;
  assertEquals(made, 2 * NONCE_BLOCK - 1);
  assertEquals(sealed(a, packetOf(60)), 0);
  b.end();
  assertEquals(b.seal.isReady(700), false);
  assertEquals(sealed(b, packetOf(60)), 0);
});

Deno.test("open: 50,000 hostile messages: none is taken, none throws", () => {
  const { dice, a, b } = pair(8);
  const real = bytes.slice(MESSAGE, MESSAGE + sealed(a, packetOf(200)));
  for (let i = 0; i < 50_000 * fuzzMultiplier(); i++) {
    const copy = dice.below(3) > 0 ? real.slice() : dice.bytes(dice.below(300));
    for (let n = 1 + dice.below(4); n > 0 && copy.length > 0; n--) {
      copy[dice.below(copy.length)]! ^= 1 << dice.below(8);
    }
    const length = dice.below(4) > 0 ? copy.length : dice.below(copy.length + 1);
    if (length === real.length && copy.every((byte, k) => byte === real[k])) continue;
    bytes.set(copy, MESSAGE);
    assertLess(b.open.open(OPENED, MESSAGE, length), 0);
  }
  bytes.set(real, MESSAGE);
  assertEquals(b.open.open(OPENED, MESSAGE, real.length), 200);
});

Deno.test("seal and open: nothing is allocated for a packet", () => {
  const { a, b } = pair(9, chosen);
  const packets = [packetOf(60), packetOf(1400)];
  bytes.set(packets[0]!, SOURCE);
  bytes.set(packets[1]!, SOURCE + 2_000);
  const turn = (count: number) => {
    for (let i = 0; i < count; i++) {
      const long = i & 1;
      const length = long === 1 ? 1400 : 60;
      const size = a.seal.seal(3, MESSAGE, SOURCE + 2_000 * long, length, (length + 15) & ~15);
      if (b.open.open(OPENED, MESSAGE, size) !== length) throw new Error("not opened");
    }
  };
  const gc = (globalThis as { gc?: () => void }).gc;
  assert(gc, "run with --v8-flags=--expose-gc");
  // Code allocates until V8 has compiled it, on a thread of its own: the best of the rounds counts.
  const packetsEach = 50_000;
  let least = Infinity;
  for (let round = 0; round < 20 && least > packetsEach; round++) {
    gc();
    const before = Deno.memoryUsage().heapUsed;
    turn(packetsEach);
    least = Math.min(least, Deno.memoryUsage().heapUsed - before);
  }
  assertLess(least, packetsEach, `${least} bytes for ${packetsEach} packets`);
});
