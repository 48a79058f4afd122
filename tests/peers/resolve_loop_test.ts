import { assertEquals } from "../assert.ts";
import { parseConfig } from "../../src/config/parse.ts";
import { HELLO_SILENCE_MS, RESOLVE_INTERVAL_MS } from "../../src/base/limits.ts";
import { createLog } from "../../src/base/log.ts";
import { type Address, parseAddress } from "../../src/net/prefix.ts";
import { Follower } from "../../src/peers/resolve_loop.ts";
import { Roster } from "../../src/peers/roster.ts";
import { encodeHello } from "../../src/wire/hello.ts";

const CONFIG = `nodes:
  - {name: a, address: 10.0.0.1, subnets: []}
  - {name: b, address: b.test, subnets: []}
  - {name: c, address: c.test, subnets: []}
  - {name: d, address: 10.0.0.4, subnets: []}
`;

function setup() {
  const { config } = parseConfig(CONFIG, "test");
  const roster = new Roster(config, config.nodes[0]!, 4);
  const names = new Map<string, string[]>();
  const asked: string[] = [];
  const lines: string[] = [];
  const clock = { ms: 0 };
  const gate: { wait: Promise<void> } = { wait: Promise.resolve() };
  const log = createLog({
    level: "info",
    json: false,
    now: () => new Date(0),
    write: (line) => lines.push(line),
  });
  const resolve = async (host: string): Promise<readonly Address[]> => {
    asked.push(host);
    await gate.wait;
    return (names.get(host) ?? []).map((text) => parseAddress(text)!);
  };
  const follower = new Follower(roster, log, resolve, () => clock.ms);
  const tick = async () => (await follower.tick()).map(({ name }) => name);
  return { roster, names, asked, lines, clock, gate, follower, tick };
}

Deno.test("follow: names are asked for at the start, then when a peer is lost, and every minute", async () => {
  const { roster, names, asked, clock, follower, tick } = setup();
  const [b, c] = roster.peers;
  names.set("b.test", ["10.0.0.2"]).set("c.test", ["10.0.0.3"]);
  assertEquals((await follower.resolveAll()).map(({ name }) => name), ["b", "c"]);
  assertEquals(asked.splice(0), ["b.test", "c.test"], "addresses are not asked for");
  assertEquals([await tick(), asked.splice(0)], [[], []]);
  const hello = encodeHello({
    ...{ version: 1, mode: "tun", capabilities: 0, sent_us: 1, echo_us: 0, held_us: 0 },
    ...{
      mtu_bytes: 1472,
      name: "b",
      number: 1,
      answer: false,
      leaving: false,
      probe: false,
      program: "",
    },
  });
  roster.book.hear(b!.index, hello, 1);
  assertEquals([await tick(), asked.splice(0)], [[], []], "it is up");
  roster.book.expire(1 + HELLO_SILENCE_MS);
  names.set("b.test", ["10.0.0.9"]);
  assertEquals([await tick(), asked.splice(0)], [["b"], ["b.test"]], "it is silent");
  assertEquals(b!.address!.bytes, Uint8Array.of(10, 0, 0, 9));
  names.set("c.test", ["10.0.0.8"]);
  clock.ms = RESOLVE_INTERVAL_MS;
  assertEquals([await tick(), asked.splice(0)], [["c"], ["b.test", "c.test"]], "every minute");
  assertEquals(c!.address!.bytes, Uint8Array.of(10, 0, 0, 8));
});

Deno.test("follow: a resolver that hangs is asked once, and one that fails changes nothing", async () => {
  const { roster, names, asked, clock, gate, follower, tick } = setup();
  names.set("b.test", ["10.0.0.2"]).set("c.test", ["10.0.0.3"]);
  await follower.resolveAll();
  asked.length = 0;
  const opened = Promise.withResolvers<void>();
  gate.wait = opened.promise;
  clock.ms = RESOLVE_INTERVAL_MS;
  const first = tick();
  for (let i = 0; i < 5; i++) assertEquals(await tick(), []);
  assertEquals(asked.splice(0), ["b.test", "c.test"]);
  names.clear();
  opened.resolve();
  assertEquals(await first, []);
  assertEquals(roster.peers.map(({ address }) => address?.bytes[3]), [2, 3, 4]);
});

Deno.test("follow: who cannot be reached is told once, and again after it was found", async () => {
  const { names, lines, follower, tick } = setup();
  names.set("b.test", ["fd00::2"]).set("c.test", ["10.0.0.3"]);
  await follower.resolveAll();
  await tick();
  assertEquals(lines, [
    "tunnet: warn: b (b.test) is out of reach: its name stands for no IPv4 address now\n",
  ]);
  names.set("b.test", ["10.0.0.2"]);
  assertEquals(await tick(), ["b"]);
  assertEquals(lines.length, 1);
});
