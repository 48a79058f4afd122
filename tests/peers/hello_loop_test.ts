import { assertEquals } from "../assert.ts";
import { formatAddress, formatEndpoint } from "../../src/net/prefix.ts";
import { HelloLoop } from "../../src/peers/hello_loop.ts";
import type { Peer } from "../../src/peers/peer.ts";
import { Mailbox } from "../../src/forwarding/mailbox.ts";
import { putSockaddr, SOCKADDR_WORDS } from "../../src/io/sockaddr.ts";
import { MAIL_INTERVAL_MS } from "../../src/base/limits.ts";
import { decodeHello, type Hello } from "../../src/wire/hello.ts";
import { helloOf, logged, registryOf, TOKEN } from "../fakes/peers.ts";
import { FakeTime } from "../fakes/time.ts";

/** A loop of two peers whose socket keeps what is sent. */
function setup() {
  const registry = registryOf({ b: "10.0.0.2", c: "10.0.0.3" });
  const { log, lines } = logged();
  const time = new FakeTime();
  const sent: { readonly to: string; readonly hello: Hello; readonly size: number }[] = [];
  const published: string[] = [];
  const rounds: string[] = [];
  const mailbox = new Mailbox();
  const packets = new Float64Array(registry.indexes);
  const sentPackets = new Float64Array(registry.indexes);
  const state = { down: false, moved: [] as readonly Peer[], mtu_bytes: 1472 };
  const hellos = new HelloLoop({
    ...{ registry, log, time, sharedNames: true, packets: () => packets },
    sentPackets: () => sentPackets,
    publisher: {
      publishPeer: ({ name }) => void published.push(name),
      mtuOf: () => state.mtu_bytes,
    },
    resolver: { tick: () => Promise.resolve(state.moved) },
    prober: {
      round: () => void rounds.push("round"),
      check: () => void rounds.push("check"),
      close: () => void rounds.push("close"),
    },
    mailbox,
    send({ port }, { bytes }, datagram) {
      if (state.down) throw new Error("the network is down");
      sent.push({
        to: formatEndpoint(formatAddress(bytes), port),
        hello: decodeHello(datagram)!,
        size: datagram.length,
      });
    },
  });
  const [b, c] = registry.peers;
  /** Puts a hello into the mailbox as a lane does, and waits until it has been read. */
  const hear = async (bytes: Uint8Array<ArrayBuffer>, peer = b!, port = peer.port) => {
    const sender = new Int32Array(SOCKADDR_WORDS);
    putSockaddr(sender, 0, peer.address!.bytes, port);
    const verified = decodeHello(bytes)?.echoToken === TOKEN;
    mailbox.put(peer.index, verified, bytes, 0, bytes.length, sender, 0);
    if (mailbox.announce()) hellos.onMail();
    await time.advance(MAIL_INTERVAL_MS);
  };
  const to = () => sent.splice(0).map(({ to }) => to);
  return {
    registry,
    lines,
    time,
    sent,
    published,
    rounds,
    packets,
    sentPackets,
    state,
    hellos,
    hear,
    to,
    b: b!,
    c: c!,
  };
}

Deno.test("hello loop: a round says hello to all, probes, and looks names up", async () => {
  const { hellos, to, rounds, state, published, time, c } = setup();
  hellos.tick();
  assertEquals([to(), rounds.splice(0)], [["10.0.0.2:3009", "10.0.0.3:3009"], ["round"]]);
  state.moved = [c];
  hellos.tick();
  to();
  await time.advance(0);
  assertEquals([to(), published], [["10.0.0.3:3009"], ["c"]], "who has moved is told at once");
});

Deno.test("hello loop: an underlay that is down ends nothing", () => {
  const { hellos, to, state } = setup();
  state.down = true;
  hellos.helloAll();
  state.down = false;
  hellos.helloAll();
  assertEquals(to().length, 2);
});

