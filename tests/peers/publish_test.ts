import { assert, assertEquals } from "../assert.ts";
import { LaneTable } from "../../src/forwarding/lane_table.ts";
import { type PeerRow, TRANSPORT } from "../../src/forwarding/peer_row.ts";
import { NO_ROUTE } from "../../src/forwarding/prefixes.ts";
import { ForwardingTable } from "../../src/forwarding/table.ts";
import { parseAddress, parsePrefix } from "../../src/net/prefix.ts";
import { Publisher } from "../../src/peers/publish.ts";
import { membersDiff } from "../../src/peers/source/source.ts";
import { helloOf, membersOf, registryOf } from "../fakes/peers.ts";
import { FakeTime } from "../fakes/time.ts";

/** A publisher with one lane, which takes up what is published when it is woken and `awake`. */
function setup(nodes: Readonly<Record<string, string>>, more = "") {
  const registry = registryOf(nodes, more);
  const table = new ForwardingTable();
  const lane = new LaneTable(table.memory, 0);
  const state = { awake: true, mtu_bytes: 1472, wakes: 0, fixed: 0, published: 0 };
  const followed: string[] = [];
  const time = new FakeTime();
  const macs = { setFixed: () => void state.fixed++ } as unknown as Publisher["lanes"]["macs"];
  const publisher = new Publisher(
    registry,
    { look: ({ liveness: { path } }) => path.look(state.mtu_bytes, state.mtu_bytes) },
    {
      table,
      macs,
      laneCount: 1,
      wake() {
        state.wakes++;
        if (state.awake) lane.acquire();
      },
    },
    [{
      setPeer: (index: number, { transport }: PeerRow) =>
        void followed.push(`set ${index} ${transport}`),
      clearPeer: (index) => void followed.push(`clear ${index}`),
      setRoutes: (routes, defaultPeer) =>
        void followed.push(`${routes.length} routes, default ${defaultPeer}`),
      published: () => void state.published++,
    }],
    time,
    parseAddress("10.0.0.1"),
  );
  const lookup = (text: string) => {
    const { bytes } = parseAddress(text)!;
    return lane.routes.lookup4(new DataView(bytes.buffer, bytes.byteOffset), 0);
  };
  return { registry, lane, state, followed, time, publisher, lookup };
}

Deno.test("publish: everything at first, nobody is routed to what a peer without an address has", () => {
  const { publisher, followed, lookup, state } = setup(
    { b: "10.0.0.2", c: "c.test" },
    "default: b\n",
  );
  publisher.publishAll();
  assertEquals(followed, [
    `set 0 ${TRANSPORT.plain}`,
    `set 1 ${TRANSPORT.unresolved}`,
    "4 routes, default 0",
  ]);
  assertEquals([lookup("172.16.1.1"), lookup("9.9.9.9")], [0, 0]);
  assertEquals([lookup("10.0.0.1"), lookup("10.0.0.2")], [NO_ROUTE, 0], "but to its own address");
  assertEquals(lookup("172.16.2.1"), NO_ROUTE, "nor to the default node");
  assertEquals(state.fixed, 1);
});

Deno.test("publish: one peer's change touches its row only", () => {
  const { registry, publisher, lane, followed, state } = setup({ b: "10.0.0.2", c: "10.0.0.3" });
  publisher.publishAll();
  const { routes } = lane;
  followed.length = 0;
  const [, c] = registry.peers;
  c!.liveness.hear(helloOf({ capabilities: 1 }), 1_000);
  publisher.publishPeer(c!);
  assertEquals(lane.changed, [1]);
  assertEquals([lane.peer(1).transport, lane.peer(1).capabilities], [TRANSPORT.tunnet, 1]);
  assertEquals(followed, [`set 1 ${TRANSPORT.tunnet}`]);
  assert(lane.routes === routes, "the same half");
  assertEquals(state.fixed, 1, "fixed addresses follow the config only");
});

Deno.test("publish: the routes of a peer come with its first address", () => {
  const { registry, publisher, lookup, followed } = setup({ b: "b.test" });
  publisher.publishAll();
  const [b] = registry.peers;
  assertEquals(lookup("172.16.1.1"), NO_ROUTE);
  b!.offer([parseAddress("10.0.0.2")!]);
  publisher.publishPeer(b!);
  assertEquals(lookup("172.16.1.1"), 0);
  followed.length = 0;
  b!.offer([parseAddress("10.0.0.9")!]);
  publisher.publishPeer(b!);
  publisher.retry();
  assertEquals(followed, [`set 0 ${TRANSPORT.plain}`], "another address needs no routes");
});

