/**
 * Every parser of packets against random and mutated bytes: no exception, no
 * write outside its buffer, and the same verdict as a slow reference.
 */

import { assert, assertEquals } from "../assert.ts";
import { ipv4, ipv6, slowChecksum } from "../fakes/packets.ts";
import { fuzzMultiplier, random } from "./random.ts";
import { ICMP_ERROR_MAX_BYTES, writeIcmpError } from "../../src/net/icmp_error.ts";
import { checkPacket } from "../../src/net/ip.ts";
import { decodeHello, encodeHello } from "../../src/wire/hello.ts";

const INPUTS = Math.round(200_000 * fuzzMultiplier());
const GUARD = 64;

const SEEDS = [
  ipv4("172.1.0.2", "172.9.0.2"),
  ipv4("172.1.0.2", "172.9.0.2", [8, 0, 1, 2, 3], { protocol: 1 }),
  ipv4("172.1.0.2", "172.9.0.2", [1], { headerOptions: [7, 7, 4, 1, 2, 3, 4, 0] }),
  ipv6("fd00:1:0:0:0:0:0:2", "fd00:2:0:0:0:0:0:2", [128, 0, 0, 0], 58),
  encodeHello({
    version: 1,
    mode: "tun",
    capabilities: 0,
    sent_us: 12,
    echo_us: 13,
    held_us: 14,
    mtu_bytes: 1472,
    name: "node-a",
    number: 15,
    answer: true,
    leaving: false,
    probe: false,
    ...{ program: "1.2.3", token: 16n, echoToken: 17n, burst: 3, peerBurst: 4, largest_bytes: 18 },
  }),
];

/** RFC 791 and RFC 8200 read slowly: is this one whole packet? */
function reference(bytes: readonly number[]): number {
  const version = bytes.length > 0 ? bytes[0]! >> 4 : 0;
  if (version === 4 && bytes.length >= 20) {
    const header = (bytes[0]! & 15) * 4;
    const whole = header >= 20 && header <= bytes.length &&
      bytes[2]! * 256 + bytes[3]! === bytes.length;
    return whole && slowChecksum(bytes.slice(0, header)) === 0 ? 4 : 0;
  }
  if (version === 6 && bytes.length >= 40) {
    return bytes[4]! * 256 + bytes[5]! + 40 === bytes.length ? 6 : 0;
  }
  return 0;
}

Deno.test(`fuzz: ${INPUTS} datagrams through every packet parser`, () => {
  const dice = random(0x7e57);
  const arena = new Uint8Array(GUARD + 4096 + GUARD);
  const view = new DataView(arena.buffer);
  const out = new Uint8Array(GUARD + ICMP_ERROR_MAX_BYTES + GUARD);
  const outView = new DataView(out.buffer, GUARD, ICMP_ERROR_MAX_BYTES);
  const verdicts: Record<number, number> = { 0: 0, 4: 0, 6: 0 };
  let answers = 0;
  let hellos = 0;
  for (let i = 0; i < INPUTS; i++) {
    let bytes: Uint8Array;
    if (dice.below(4) === 0) bytes = dice.bytes(dice.below(90));
    else {
      bytes = dice.pick(SEEDS).slice();
      for (let n = dice.below(4); n > 0; n--) bytes[dice.below(bytes.length)] = dice.u32();
      if (dice.below(4) === 0) bytes = bytes.slice(0, dice.below(bytes.length + 1));
      // Half of the damaged IPv4 headers get a right checksum, to come further.
      if (bytes.length >= 20 && bytes[0]! >> 4 === 4 && dice.below(2) === 0) {
        const header = Math.min(bytes.length, Math.max(20, (bytes[0]! & 15) * 4));
        bytes[10] = bytes[11] = 0;
        const sum = slowChecksum([...bytes.subarray(0, header)]);
        bytes[10] = sum >> 8;
        bytes[11] = sum & 0xff;
      }
    }
    arena.set(bytes, GUARD);
    const version = checkPacket(view, GUARD, bytes.length);
    assertEquals(version, reference([...bytes]), `checkPacket(${bytes.join()})`);
    verdicts[version]!++;
    if (version !== 0) {
      out.fill(0xaa);
      const reason = dice.pick(["noRoute", "tooBig"] as const);
      const size = writeIcmpError(outView, view, GUARD, bytes.length, version, reason, 1300);
      if (size > 0) answers++;
      for (let at = 0; at < GUARD; at++) {
        assert(out[at] === 0xaa && out[GUARD + ICMP_ERROR_MAX_BYTES + at] === 0xaa);
      }
      const reply = new DataView(out.buffer, GUARD, size);
      // What we answer with is itself a whole packet.
      if (size > 0) assertEquals(checkPacket(reply, 0, size), version);
    }
    const hello = decodeHello(bytes);
    if (hello) {
      hellos++;
      assert(/^[A-Za-z0-9._?-]{0,63}$/.test(hello.name));
      assert(/^[A-Za-z0-9._?-]{0,32}$/.test(hello.program));
    }
  }
  // The fuzzing reached every branch often enough to mean something.
  for (const reached of [verdicts[0]!, verdicts[4]!, verdicts[6]!, answers, hellos]) {
    assert(reached > INPUTS / 200, JSON.stringify({ verdicts, answers, hellos }));
  }
});