Deno.test("hello loop: what a peer says is published and answered", async () => {
  const { hear, to, published, lines, sent } = setup();
  await hear(helloOf());
  assertEquals([published.splice(0), lines.splice(0)], [["b"], ["tunnet: b is up"]]);
  assertEquals(sent.map(({ hello }) => hello.echo_us), [1]);
  to();
  await hear(helloOf({ number: 2, sent_us: 2 }));
  assertEquals([published, to()], [[], []], "nothing new, nothing to publish");
  await hear(helloOf({ number: 3, sent_us: 3, answer: true }));
  assertEquals([published, to().length], [[], 1], "asked: answered");
  await hear(helloOf({ number: 4, sent_us: 4, capabilities: 2 }));
  assertEquals([published.splice(0), to().length], [["b"], 1]);
  await hear(helloOf({ number: 5, sent_us: 5, capabilities: 2, name: "z", mode: "tap" }));
  assertEquals([published.splice(0), lines.splice(0)], [["b"], [
    "tunnet: warn: b calls itself z: are the config files the same?",
    "tunnet: warn: b runs in mode tap, this node in tun",
  ]]);
  to();
  await hear(helloOf({ number: 6, sent_us: 6, leaving: true }));
  assertEquals([published, to(), lines], [["b"], [], ["tunnet: b is down: it was stopped"]]);
});

Deno.test("hello loop: what comes from elsewhere, or is no hello, changes nothing", async () => {
  const { hear, to, published, lines, b } = setup();
  await hear(helloOf(), b, 4000);
  await hear(Uint8Array.of(0xf1, 0));
  assertEquals([published, to(), lines, b.liveness.state], [[], [], [], "plain"]);
});

Deno.test("hello loop: an overdue peer is asked every second, then it is silent", async () => {
  const { registry: { timers }, hellos, hear, sent, lines, published, time } = setup();
  await time.advance(1);
  await hear(helloOf({ echo_us: 1000 * time.now_ms() }));
  published.length = lines.length = 0;
  time.every(timers.health_ms, () => hellos.check());
  await time.advance(timers.overdue_ms - timers.health_ms);
  sent.length = 0;
  await time.advance(timers.silence_ms - timers.overdue_ms);
  assertEquals(
    sent.map(({ to, hello }) => [to, hello.answer]),
    Array(6).fill(["10.0.0.2:3009", true]),
  );
  assertEquals([published, lines], [[], []]);
  await time.advance(timers.health_ms);
  assertEquals([published, lines], [["b"], ["tunnet: warn: b has fallen silent"]]);
});

Deno.test("hello loop: one that sends packets and no hello is plain, not silent", async () => {
  const { registry: { timers }, hellos, hear, packets, time, b } = setup();
  await hear(helloOf());
  time.every(timers.health_ms, () => hellos.check());
  await time.advance(2 * timers.silence_ms);
  assertEquals(b.liveness.state, "silent");
  packets[b.index] = 9;
  await time.advance(timers.health_ms);
  assertEquals(b.liveness.state, "plain");
});

Deno.test("hello loop: peers are told once of what has changed here, and of the end", () => {
  const { registry, hellos, sent, to, rounds } = setup();
  hellos.announce();
  assertEquals(to().length, 2, "nothing was told yet");
  hellos.announce();
  assertEquals(to(), []);
  registry.description = { ...registry.description, mtu_bytes: 1300 };
  hellos.announce();
  assertEquals(sent.splice(0).map(({ hello }) => hello.mtu_bytes), [1300, 1300]);
  hellos.goodbye();
  assertEquals(sent.splice(0).map(({ hello }) => hello.leaving), [true, true]);
  assertEquals(rounds, ["close"]);
  hellos.helloAll();
  assertEquals(to(), [], "it has said goodbye");
});

