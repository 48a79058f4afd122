import { assertEquals } from "../assert.ts";
import { parseConfig } from "../../src/config/parse.ts";
import { HELLO_ASK_INTERVAL_MS, HELLO_OVERDUE_MS } from "../../src/base/limits.ts";
import { createLog } from "../../src/base/log.ts";
import { parseAddress } from "../../src/net/prefix.ts";
import { Roster } from "../../src/peers/roster.ts";
import { Strangers } from "../../src/peers/strangers.ts";
import { encodeHello, type Hello } from "../../src/wire/hello.ts";

const HELLO: Hello = {
  version: 1,
  mode: "tun",
  capabilities: 1,
  sent_us: 1_000_000,
  echo_us: 0,
  held_us: 0,
  mtu_bytes: 1472,
  name: "b",
  number: 1,
  answer: false,
  leaving: false,
  probe: false,
  program: "",
};

const CONFIG = `nodes:
  - {name: a, address: 10.0.0.1, subnets: []}
  - {name: b, address: 10.0.0.2, subnets: [], roaming: true}
  - {name: c, address: 10.0.0.3, subnets: []}
`;

/** A node that knows b, which may roam, and c, which may not. */
function setup() {
  const { config } = parseConfig(CONFIG, "test");
  const roster = new Roster(config, config.nodes[0]!, 4);
  const clock = { ms: 100_000 };
  const challenges: string[] = [];
  const moved: string[] = [];
  const warnings: string[] = [];
  const strangers = new Strangers({
    roster,
    log: createLog({
      level: "warn",
      json: false,
      now: () => new Date(0),
      write: (line) => warnings.push(line),
    }),
    now_ms: () => clock.ms,
    challenge: (peer, at) => {
      challenges.push(`${peer.name} ${at.address.bytes.join(".")}:${at.port}`);
      return 7_000_000 + challenges.length;
    },
    onMoved: (peer) => moved.push(peer.name),
  });
  const hear = (change: Partial<Hello> = {}, address = "10.9.9.9", port = 3009) =>
    strangers.hear(
      { address: parseAddress(address)!.bytes, port },
      encodeHello({ ...HELLO, ...change }),
    );
  /** The time that the last challenge carried. */
  const challenge_us = () => 7_000_000 + challenges.length;
  const [b, c] = roster.peers;
  const where = () => `${b!.address!.bytes.join(".")}:${b!.port}`;
  return { roster, clock, challenges, moved, warnings, strangers, hear, challenge_us, b, c, where };
}

const HOME = "10.0.0.2:3009";

Deno.test("roaming: a hello is answered, and moves the peer only when its echo comes from there", () => {
  const { hear, challenges, challenge_us, moved, where } = setup();
  hear();
  assertEquals([challenges, where()], [["b 10.9.9.9:3009"], HOME]);
  hear({ echo_us: challenge_us() + 1 });
  assertEquals(where(), HOME, "another time is no echo");
  hear({ echo_us: challenge_us() }, "10.9.9.8");
  assertEquals(where(), HOME, "an echo from elsewhere proves nothing");
  hear({ echo_us: challenge_us() }, "10.9.9.9", 4000);
  assertEquals(where(), HOME, "nor does one from another port");
  hear({ echo_us: challenge_us() });
  assertEquals([moved, where()], [["b"], "10.9.9.9:3009"]);
});

Deno.test("roaming: back home, where the config says it is", () => {
  const { hear, challenge_us, clock, where, b } = setup();
  hear();
  hear({ echo_us: challenge_us() });
  assertEquals(where(), "10.9.9.9:3009");
  clock.ms += HELLO_ASK_INTERVAL_MS;
  hear({}, "10.0.0.2");
  hear({ echo_us: challenge_us() }, "10.0.0.2");
  assertEquals(where(), HOME);
  assertEquals(b!.home?.port, 3009);
});

Deno.test("roaming: who is heard where he was is not put aside", () => {
  const { roster, hear, strangers, challenge_us, clock, where, b } = setup();
  const alive = () => roster.book.hear(b!.index, encodeHello(HELLO), clock.ms);
  alive();
  hear();
  hear({ echo_us: challenge_us() });
  for (let i = 0; i < 10; i++) {
    clock.ms += 1_000;
    alive();
    strangers.check();
  }
  assertEquals(where(), HOME);
  // Its proof has grown old by now, and counts no more.
  clock.ms += 2 * HELLO_OVERDUE_MS;
  strangers.check();
  assertEquals(where(), HOME);
});

Deno.test("roaming: a proof that came early counts as soon as the peer is silent where it was", () => {
  const { roster, hear, strangers, challenge_us, clock, where, moved, b } = setup();
  roster.book.hear(b!.index, encodeHello(HELLO), clock.ms);
  clock.ms += 1_000;
  hear();
  hear({ echo_us: challenge_us() });
  clock.ms += HELLO_OVERDUE_MS - 1_001;
  strangers.check();
  assertEquals(where(), HOME);
  clock.ms += 1;
  strangers.check();
  assertEquals([where(), moved], ["10.9.9.9:3009", ["b"]]);
});

Deno.test("roaming: who says goodbye may come back elsewhere at once, but a goodbye moves nobody", () => {
  const { roster, hear, challenges, challenge_us, clock, where, b } = setup();
  hear({ leaving: true });
  assertEquals(challenges, []);
  roster.book.hear(b!.index, encodeHello(HELLO), clock.ms);
  roster.book.hear(b!.index, encodeHello({ ...HELLO, leaving: true }), clock.ms);
  hear();
  hear({ echo_us: challenge_us() });
  assertEquals(where(), "10.9.9.9:3009");
});

Deno.test("roaming: not for others, nor for strangers, nor for bytes that are no hello", () => {
  const { hear, strangers, challenges, warnings, where, c } = setup();
  hear({ name: "c" });
  hear({ name: "d" });
  hear({ name: "a" });
  const sender = { address: Uint8Array.of(10, 9, 9, 9), port: 3009 };
  for (const bytes of [[], [0xf1], [0xf1, 1, 0, 200], encodeHello(HELLO).subarray(0, 32)]) {
    strangers.hear(sender, Uint8Array.from(bytes));
  }
  assertEquals([challenges, warnings, where()], [[], [], HOME]);
  assertEquals(c!.home, undefined);
});

Deno.test("roaming: a flood of hellos from everywhere is answered once a second", () => {
  const { hear, challenges, clock } = setup();
  for (let i = 0; i < 1_000; i++) hear({}, `10.9.${i >> 8}.${i & 255}`);
  assertEquals(challenges.length, 1);
  clock.ms += HELLO_ASK_INTERVAL_MS;
  hear({}, "10.9.9.9");
  assertEquals(challenges.length, 2);
});

Deno.test("strangers: a wrong port is named once, until it is another", () => {
  const { strangers, warnings, c } = setup();
  const nothing = new Uint8Array(0);
  const address = Uint8Array.of(10, 0, 0, 3);
  for (const port of [4000, 4000, 4000]) strangers.hear({ address, port }, nothing);
  assertEquals(warnings.length, 1);
  assertEquals(strangers.wrongPortOf(c!.index), 4000);
  strangers.hear({ address, port: 4001 }, nothing);
  assertEquals(warnings.length, 2);
  strangers.hear({ address, port: 3009 }, nothing);
  strangers.hear({ address: Uint8Array.of(10, 7, 7, 7), port: 3009 }, nothing);
  assertEquals(warnings.length, 2);
});
