import { assertEquals } from "../assert.ts";
import { ERRNO } from "../../ffi/errno.ts";
import { SyscallError } from "../../ffi/libc.ts";
import { PATHS_PER_CHECK, ROUTES_LOOK_INTERVAL_MS } from "../../src/base/limits.ts";
import type { LinkInfo } from "../../src/host/netlink/rtnetlink.ts";
import { interfaceFilter } from "../../src/io/interface_filter.ts";
import { formatAddress, parseAddress } from "../../src/net/prefix.ts";
import { Interfaces } from "../../src/peers/interfaces.ts";
import { rowOf } from "../../src/peers/transport.ts";
import { logged, registryOf } from "../fakes/peers.ts";
import { FakeTime } from "../fakes/time.ts";

/** Peers whose routes a test sets by their address. */
function setup(addresses: readonly string[]) {
  const registry = registryOf(
    Object.fromEntries(addresses.map((address, i) => [`n${i}`, address])),
  );
  const { log, lines } = logged();
  const time = new FakeTime();
  const routes = new Map<string, readonly number[]>(addresses.map((address) => [address, [2]]));
  const state = { attached: [] as Uint8Array[], lookups: 0, failing: false };
  const interfaces = new Interfaces({
    ...{ registry, log, time },
    ipVersion: 4,
    keyed: false,
    rt: {
      interfacesTo({ bytes }) {
        state.lookups++;
        if (state.failing) throw new SyscallError("send", ERRNO.ENOBUFS);
        return routes.get(formatAddress(bytes)) ?? [];
      },
      getLink: (index) => ({ name: `eth${Number(index) - 2}` }) as LinkInfo,
    },
    attach(program) {
      if (state.failing) throw new SyscallError("SO_ATTACH_FILTER", ERRNO.ENOMEM);
      state.attached.push(program);
    },
  });
  /** Whether the last filter is the one for the routes as they are. */
  const inStep = () => {
    const senders = addresses.map((text) => ({
      address: parseAddress(text)!.bytes,
      interfaces: routes.get(text)!,
    }));
    return String(state.attached.at(-1)) === String(interfaceFilter(senders, 4).program);
  };
  const publish = () => {
    for (const peer of registry.peers) interfaces.setPeer(peer.index, rowOf(peer, "tun", 1472));
    interfaces.published();
  };
  return { interfaces, routes, state, lines, time, publish, inStep };
}

const many = (count: number) => Array.from({ length: count }, (_, i) => `10.0.0.${i + 2}`);

Deno.test("interfaces: nothing counts at first, then what leads to the peers", () => {
  const { interfaces, state, publish, inStep } = setup(many(3));
  assertEquals(state.attached.map(String), [String(interfaceFilter([], 4).program)]);
  publish();
  assertEquals([inStep(), state.attached.length, state.lookups], [true, 2, 3]);
  publish();
  assertEquals([state.attached.length, state.lookups], [2, 3], "nothing has changed");
  for (const index of [0, 1, 2]) interfaces.clearPeer(index);
  interfaces.published();
  assertEquals(String(state.attached.at(-1)), String(interfaceFilter([], 4).program));
});

Deno.test("interfaces: a check looks at some peers, and at all when one has moved", () => {
  const addresses = many(3 * PATHS_PER_CHECK);
  const { interfaces, state, routes, publish, inStep } = setup(addresses);
  publish();
  state.lookups = 0;
  interfaces.check();
  assertEquals([state.lookups, state.attached.length], [PATHS_PER_CHECK, 2]);
  for (const address of addresses) routes.set(address, [3]);
  interfaces.check();
  assertEquals([inStep(), state.attached.length], [true, 3]);
});

Deno.test("interfaces: a datagram by another interface makes the route be looked up at once", async () => {
  const addresses = many(40);
  const { interfaces, state, routes, publish, inStep, lines, time } = setup(addresses);
  publish();
  for (const address of addresses) routes.set(address, [3, 4]);
  interfaces.hear(39);
  assertEquals([inStep(), state.attached.length, lines], [true, 3, []]);
  // Once more within the interval: the one peer at once, the others later.
  for (const address of addresses) routes.set(address, [5]);
  state.lookups = 0;
  interfaces.hear(39);
  assertEquals([inStep(), state.lookups], [false, 1]);
  await time.advance(ROUTES_LOOK_INTERVAL_MS);
  interfaces.hear(38);
  assertEquals(inStep(), true);
  interfaces.hear(99);
});

Deno.test("interfaces: what is forged is told once for each peer and route", () => {
  const { interfaces, routes, publish, lines } = setup(many(2));
  publish();
  for (let i = 0; i < 3; i++) interfaces.hear(0);
  assertEquals(lines, [
    "tunnet: warn: datagrams from 10.0.0.2 (n0) come in by another interface, but eth0 leads " +
    "there: they are dropped; somebody forges them, or the routes there and back differ",
  ]);
  routes.set("10.0.0.2", []);
  interfaces.hear(0);
  interfaces.hear(0);
  assertEquals([lines.length, lines[1]?.includes("no route leads there")], [2, true]);
});

Deno.test("interfaces: while the kernel is short of memory the last filter holds", () => {
  const { interfaces, state, routes, publish, inStep, lines } = setup(many(1));
  publish();
  state.failing = true;
  interfaces.check();
  interfaces.hear(0);
  assertEquals(inStep(), true);
  state.failing = false;
  routes.set("10.0.0.2", [7]);
  interfaces.check();
  assertEquals([inStep(), lines.length], [true, 1]);
});
