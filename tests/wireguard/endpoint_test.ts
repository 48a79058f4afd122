/** Alice, Bob and Eve with a fake clock: what the state machines do with each other. */

import { assert, assertEquals, assertGreater, assertLessOrEqual } from "../assert.ts";
import { HANDSHAKES_WAITING_MAX } from "../../src/base/limits.ts";
import { MESSAGE } from "../../src/wireguard/messages.ts";
import { TIMES } from "../../src/wireguard/timers.ts";
import { fuzzMultiplier, random } from "../fuzz/random.ts";
import { Network, pair, SimNode } from "./network.ts";

/** The same node with nothing but its key, in its place. */
function restart(node: SimNode): SimNode {
  const { network, name, privateKey, source } = node;
  const reborn = new SimNode(network, name, privateKey, source.address[3]!);
  network.nodes.splice(network.nodes.indexOf(node), 1, reborn);
  return reborn;
}

const roles = (node: SimNode) => node.log.filter((action) => action.do === "roles").at(-1);

Deno.test("endpoint: the first packet waits for the handshake and arrives", () => {
  const { network, alice, bob } = pair(1);
  alice.send(0, "hello");
  network.pass(10);
  assertEquals(bob.inbox, ["hello"]);
  assertEquals([alice.initiationsSent(), bob.initiationsSent()], [1, 0]);
  bob.send(0, "and back");
  network.pass(10);
  assertEquals(alice.inbox, ["and back"]);
  assertEquals([...alice.drops, ...bob.drops], []);
});

Deno.test("endpoint: a preshared key must be the same on both sides", () => {
  for (const same of [true, false]) {
    const network = new Network(2);
    const [alice, bob] = [network.node("alice"), network.node("bob")];
    const psk = network.dice.bytes(32);
    alice.meet(0, bob, { presharedKey: psk });
    bob.meet(0, alice, { presharedKey: same ? psk : network.dice.bytes(32) });
    alice.send(0, "secret");
    network.pass(20);
    assertEquals(bob.inbox, same ? ["secret"] : []);
    assertEquals(alice.drops, same ? [] : ["bad_handshake"]);
  }
});

Deno.test("endpoint: an answer to the wrong initiator, to nobody, and again, is dropped", () => {
  const { network, alice, bob } = pair(3);
  alice.send(0, "x");
  network.pass(10);
  const response = network.heard.find(({ bytes }) => bytes[0] === MESSAGE.response)!;
  alice.take(response.bytes, bob.source);
  assertEquals(alice.drops, ["unknown_index"]);
  bob.take(response.bytes, alice.source);
  assertEquals(bob.drops, ["bad_mac1"]);
});

Deno.test("endpoint: a handshake is retried with jitter, and given up after 90 s", () => {
  const { network, alice } = pair(4);
  network.blocked = () => true;
  const at_ms: number[] = [];
  network.blocked = ({ bytes }) => {
    if (bytes[0] === MESSAGE.initiation) at_ms.push(network.now_ms);
    return true;
  };
  alice.send(0, "lost");
  network.pass(200_000);
  const gaps = at_ms.slice(1).map((time, i) => time - at_ms[i]!);
  assert(gaps.every((gap) => gap >= 5_000 && gap <= 5_334), `gaps ${gaps}`);
  assertGreater(new Set(gaps).size, 5, "jitter");
  assertEquals(at_ms.length, 18);
  assertEquals(alice.log.filter((action) => action.do === "give_up").length, 1);
  assertEquals(alice.waiting.size, 0);
  // Data begins it anew.
  alice.send(0, "again");
  network.pass(10);
  assertEquals(at_ms.length, 19);
});

