/** Two nodes' hellos over a path that a test narrows, with a clock that it moves. */

import { assert, assertEquals } from "../assert.ts";
import { fuzzMultiplier, type Random, random } from "../fuzz/random.ts";
import { helloOf, TOKEN } from "../fakes/peers.ts";
import { decodeHello, HELLO_BYTES } from "../../src/wire/hello.ts";
import { timersOf } from "../../src/base/time.ts";
import type { IpVersion } from "../../src/net/prefix.ts";
import { Liveness } from "../../src/peers/liveness.ts";
import { PathProbe } from "../../src/peers/path_probe.ts";

const TIMERS = timersOf();
const SELF = { name: "a", mode: "tun", mtu_bytes: 1472, capabilities: 1 } as const;
/** One way takes so long, or longer. */
const DELAY_MS = 5;
const STEP_MS = 5;

interface Flying {
  readonly to: number;
  readonly at_ms: number;
  readonly bytes: Uint8Array;
}

/** Nodes 0 and 1; node 0's path to node 1 is what a test looks at. */
class Net {
  now_ms = 1000;
  /** What the path from node 0 carries; the other way carries all. */
  width_bytes = 1472;
  /** What this host says of it, and what the kernel has been told by ICMP. */
  local_bytes: number;
  hint_bytes: number;
  /** Share of datagrams that get lost; extra delay of each, up to so much. */
  loss = 0;
  jitter_ms = 0;
  flowing = false;
  sent_bytes = 0;
  readonly nodes: readonly Liveness[];
  readonly #flying: Flying[] = [];
  readonly #next_ms = [1000, 3_200];

  constructor(readonly dice: Random, ipVersion: IpVersion = 4, local_bytes = 1472) {
    this.local_bytes = this.hint_bytes = this.width_bytes = local_bytes;
    const make = () => new Liveness(TIMERS, TOKEN, new PathProbe(TIMERS, ipVersion));
    this.nodes = [make(), make()];
  }

  get path(): PathProbe {
    return this.nodes[0]!.path;
  }

  get mtu_bytes(): number {
    return this.path.mtu_bytes;
  }

  #send(from: number, bytes: Uint8Array): void {
    if (from === 0) this.sent_bytes += bytes.length;
    if (from === 0 && bytes.length > this.width_bytes) return;
    if (this.dice.below(1000) < 1000 * this.loss) return;
    const at_ms = this.now_ms + DELAY_MS + this.dice.below(this.jitter_ms + 1);
    this.#flying.push({ to: 1 - from, at_ms, bytes });
  }

  #burst(i: number, asking: boolean): void {
    const node = this.nodes[i]!;
    for (const hello of node.burst(SELF, this.now_ms)) this.#send(i, hello);
    const how = { asking: asking || node.path.isSearching };
    this.#send(i, node.hello(SELF, this.now_ms, how));
  }

  #hear(i: number, bytes: Uint8Array): void {
    const node = this.nodes[i]!;
    // Both have the same token here, as if each had told the other.
    const event = node.hear(withToken(bytes), this.now_ms);
    if (event !== undefined) this.#send(i, node.hello(SELF, this.now_ms));
    if (node.path.isWanted && node.isBurstDue(this.now_ms, false)) this.#burst(i, true);
  }

  /** Lets time go by; stops early when `done` holds. Tells how long it took. */
  run(duration_ms: number, done = () => false): number {
    const begin_ms = this.now_ms;
    for (const end_ms = begin_ms + duration_ms; this.now_ms < end_ms && !done();) {
      this.now_ms += STEP_MS;
      const due = this.#flying.filter(({ at_ms }) => at_ms <= this.now_ms);
      for (const one of due) this.#flying.splice(this.#flying.indexOf(one), 1);
      for (const { to, bytes } of due) this.#hear(to, bytes);
      for (const i of [0, 1]) {
        if (this.now_ms < this.#next_ms[i]!) continue;
        this.#next_ms[i]! += TIMERS.hello_ms;
        this.#burst(i, false);
      }
      if (this.now_ms % TIMERS.health_ms !== 0) continue;
      this.path.look(this.local_bytes, this.hint_bytes);
      this.nodes[1]!.path.look(this.local_bytes, this.local_bytes);
      if (this.nodes[0]!.isBurstDue(this.now_ms, this.flowing)) this.#burst(0, true);
    }
    return this.now_ms - begin_ms;
  }
}