Deno.test("publish: the default node does not own the address of another, wherever that moves", () => {
  const { registry, publisher, lookup } = setup({ b: "10.0.0.2", c: "c.test" }, "default: b\n");
  publisher.publishAll();
  const [, c] = registry.peers;
  const owners = () => ["10.0.0.3", "10.0.0.9"].map(lookup);
  assertEquals(owners(), [0, 0]);
  for (const [address, expected] of [["10.0.0.3", [NO_ROUTE, 0]], ["10.0.0.9", [0, NO_ROUTE]]]) {
    c!.offer([parseAddress(address as string)!]);
    publisher.publishPeer(c!);
    publisher.retry();
    assertEquals(owners(), expected);
  }
});

Deno.test("publish: routes wait for a lane that still reads the ones before", async () => {
  const { registry, publisher, lookup, state, time } = setup({ b: "b.test", c: "c.test" });
  publisher.publishAll();
  const [b, c] = registry.peers;
  state.awake = false;
  b!.offer([parseAddress("10.0.0.2")!]);
  publisher.publishPeer(b!);
  c!.offer([parseAddress("10.0.0.3")!]);
  publisher.publishPeer(c!);
  publisher.retry();
  assertEquals(lookup("172.16.2.1"), NO_ROUTE);
  let done = false;
  const takenUp = publisher.takenUp().then(() => done = true);
  await time.advance(50);
  assertEquals(done, false, "the lane sleeps");
  state.awake = true;
  await time.advance(50);
  await takenUp;
  assertEquals([lookup("172.16.1.1"), lookup("172.16.2.1")], [0, 1]);
});

Deno.test("publish: a peer that is gone leaves a vacant row and no routes", () => {
  const { registry, publisher, lane, lookup, followed } = setup({ b: "10.0.0.2", c: "10.0.0.3" });
  publisher.publishAll();
  followed.length = 0;
  const { config, self } = registry;
  registry.apply(membersDiff({ config, self }, membersOf({ c: "10.0.0.3" })), new Map());
  publisher.publishAll();
  assertEquals(followed[0], "clear 0");
  assertEquals([lane.peer(0).transport, publisher.mtuOf(0)], [TRANSPORT.unresolved, undefined]);
  assertEquals([lookup("172.16.1.1"), publisher.mtuOf(1)], [1, 1472], "c has b's subnet now");
});

Deno.test("publish: what this node accepts follows a new config", () => {
  const { registry, publisher, lane } = setup({ b: "10.0.0.2" });
  const { bytes } = parseAddress("192.168.7.9")!;
  const accepts = () => lane.accepted.has(new DataView(bytes.buffer, bytes.byteOffset), 0, 4);
  const found: boolean[] = [];
  for (const accept of ["192.168.7.0/24", "192.168.8.0/24", undefined]) {
    const { config, self } = registry;
    const accepted = accept ? [parsePrefix(accept)!.prefix] : undefined;
    const { accept: _, ...rest } = self;
    const changed = { ...rest, ...(accepted && { accept: accepted }) };
    const nodes = config.nodes.map((node) => node === self ? changed : node);
    const members = { config: { ...config, nodes }, self: changed };
    registry.apply(membersDiff({ config, self }, members), new Map());
    publisher.publishAll();
    found.push(accepts());
  }
  assertEquals(found, [true, false, false]);
});

Deno.test("publish: peers that come, go and move are rows of their own", () => {
  const { registry, publisher, followed, lookup } = setup({ b: "10.0.0.2", c: "10.0.0.3" });
  publisher.publishAll();
  followed.length = 0;
  const { config, self } = registry;
  const wanted = membersOf({ c: "10.0.0.9", d: "10.0.0.4" });
  const addresses = new Map(["10.0.0.9", "10.0.0.4"].map((one) => [one, [parseAddress(one)!]]));
  publisher.publishChange(registry.apply(membersDiff({ config, self }, wanted), addresses));
  assertEquals(followed, [
    "clear 0",
    `set 2 ${TRANSPORT.plain}`,
    `set 1 ${TRANSPORT.plain}`,
    "3 routes, default -1",
  ]);
  const [c, d] = wanted.config.nodes.slice(1).map(({ subnets: [subnet] }) =>
    subnet!.bytes.with(3, 1).join(".")
  );
  assertEquals([lookup(c!), lookup(d!)], [1, 2]);
});