Deno.test("endpoint: both begin at once, with every order of arrival, and converge", () => {
  for (let seed = 0; seed < 50; seed++) {
    const { network, alice, bob } = pair(seed);
    network.weather = { lost: 0, doubled: 200, delay_ms: 8 };
    alice.send(0, "from alice");
    bob.send(0, "from bob");
    network.pass(100);
    assertEquals([alice.inbox, bob.inbox], [["from bob"], ["from alice"]], `seed ${seed}`);
    // Data goes on both ways without a third handshake.
    for (let i = 0; i < 20; i++) {
      alice.send(0, `a${i}`);
      bob.send(0, `b${i}`);
      network.pass(500);
    }
    assertEquals(alice.inbox.length, 21, `seed ${seed}`);
    assertEquals(bob.inbox.length, 21, `seed ${seed}`);
    assertLessOrEqual(alice.initiationsSent() + bob.initiationsSent(), 2, `seed ${seed}`);
  }
});

Deno.test("endpoint: the initiator rekeys after 120 s of sending, the responder never", () => {
  for (const sender of ["alice", "bob"] as const) {
    const { network, alice, bob } = pair(6);
    alice.send(0, "first");
    network.pass(10);
    for (let i = 0; i < 130; i++) {
      (sender === "alice" ? alice : bob).send(0, `${i}`);
      network.pass(1_000);
    }
    assertEquals(bob.initiationsSent(), 0);
    // Bob's data alone makes Alice rekey at 165 s, not before.
    assertEquals(alice.initiationsSent(), sender === "alice" ? 2 : 1);
    for (let i = 0; i < 45; i++) {
      (sender === "alice" ? alice : bob).send(0, `${i}`);
      network.pass(1_000);
    }
    assertEquals(alice.initiationsSent(), 2);
    assertEquals([...alice.drops, ...bob.drops], []);
  }
});

Deno.test("endpoint: an hour of traffic both ways, rekeyed all along, loses nothing", () => {
  const { network, alice, bob } = pair(7);
  for (let i = 0; i < 3_600; i++) {
    alice.send(0, `a${i}`);
    bob.send(0, `b${i}`);
    network.pass(1_000);
  }
  assertEquals([alice.inbox.length, bob.inbox.length], [3_600, 3_600]);
  assertEquals([...alice.drops, ...bob.drops], []);
  const made = alice.sessionsMade;
  assert(made >= 29 && made <= 32, `${made} sessions in an hour`);
  assertLessOrEqual(alice.sessions.size, 3);
});

Deno.test("endpoint: data is answered by one keepalive after 10 s, keepalives by nothing", () => {
  const { network, alice, bob } = pair(8);
  alice.send(0, "data");
  network.pass(9_000);
  assertEquals([alice.keepalives, bob.keepalives], [0, 0]);
  network.pass(2_000);
  assertEquals([alice.keepalives, bob.keepalives], [0, 1]);
  network.pass(100_000);
  assertEquals([alice.keepalives, bob.keepalives], [0, 1], "no keepalive answers a keepalive");
  assertEquals(alice.initiationsSent() + bob.initiationsSent(), 1);
});

Deno.test("endpoint: a persistent keepalive makes the session and keeps it", () => {
  const network = new Network(9);
  const [alice, bob] = [network.node("alice"), network.node("bob")];
  bob.meet(0, alice);
  alice.meet(0, bob, { keepalive_ms: 25_000 });
  network.pass(1_000);
  assertEquals(alice.sessionsMade, 1);
  network.pass(600_000);
  assertGreater(alice.keepalives, 20);
  assert(roles(bob)!.current !== 0, "the session is there");
  bob.send(0, "to the one behind a NAT");
  network.pass(10);
  assertEquals(alice.inbox.length, 1);
});

Deno.test("endpoint: keys are erased when they are 180 s old", () => {
  const { network, alice, bob } = pair(10);
  alice.send(0, "x");
  network.pass(179_000);
  assertEquals([alice.sessions.size, bob.sessions.size], [1, 1]);
  network.pass(2_000);
  assertEquals([alice.sessions.size, bob.sessions.size], [0, 0]);
});