/** A hello that echoes the receiver's token. */
function withToken(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  const at = 32 + copy[3]! + 6 + copy[32 + copy[3]! + 5]! + 8;
  new DataView(copy.buffer).setBigUint64(at, TOKEN);
  return copy;
}

/** A net whose path has been found to carry all that the device does. */
function converged(ipVersion: IpVersion = 4, local_bytes = 1472, seed = 1): Net {
  const net = new Net(random(seed), ipVersion, local_bytes);
  net.run(3 * TIMERS.hello_ms);
  assertEquals(net.mtu_bytes, local_bytes);
  return net;
}

const WIDTHS: readonly (readonly [IpVersion, local: number, width: number])[] = [
  [4, 1472, 1372],
  [4, 1472, 1471],
  [4, 1472, 1293],
  [4, 1472, 548],
  [4, 1472, 549],
  [4, 8972, 1472],
  [4, 8972, 5001],
  [4, 65_507, 1472],
  [4, 65_507, 65_506],
  [6, 1452, 1232],
  [6, 1452, 1352],
];

for (const [version, local, width] of WIDTHS) {
  const what = `path probe: a path over IPv${version} of ${local} bytes that carries ${width}`;
  Deno.test(`${what} is found within 1.5 s while packets flow, and wide again`, () => {
    const net = converged(version, local);
    net.flowing = true;
    net.width_bytes = width;
    const took_ms = net.run(10_000, () => net.mtu_bytes <= width);
    assert(took_ms <= 1_500, `narrow enough after ${took_ms} ms`);
    net.run(2_000, () => net.mtu_bytes === width);
    assertEquals(net.mtu_bytes, width, "to the byte");
    net.width_bytes = local;
    net.run(TIMERS.hello_ms + 1_000, () => net.mtu_bytes === local);
    assertEquals(net.mtu_bytes, local);
  });
}

Deno.test("path probe: an idle peer's path is found by the rounds of hellos", () => {
  const net = converged();
  net.width_bytes = 1400;
  net.run(2 * TIMERS.hello_ms + 1_000);
  assertEquals(net.mtu_bytes, 1400);
});

Deno.test("path probe: what the kernel has been told by ICMP changes nothing by itself", () => {
  const net = converged();
  for (const hint_bytes of [1252, 1300, 548, 1472]) {
    net.hint_bytes = hint_bytes;
    for (let i = 0; i < 300; i++) {
      net.run(100);
      assertEquals(net.mtu_bytes, 1472, `hint ${hint_bytes}`);
    }
  }
});

Deno.test("path probe: but it makes it try at once", () => {
  const net = converged();
  net.width_bytes = net.hint_bytes = 1372;
  net.run(TIMERS.health_ms + 100);
  assertEquals(net.mtu_bytes, 1372);
  net.width_bytes = net.hint_bytes = 1472;
  net.run(TIMERS.health_ms + 100);
  assertEquals(net.mtu_bytes, 1472, "the kernel has forgotten: tried at once as well");
});

Deno.test("path probe: of a peer that answers no hello, the hint is believed", () => {
  const path = new PathProbe(TIMERS, 4);
  assertEquals([path.mtu_bytes, path.isDue(1e6, true), path.begin(0, 0)], [0, false, []]);
  path.look(1472, 1472);
  assertEquals(path.mtu_bytes, 1472);
  path.look(1472, 1300);
  assertEquals(path.mtu_bytes, 1300);
  path.look(1200, 1252);
  assertEquals(path.mtu_bytes, 1200, "a device that is narrower counts");
});

