import {
  probeAll,
  type ProbeSocket,
  type ProbeSystem,
  type Received,
} from "../../../src/tools/doctor/probing.ts";
import { decodeHello, encodeHello, HELLO_BYTES } from "../../../src/wire/hello.ts";
import { assert, assertEquals } from "../../assert.ts";

/** A peer and the way to it, as a function of each datagram; `tick` is one wait. */
interface Way {
  /** What comes back for a datagram, and after how many ticks. */
  readonly answer: (datagram: Uint8Array) => Received | undefined;
  /** What the kernel says to a datagram. */
  readonly refuse?: (datagram: Uint8Array) => string | undefined;
  readonly ticks?: number;
}

class FakeSystem implements ProbeSystem {
  #now_us = 1_000_000;
  ticks = 0;

  now_us(): number {
    return this.#now_us;
  }

  wait(timeout_ms: number): void {
    this.#now_us += timeout_ms * 1000;
    this.ticks++;
    assert(this.ticks < 10_000, "the probing does not end");
  }
}

class FakeSocket implements ProbeSocket {
  readonly sent: Uint8Array[] = [];
  readonly #coming: { at: number; got: Received }[] = [];

  constructor(readonly system: FakeSystem, readonly way: Way) {}

  send(datagram: Uint8Array<ArrayBuffer>): string | undefined {
    this.sent.push(datagram.slice());
    const refused = this.way.refuse?.(datagram);
    if (refused !== undefined) return refused;
    const got = this.way.answer(datagram);
    if (got) this.#coming.push({ at: this.system.ticks + (this.way.ticks ?? 1), got });
    return undefined;
  }

  receive(): Received | undefined {
    const i = this.#coming.findIndex(({ at }) => at <= this.system.ticks);
    return i < 0 ? undefined : this.#coming.splice(i, 1)[0]!.got;
  }
}

/** A peer's hello that echoes `echo_us`. */
function hello(echo_us: number, name = "node-b"): Received {
  const bytes = encodeHello({
    version: 1,
    mode: "tun",
    capabilities: 1,
    sent_us: 77,
    echo_us,
    held_us: 0,
    mtu_bytes: 1472,
    name,
    number: 1,
    answer: false,
    leaving: false,
    probe: false,
    ...{ program: "1.0.0", token: 8n, echoToken: 9n, burst: 3, peerBurst: 4, largest_bytes: 0 },
  });
  return { kind: "datagram", bytes };
}

const echo = (datagram: Uint8Array) => hello(decodeHello(datagram)!.sent_us);
const upTo = (max_bytes: number) => (datagram: Uint8Array) =>
  datagram.length <= max_bytes ? echo(datagram) : undefined;

function probe(way: Way, wanted_bytes = 1472) {
  const system = new FakeSystem();
  const socket = new FakeSocket(system, way);
  const asker = { name: "node-a", mode: "tun" as const, mtu_bytes: 1472, token: 9n };
  const [result] = probeAll([{ socket, wanted_bytes }], asker, system);
  return { result: result!, sent: socket.sent, ticks: system.ticks };
}

Deno.test("probing: a good peer answers the first hello and the first large one", () => {
  const { result, sent } = probe({ answer: echo });
  assert(result.kind === "answered");
  assertEquals([result.largest_bytes, result.wanted_bytes, result.told], [1472, 1472, false]);
  assertEquals(result.hello.name, "node-b");
  assertEquals(sent.length, 3);
  assertEquals(sent[1]!.length, 1472);
  const [first, , last] = sent.map((bytes) => decodeHello(bytes)!);
  assertEquals([first!.answer, first!.leaving], [true, false]);
  assertEquals([last!.answer, last!.leaving], [false, true]);
});

for (const limit_bytes of [1471, 1372, 1252, 549, 548]) {
  Deno.test(`probing: on a way that swallows more than ${limit_bytes} bytes`, () => {
    const { result, ticks } = probe({ answer: upTo(limit_bytes) });
    assert(result.kind === "answered");
    assertEquals([result.largest_bytes, result.told], [limit_bytes, false]);
    assert(ticks * 30 < 15_000, "within 15 s");
  });
}

Deno.test("probing: a router that reports what is too large is told from one that does not", () => {
  const { result } = probe({
    answer: echo,
    refuse: (datagram) => datagram.length > 1400 ? "EMSGSIZE" : undefined,
  });
  assert(result.kind === "answered");
  assertEquals([result.largest_bytes, result.told], [1400, true]);
});

Deno.test("probing: a small MTU is asked for as it is", () => {
  const { result, sent } = probe({ answer: echo }, 68);
  assert(result.kind === "answered");
  assertEquals([result.largest_bytes, result.wanted_bytes], [68, 68]);
  assert(sent.every(({ length }) => length === HELLO_BYTES), "no hello is shorter");
});

Deno.test("probing: a lost datagram is no verdict", () => {
  let lost = 0;
  const { result } = probe({ answer: (datagram) => lost++ % 2 === 0 ? undefined : echo(datagram) });
  assert(result.kind === "answered");
  assertEquals(result.largest_bytes, 1472);
});

Deno.test("probing: a peer that does not hear us is deaf, whatever it echoes", () => {
  for (const echo_us of [0, 5]) {
    const { result } = probe({ answer: () => hello(echo_us) });
    assertEquals(result.kind, "deaf");
  }
});

/** Ways on which nothing comes back, and what that is called. */
const NOTHING: readonly (readonly [name: string, way: Way, kind: string])[] = [
  ["nobody", { answer: () => undefined }, "silent"],
  ["a closed port", { answer: () => ({ kind: "error", errnoName: "ECONNREFUSED" }) }, "refused"],
  ["no route", { answer: () => undefined, refuse: () => "ENETUNREACH" }, "unreachable"],
  ["no neighbour", { answer: () => ({ kind: "error", errnoName: "EHOSTUNREACH" }) }, "unreachable"],
  ["rubbish", { answer: () => ({ kind: "datagram", bytes: new Uint8Array(40) }) }, "silent"],
  [
    "an empty datagram",
    { answer: () => ({ kind: "datagram", bytes: new Uint8Array(0) }) },
    "silent",
  ],
];

for (const [name, way, kind] of NOTHING) {
  Deno.test(`probing: ${name} is ${kind}`, () => assertEquals(probe(way).result.kind, kind));
}

Deno.test("probing: many peers at once take no longer than the slowest", () => {
  const system = new FakeSystem();
  const ways: Way[] = [{ answer: () => undefined }, { answer: echo }, { answer: upTo(1000) }];
  const targets = ways.map((way) => ({ socket: new FakeSocket(system, way), wanted_bytes: 1472 }));
  const asker = { name: "node-a", mode: "tun" as const, mtu_bytes: 1472, token: 9n };
  const kinds = probeAll(targets, asker, system).map(({ kind }) => kind);
  assertEquals(kinds, ["silent", "answered", "answered"]);
  assert(system.ticks < probe(ways[2]!).ticks + 60);
});