Deno.test("endpoint: the peer restarts: a new session within 15 s and jitter", () => {
  const { network, alice, bob } = pair(11);
  alice.send(0, "x");
  network.pass(1_000);
  const reborn = restart(bob);
  reborn.meet(0, alice);
  const begin_ms = network.now_ms;
  while (reborn.inbox.length === 0 && network.now_ms - begin_ms < 60_000) {
    alice.send(0, "are you there?");
    network.pass(500);
  }
  assertLessOrEqual(network.now_ms - begin_ms, 16_500);
  // Where the restarted side sends first, it takes no time at all.
  reborn.send(0, "here");
  network.pass(20);
  assertEquals(alice.inbox, ["here"]);
});

Deno.test("endpoint: a suspended host is back with its first packet", () => {
  const { network, alice, bob } = pair(12);
  alice.send(0, "x");
  network.pass(1_000);
  network.sleep(600_000);
  alice.run(alice.endpoint.tick(network.now_ms));
  bob.run(bob.endpoint.tick(network.now_ms));
  alice.send(0, "awake");
  network.pass(20);
  assertEquals(bob.inbox.at(-1), "awake");
});

Deno.test("endpoint: timestamps grow though the clock is set back by an hour", () => {
  const { network, alice, bob } = pair(13);
  alice.send(0, "x");
  network.pass(200_000);
  alice.wallShift_ms = -3_600_000;
  alice.send(0, "y");
  network.pass(20);
  assertEquals(bob.inbox, ["x", "y"]);
  assertEquals(bob.drops, []);
});

Deno.test("endpoint: the peer restarts with a clock an hour back: who it calls calls it", () => {
  for (const waits of [false, true]) {
    const { network, alice, bob } = pair(25);
    bob.send(0, "x");
    network.pass(10_000);
    const reborn = restart(bob);
    reborn.wallShift_ms = -3_600_000;
    reborn.meet(0, alice);
    // Data goes to one that is away, or else all was answered when it went.
    if (waits) alice.send(0, "are you there?");
    network.pass(1_500);
    const begin_ms = network.now_ms;
    reborn.send(0, "back");
    while (alice.inbox.at(-1) !== "back" && network.now_ms - begin_ms < 60_000) {
      network.pass(100);
      if (!waits) alice.send(0, "and you?");
    }
    assert(alice.drops.includes("replayed_handshake"));
    // The second call of the one that restarted finds that data of ours had no answer.
    assertLessOrEqual(network.now_ms - begin_ms, waits ? 100 : 5_500);
    assertEquals(alice.initiationsSent(), 1);
  }
});

Deno.test("endpoint: a changed address is followed by the first data message from there", () => {
  const { network, alice, bob } = pair(14);
  alice.send(0, "x");
  network.pass(200_000);
  alice.source = { address: Uint8Array.of(10, 9, 9, 9), port: 1234 };
  alice.send(0, "moved");
  network.pass(20);
  assertEquals(bob.inbox, ["x", "moved"]);
  assertEquals(bob.where.get(0), alice.source);
});

Deno.test("endpoint: an old initiation after a restart moves nothing and ends nothing", () => {
  const { network, alice, bob } = pair(24);
  alice.send(0, "x");
  network.pass(10);
  const old = network.heard.find(({ bytes }) => bytes[0] === MESSAGE.initiation)!.bytes;
  const reborn = restart(bob);
  reborn.meet(0, alice);
  reborn.send(0, "back");
  network.pass(20);
  assertEquals(alice.inbox, ["back"]);
  const current = reborn.current.get(0);
  reborn.take(old, { address: Uint8Array.of(6, 6, 6, 6), port: 666 });
  assertEquals(reborn.where.get(0), alice.source);
  assertEquals(reborn.current.get(0), current);
  reborn.send(0, "as before");
  network.pass(10);
  assertEquals(alice.inbox, ["back", "as before"]);
});