Deno.test("hello loop: a hello that does not echo our token changes nothing, and gets it", async () => {
  const { hear, sent, published, lines, b } = setup();
  const cases: readonly [name: string, hello: Uint8Array<ArrayBuffer>, answered: boolean][] = [
    ["in the other mode", helloOf({ echoToken: 1n, mode: "tap" }), true],
    ["leaving", helloOf({ echoToken: 0n, leaving: true }), false],
    ["with other capabilities", helloOf({ echoToken: TOKEN - 1n, capabilities: 3 }), true],
    ["with a number far ahead", helloOf({ echoToken: 1n, number: 0xffff_ffff }), true],
    ["of an earlier version, which has no token", helloOf({ token: 0n, echoToken: 0n }), false],
    ["shorter than the answer", helloOf({ echoToken: 1n }).slice(0, 159), false],
  ];
  for (const up of [false, true]) {
    if (up) await hear(helloOf({ token: 77n }));
    published.length = lines.length = sent.length = 0;
    const before = JSON.stringify([b.liveness.state, b.liveness.capabilities, b.liveness.heard_ms]);
    for (const [name, hello, answered] of cases) {
      await hear(hello);
      const after = [b.liveness.state, b.liveness.capabilities, b.liveness.heard_ms];
      assertEquals([published, lines, JSON.stringify(after)], [[], [], before], name);
      assertEquals(sent.length, answered ? 1 : 0, name);
      for (const { to, hello: answer } of sent.splice(0)) {
        assertEquals([to, answer.token, answer.echoToken], ["10.0.0.2:3009", TOKEN, 5n], name);
      }
    }
  }
});

Deno.test("hello loop: two nodes that know nothing of each other come up within three hellos", async () => {
  const { hellos, hear, sent, b } = setup();
  hellos.hello(b);
  const first = sent.splice(0)[0]!.hello;
  assertEquals([first.token, first.echoToken, first.capabilities], [TOKEN, 0n, 0]);
  await hear(helloOf({ token: 99n, echoToken: first.token, capabilities: 1 }));
  const second = sent.splice(0)[0]!.hello;
  assertEquals([second.echoToken, b.liveness.state], [99n, "up"]);
});

Deno.test("hello loop: what a path carries is tried with each round, and more often in use", async () => {
  const { hellos, hear, sent, sentPackets, published, lines, time, b, registry } = setup();
  const { ask_ms } = registry.timers;
  const sizes = () =>
    sent.splice(0).filter(({ to }) => to === "10.0.0.2:3009").map(({ size }) => size);
  b.liveness.path.look(1472, 1472);
  hellos.tick();
  assertEquals(sizes(), [160], "nobody has answered yet");
  await hear(helloOf());
  sizes();
  hellos.tick();
  const [large, small] = sent.filter(({ to }) => to === "10.0.0.2:3009").map(({ hello }) => hello);
  assertEquals(sizes(), [1472, 160]);
  const before = small!.number - 1;
  assertEquals([large!.number, large!.answer, small!.answer], [before, false, false]);
  assertEquals([large!.sent_us, large!.burst], [small!.sent_us, small!.burst]);
  await time.advance(ask_ms);
  hellos.check();
  assertEquals(sizes(), [], "no packets go there");
  sentPackets[b.index] = 1;
  hellos.check();
  const asked = sent.at(-1)!.hello;
  assertEquals([sizes(), asked.answer], [[1472, 160], true]);
  const told = { largest_bytes: 160, number: 2, sent_us: 2 };
  await hear(helloOf({ ...told, peerBurst: asked.burst, echo_us: asked.sent_us }));
  const again = sent.at(-1)!.hello;
  const tried = sizes().filter((size) => size > 160);
  assertEquals(tried.slice(0, 2), [1472, 1472], "again at once, with smaller ones");
  published.length = lines.length = 0;
  /** Answers a burst over a path of 1,372 bytes. */
  const answer = async ({ burst, sent_us }: Hello, all: readonly number[]) => {
    const largest_bytes = Math.max(160, ...all.filter((size) => size <= 1372));
    await hear(helloOf({ ...told, peerBurst: burst, echo_us: sent_us, largest_bytes }));
  };
  await answer(again, tried);
  for (let bursts = 0; published.length === 0 && bursts < 9; bursts++) {
    await answer(sent.at(-1)!.hello, sizes());
  }
  // Sizes on the way there are nobody's business: senders keep what they are told.
  assertEquals([published, lines], [["b"], [
    "tunnet: the path to b carries 1372 bytes now, not 1472",
  ]]);
});
