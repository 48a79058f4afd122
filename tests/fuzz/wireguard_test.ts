/** 200,000 hostile datagrams of WireGuard: nothing throws, nothing forged is answered. */

import { assert, assertEquals, assertGreater } from "../assert.ts";
import {
  HANDSHAKE_SOURCES_MAX,
  HANDSHAKES_WAITING_MAX,
  UDP_PAYLOAD_MAX_BYTES,
} from "../../src/base/limits.ts";
import { MESSAGE, MESSAGE_BYTES } from "../../src/wireguard/messages.ts";
import { macsOf, messageType, receiverIndex } from "../../src/wireguard/messages.ts";
import { mac } from "../../src/wireguard/hash.ts";
import { pair } from "../wireguard/network.ts";
import { fuzzMultiplier, type Random, random } from "./random.ts";

const SIZES = [MESSAGE_BYTES.initiation, MESSAGE_BYTES.response, MESSAGE_BYTES.cookie];

/** Random bytes, with a right type and length often enough, or a real message with some bits changed. */
function hostile(dice: Random, heard: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const kind = dice.below(100);
  if (kind < 40) {
    const real = dice.pick(heard).slice() as Uint8Array<ArrayBuffer>;
    for (let i = 1 + dice.below(3); i > 0; i--) {
      real[dice.below(real.length)]! ^= 1 << dice.below(8);
    }
    return dice.below(8) > 0 ? real : real.slice(0, dice.below(real.length + 1));
  }
  const type = 1 + dice.below(4);
  const length = kind < 75
    ? SIZES[type - 1] ?? 32 + dice.below(100)
    : kind < 99
    ? dice.below(201)
    : dice.pick([UDP_PAYLOAD_MAX_BYTES, 1500, 65_535]);
  const bytes = length > 1_000 ? new Uint8Array(length) : dice.bytes(length);
  bytes.set(Uint8Array.of(type, 0, 0, 0).subarray(0, length));
  return bytes;
}

Deno.test("fuzz: datagrams of types 1 to 4, no throw and no answer to a bad mac1", () => {
  const { network, alice, bob } = pair(1);
  const dice = random(2);
  bob.endpoint.load.spent(0, 0, 0);
  alice.send(0, "hello");
  network.pass(10);
  alice.send(0, "once more");
  network.pass(10);
  const heard = network.heard.map(({ bytes }) => bytes);
  const before = network.heard.length;
  const drops = new Map<string, number>();
  const runs = Math.round(200_000 * fuzzMultiplier());
  for (let i = 0; i < runs; i++) {
    const bytes = hostile(dice, heard);
    const source = { address: dice.bytes(4), port: dice.below(65_536) };
    // A quarter of the time there are too many handshakes.
    network.now_ms += 1;
    if (i % 8_000 === 0) bob.endpoint.load.spent(9, HANDSHAKES_WAITING_MAX + 1, network.now_ms);
    const type = messageType(bytes);
    if (type === MESSAGE.data) receiverIndex(bytes);
    const { actions, drop } = bob.endpoint.receive(bytes, source, network.now_ms);
    drops.set(drop ?? "none", (drops.get(drop ?? "none") ?? 0) + 1);
    if (type === MESSAGE.initiation || type === MESSAGE.response) {
      const { beforeMac1, mac1 } = macsOf(bytes);
      const right = mac(bob.endpoint.identity.mac1Key, beforeMac1).every((b, k) => b === mac1[k]);
      if (!right) assertEquals([drop, actions.length], ["bad_mac1", 0], `datagram ${i}`);
    } else assertEquals(actions.length, 0, `datagram ${i}`);
  }
  for (const name of ["malformed", "bad_mac1", "unknown_index"]) {
    assertGreater(drops.get(name) ?? 0, 1_000, name);
  }
  assert(!drops.has("none"), "nothing forged is taken");
  assertEquals(network.heard.length, before);
  alice.send(0, "still there");
  network.pass(10);
  assertEquals(bob.inbox.at(-1), "still there");
});

Deno.test("fuzz: initiations with a right mac1 from everywhere are bounded under load", () => {
  const { network, bob } = pair(3);
  const dice = random(4);
  const runs = 3 * HANDSHAKE_SOURCES_MAX;
  for (let i = 0; i < runs; i++) {
    const bytes = dice.bytes(MESSAGE_BYTES.initiation);
    bytes.set([1, 0, 0, 0]);
    const { beforeMac1, mac1 } = macsOf(bytes);
    mac1.set(mac(bob.endpoint.identity.mac1Key, beforeMac1));
    if (i % 500 === 0) bob.endpoint.load.spent(9, HANDSHAKES_WAITING_MAX + 1, network.now_ms);
    network.now_ms += 1;
    const source = { address: dice.bytes(4), port: 1 };
    const { actions, drop } = bob.endpoint.receive(bytes, source, network.now_ms);
    assertEquals(drop, "handshake_flood");
    assertEquals(actions.length, 1);
    const [reply] = actions;
    assert(reply?.do === "send" && reply.datagram.length === MESSAGE_BYTES.cookie);
  }
});