Deno.test("endpoint: Eve replays all that she heard: nothing arrives, no session ends", () => {
  const { network, alice, bob } = pair(15);
  for (let i = 0; i < 300; i++) {
    alice.send(0, `a${i}`);
    bob.send(0, `b${i}`);
    network.pass(1_000);
  }
  const [inAlice, inBob] = [alice.inbox.length, bob.inbox.length];
  const before = [alice.current.get(0), bob.current.get(0)];
  const eve = { address: Uint8Array.of(6, 6, 6, 6), port: 666 };
  const heard = [...network.heard];
  const sent = network.heard.length;
  for (const { bytes } of heard) {
    alice.take(bytes, eve);
    bob.take(bytes, eve);
  }
  assertEquals([alice.inbox.length, bob.inbox.length], [inAlice, inBob]);
  assertEquals([alice.current.get(0), bob.current.get(0)], before);
  assertEquals(network.heard.length, sent, "nothing is answered");
  assertEquals([alice.where.get(0), bob.where.get(0)], [bob.source, alice.source]);
  alice.send(0, "still");
  network.pass(10);
  assertEquals(bob.inbox.at(-1), "still");
});

Deno.test("endpoint: Eve, unknown to Bob but knowing his key, gets nothing from him", () => {
  const { network, bob } = pair(16);
  const eve = network.node("eve");
  eve.meet(0, bob);
  eve.send(0, "let me");
  network.pass(1_000);
  assertEquals(bob.drops, ["bad_handshake"]);
  assertEquals(bob.sentTypes, [0, 0, 0, 0, 0]);
});

Deno.test("endpoint: under load a sender must show its address, and then gets in", () => {
  const { network, alice, bob } = pair(17);
  bob.endpoint.load.spent(9, HANDSHAKES_WAITING_MAX + 1, network.now_ms);
  const keepBusy = () => bob.endpoint.load.spent(9, HANDSHAKES_WAITING_MAX + 1, network.now_ms);
  alice.send(0, "in spite of all");
  for (let i = 0; i < 12; i++) {
    keepBusy();
    network.pass(500);
  }
  assertEquals(bob.drops, ["handshake_flood"]);
  assertEquals(bob.sentTypes[MESSAGE.cookie], 1);
  assertEquals(bob.inbox, ["in spite of all"]);
  assertEquals(alice.where.get(0), bob.source);
});

Deno.test("endpoint: a cookie is bound to address and port", () => {
  for (const [change, works] of [["none", true], ["port", false], ["address", false]] as const) {
    const { network, alice, bob } = pair(18);
    bob.endpoint.load.spent(9, HANDSHAKES_WAITING_MAX + 1, network.now_ms);
    alice.send(0, "x");
    network.pass(2_500);
    if (change === "port") alice.source = { ...alice.source, port: 4321 };
    if (change === "address") {
      alice.source = { ...alice.source, address: Uint8Array.of(10, 0, 0, 77) };
    }
    for (let i = 0; i < 6; i++) {
      bob.endpoint.load.spent(9, HANDSHAKES_WAITING_MAX + 1, network.now_ms);
      network.pass(500);
    }
    assertEquals(bob.inbox.length, works ? 1 : 0, change);
  }
});

Deno.test("endpoint: a forged or repeated cookie reply changes nothing", () => {
  const { network, alice, bob } = pair(19);
  bob.endpoint.load.spent(9, HANDSHAKES_WAITING_MAX + 1, 0);
  alice.send(0, "x");
  network.pass(10);
  const reply = network.heard.find(({ bytes }) => bytes[0] === MESSAGE.cookie)!.bytes;
  for (let at = 4; at < reply.length; at++) {
    const forged = reply.slice();
    forged[at]! ^= 1;
    alice.take(forged, bob.source);
  }
  alice.take(reply, bob.source);
  assertEquals(alice.drops.length, reply.length - 4 + 1);
  assert(alice.drops.every((drop) => drop === "bad_cookie" || drop === "unknown_index"));
});