Deno.test("path probe: a device that becomes narrower counts at once, a wider one is tried at once", () => {
  const net = converged();
  net.local_bytes = net.hint_bytes = 1372;
  net.run(TIMERS.health_ms);
  assertEquals(net.mtu_bytes, 1372);
  net.local_bytes = net.hint_bytes = net.width_bytes = 8972;
  net.run(TIMERS.health_ms + 100);
  assertEquals(net.mtu_bytes, 8972);
});

Deno.test("path probe: a path that carries only small hellos narrows nothing", () => {
  const net = converged();
  net.flowing = true;
  net.width_bytes = 400;
  net.run(20_000);
  assertEquals(net.mtu_bytes, 1472);
  net.width_bytes = 1472;
  net.run(2_000);
  assertEquals(net.mtu_bytes, 1472);
});

Deno.test("path probe: a path that is left to itself costs a hello and a large one in each round", () => {
  const net = converged();
  const before = net.sent_bytes;
  net.run(20 * TIMERS.hello_ms);
  assertEquals(net.sent_bytes - before, 20 * (1472 + 160));
  net.width_bytes = 1372;
  net.run(10 * TIMERS.hello_ms);
  const narrow = net.sent_bytes;
  net.run(120 * TIMERS.hello_ms);
  const bytes = net.sent_bytes - narrow;
  assert(bytes < 120 * 7_000, `${bytes / 120} bytes a round where a larger one is looked for`);
});

Deno.test("path probe: a peer that moves, or says no hello any more, is unknown again", () => {
  const net = converged();
  net.width_bytes = 1372;
  net.run(3 * TIMERS.hello_ms);
  assertEquals(net.mtu_bytes, 1372);
  net.nodes[0]!.moved(TOKEN);
  assertEquals(net.mtu_bytes, 0, "to be looked at");
});

const WALKS = Math.round(100 * fuzzMultiplier());

Deno.test(`path probe: ${WALKS} random walks with loss and reordering end at what the path carries`, () => {
  for (let walk = 0; walk < WALKS; walk++) {
    const dice = random(walk);
    const local = [1472, 8972][dice.below(2)]!;
    const net = converged(4, local, walk);
    for (let turn = 0; turn < 4; turn++) {
      net.flowing = dice.below(2) === 1;
      net.loss = dice.below(20) / 100;
      net.jitter_ms = dice.below(10);
      net.width_bytes = 548 + dice.below(local - 547);
      net.hint_bytes = 548 + dice.below(local - 547);
      net.run(dice.below(20_000), () => {
        // Nothing wider than the device, nothing below the floor, whatever gets lost.
        assert(net.mtu_bytes >= 548 && net.mtu_bytes <= local, `walk ${walk}: ${net.mtu_bytes}`);
        return false;
      });
    }
    net.loss = net.jitter_ms = 0;
    // The naive model: what is carried in the end is the narrower of path and device.
    const wanted = Math.min(net.width_bytes, net.local_bytes);
    net.run(200_000, () => net.mtu_bytes === wanted && net.now_ms % 500 === 0);
    assertEquals(net.mtu_bytes, wanted, `walk ${walk}`);
    net.run(60_000, () => net.mtu_bytes !== wanted);
    assertEquals(net.mtu_bytes, wanted, `walk ${walk}: and stays`);
  }
});

Deno.test("path: one that was forgotten, and answers before anybody has looked, is not of no bytes", () => {
  const probe = new PathProbe(timersOf(), 4);
  probe.look(1472, 1472);
  probe.forget();
  probe.hear(decodeHello(helloOf({}))!, HELLO_BYTES, false);
  probe.look(1472, 1400);
  assertEquals(probe.mtu_bytes, 1400);
});