Deno.test("endpoint: a flood from one source is limited though its cookies are right", () => {
  const { network, bob } = pair(20);
  const mallory = network.node("mallory");
  // Bob knows this one: its handshakes are authentic, only too many.
  bob.meet(1, mallory);
  mallory.meet(0, bob);
  let answered = 0;
  for (let i = 0; i < 200; i++) {
    bob.endpoint.load.spent(9, HANDSHAKES_WAITING_MAX + 1, network.now_ms);
    const before = bob.sentTypes[MESSAGE.response]!;
    mallory.run(mallory.endpoint.queued(0, network.now_ms));
    const last = network.heard.at(-1);
    if (last?.bytes[0] === MESSAGE.initiation) {
      for (let k = 0; k < 10; k++) bob.take(last.bytes, mallory.source);
    }
    network.pass(50);
    answered += bob.sentTypes[MESSAGE.response]! - before;
  }
  assertLessOrEqual(answered, 3);
  assert(bob.drops.includes("handshake_flood"));
});

Deno.test("endpoint: a peer that goes takes its sessions along, and may come again", () => {
  const { network, alice, bob } = pair(21);
  alice.send(0, "x");
  network.pass(10);
  alice.run(alice.endpoint.remove(0));
  assertEquals(alice.sessions.size, 0);
  assertEquals(alice.endpoint.remove(0), []);
  bob.send(0, "anybody?");
  network.pass(60_000);
  assertEquals(alice.inbox, []);
  alice.meet(0, bob);
  network.pass(6_000); // Bob has been trying all along.
  bob.send(0, "now?");
  network.pass(10);
  assertEquals(alice.inbox.at(-1), "now?");
});

Deno.test("endpoint: keys that cannot be a peer's are refused", () => {
  const { network, alice, bob } = pair(22);
  const refused = (publicKey: Uint8Array) => !alice.endpoint.add(7, { publicKey }, network.now_ms);
  assert(refused(new Uint8Array(32)), "zeros");
  assert(refused(Uint8Array.of(1, ...new Uint8Array(31))), "a point of low order");
  assert(refused(alice.publicKey), "our own");
  assert(refused(bob.publicKey), "another peer's");
  assert(refused(new Uint8Array(31).fill(9)), "too short");
});

Deno.test("endpoint: lost, doubled and overtaking datagrams: what arrives is right, and it recovers", () => {
  const runs = Math.round(20 * fuzzMultiplier());
  for (let seed = 100; seed < 100 + runs; seed++) {
    const { network, alice, bob } = pair(seed);
    const dice = random(seed);
    network.weather = { lost: 150, doubled: 100, delay_ms: 400 };
    const said = { a: new Set<string>(), b: new Set<string>() };
    for (let i = 0; i < 400; i++) {
      if (dice.below(3) > 0) {
        alice.send(0, `a${i}`);
        said.a.add(`a${i}`);
      }
      if (dice.below(3) > 0) {
        bob.send(0, `b${i}`);
        said.b.add(`b${i}`);
      }
      network.pass(dice.below(2_500));
    }
    for (const [box, sent] of [[alice.inbox, said.b], [bob.inbox, said.a]] as const) {
      assertEquals(new Set(box).size, box.length, `seed ${seed}: nothing twice`);
      assert(box.every((text) => sent.has(text)), `seed ${seed}: nothing invented`);
      assertGreater(box.length, sent.size * 0.7, `seed ${seed}: most arrives`);
    }
    network.weather = { lost: 0, doubled: 0, delay_ms: 0 };
    network.pass(20_000);
    const [inAlice, inBob] = [alice.inbox.length, bob.inbox.length];
    alice.send(0, "fair weather");
    bob.send(0, "fair weather");
    network.pass(6_000);
    assertGreater(alice.inbox.length, inAlice, `seed ${seed}`);
    assertGreater(bob.inbox.length, inBob, `seed ${seed}`);
    assertLessOrEqual(alice.sessions.size, 4, "sessions are bounded");
  }
});

Deno.test("endpoint: short times from options", () => {
  const times = {
    ...TIMES,
    rekey_after_ms: 2_000,
    reject_after_ms: 9_000,
    keepalive_timeout_ms: 1_000,
    rekey_timeout_ms: 500,
  };
  const { network, alice, bob } = pair(23, {}, times);
  for (let i = 0; i < 60; i++) {
    alice.send(0, `${i}`);
    network.pass(1_000);
  }
  assertEquals(bob.inbox.length, 60);
  assertGreater(alice.sessionsMade, 15);
});
