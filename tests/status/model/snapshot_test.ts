import { TOKEN } from "../../fakes/peers.ts";
import { assert, assertEquals } from "../../assert.ts";
import { cpuTime_ms } from "../../cpu_time.ts";
import { COUNTERS, DROPS } from "../../../src/forwarding/counters.ts";
import { NODES_MAX, STATUS_SUBNETS_MAX } from "../../../src/base/limits.ts";
import { timersOf } from "../../../src/base/time.ts";
import type { NodeConfig } from "../../../src/config/types.ts";
import { parsePrefix } from "../../../src/net/prefix.ts";
import { encodeHello } from "../../../src/wire/hello.ts";
import type { Peer } from "../../../src/peers/peer.ts";
import { Registry } from "../../../src/peers/registry.ts";
import { RateMeter } from "../../../src/status/model/rates.ts";
import { TOTAL } from "../../../src/status/model/snapshot.ts";
import {
  count,
  HELLO_OF_B,
  NOW_MS,
  sampleOf,
  snapshotParts,
  statusOf,
  statusWith,
} from "../parts.ts";

const hello = (changed: object = {}) => encodeHello({ ...HELLO_OF_B, ...changed });

Deno.test("snapshot: the whole object", () => {
  const rates = new RateMeter();
  const zero = [count(0, 0), count(0, 0)] as const;
  rates.add(sampleOf(NOW_MS - 2000, { [TOTAL]: zero, b: zero, gate: zero }));
  rates.add(snapshotParts().sample);
  const idle = { packets: 0, bytes: 0, packets_per_second: 0, bits_per_second: 0 };
  const out = { packets: 30, bytes: 3000, packets_per_second: 15, bits_per_second: 12_000 };
  const back = { packets: 20, bytes: 2000, packets_per_second: 10, bits_per_second: 8000 };
  const none = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, 0]));
  const events = COUNTERS.slice(2, COUNTERS.indexOf(DROPS[0]!));
  const started = "2026-01-02T03:04:05.000Z";
  const status = statusWith((b, gate) => {
    b.hear(hello({ echo_us: 88_999_000, held_us: 500 }), 89_000);
    b.hear(hello({ number: 3, sent_us: 2 }), 95_000);
    gate.unreachable("the name gate.example is not known", 1000);
  }, { rates });
  assertEquals(status, {
    format: "tunnet-status/1",
    time: "2026-01-02T03:05:45.000Z",
    node: {
      name: "a",
      version: "1.2.3",
      pid: 42,
      started,
      uptime_seconds: 100,
      config: "tunnet.yaml",
      config_reload: { successful: true, last_success: "2026-01-02T03:04:05.000Z" },
      process: {
        ...{ cpu_seconds: 1.5, resident_bytes: 5e7, virtual_bytes: 1e9 },
        ...{ open_fds: null, max_fds: 1024 },
      },
      listen: "192.168.0.8:3009",
      subnets: ["172.1.0.0/16"],
      subnet_count: 1,
      problems: [],
    },
    device: { name: "tunnet0", mode: "tun", mtu_bytes: 1472, state: "up" },
    engine: { name: "batch", lanes: 2, features: ["csum", "tso4"] },
    links: { pods: null, device: null },
    network: ["172.0.0.0/8"],
    etcd: null,
    outbound: {
      ...out,
      drops: { ...none(DROPS), no_route: 5 },
      events: { ...none(events), icmp_errors: 4 },
    },
    inbound: {
      ...back,
      drops: { ...none(DROPS), spoofed_source: 7 },
      events: { ...none(events), control: 6 },
    },
    peers: [{
      name: "b",
      host: "192.168.0.7",
      address: "192.168.0.7",
      port: 3009,
      moved: false,
      subnets: ["172.2.0.0/16", "fd00:2::/64"],
      subnet_count: 2,
      is_default: false,
      state: "up",
      since: "2026-01-02T03:05:34.000Z",
      why: null,
      last_seen: "2026-01-02T03:05:40.000Z",
      rtt_ms: 0.5,
      loss: 1 - 2 / 3,
      version: "1.2.4",
      protocol: 1,
      mode: "tun",
      mtu_bytes: 1400,
      capabilities: ["partial_checksum"],
      transport: "kernel",
      session_age_seconds: null,
      path_mtu_bytes: 1400,
      dropped: { outbound: 8, inbound: 9 },
      problems: [],
      outbound: out,
      inbound: back,
    }, {
      name: "gate",
      host: "gate.example",
      address: null,
      port: 4000,
      moved: false,
      subnets: [],
      subnet_count: 0,
      is_default: true,
      state: "down",
      since: "2026-01-02T03:04:06.000Z",
      why: "the name gate.example is not known",
      last_seen: null,
      rtt_ms: null,
      loss: null,
      version: null,
      protocol: null,
      mode: null,
      mtu_bytes: null,
      capabilities: [],
      transport: null,
      session_age_seconds: null,
      path_mtu_bytes: null,
      dropped: { outbound: 0, inbound: 0 },
      problems: [],
      outbound: idle,
      inbound: idle,
    }],
  });
});

const STATES: readonly [
  name: string,
  prepare: (peer: Peer["liveness"]) => void,
  state: string,
  why: RegExp | null,
][] = [
  ["plain: never heard of", () => {}, "plain", /nothing was heard/],
  [
    "plain: packets but no hello",
    (peer) => peer.carried(9, 500),
    "plain",
    /sends packets and says no hello/,
  ],
  ["up", (peer) => peer.hear(hello({ echo_us: 1000 * (NOW_MS - 2) }), NOW_MS - 1), "up", null],
  [
    "one-way",
    (peer) => peer.hear(hello({ echo_us: 1 }), NOW_MS - 1),
    "one-way",
    /^b does not hear this node: its firewall, or UDP 3009 closed on the way\?$/,
  ],
  [
    "silent",
    (peer) => {
      peer.hear(hello(), 1000);
      peer.expire(1000 + peer.timers.silence_ms);
    },
    "silent",
    /says hello no more/,
  ],
  ["down: left", (peer) => peer.hear(hello({ leaving: true }), 1000), "down", /was stopped/],
  ["down: no way", (peer) => peer.unreachable("no route to it", 1000), "down", /no route to it/],
];

for (const [name, prepare, state, why] of STATES) {
  Deno.test(`snapshot: a peer is ${name}`, () => {
    const status = statusWith(prepare);
    const peer = status.peers[0]!;
    assertEquals(peer.state, state);
    assert(why === null ? peer.why === null : why.test(peer.why ?? ""), `${peer.why}`);
  });
}

Deno.test("snapshot: what does not fit together is named", () => {
  const prepare = (b: Peer["liveness"]) => void b.hear(hello({ mode: "tap", name: "z" }), NOW_MS);
  assertEquals(statusWith(prepare).peers[0]!.problems, [
    "it runs in mode tap, this node in mode tun",
    "it calls itself z: are the config files the same?",
  ]);
  assertEquals(statusOf({ wrongPortOf: () => 4000 }).peers.map(({ problems }) => problems), [
    ["its datagrams come from port 4000, not 3009: they are dropped"],
    [],
  ]);
  const inline = statusWith(prepare, { sharedNames: false }).peers[0]!;
  assertEquals(inline.problems.length, 1, "inline peers have no names in common");
});

Deno.test("snapshot: a device that is not up is the node's own problem", () => {
  const { device } = snapshotParts();
  for (const state of ["down", "gone"] as const) {
    const status = statusOf({ device: { ...device, state } });
    assertEquals(status.node.problems.length, 1);
  }
});

/** Peers of these, as a registry has them. */
function peersOf(nodes: readonly NodeConfig[]): Registry["peers"] {
  const { config, self } = snapshotParts();
  return new Registry(
    { config: { ...config, nodes: [self, ...nodes] }, self },
    4,
    timersOf(),
    () => TOKEN,
  )
    .peers;
}

Deno.test("snapshot: many subnets are counted and the first ones listed", () => {
  const [node] = snapshotParts().config.nodes;
  const subnets = Array.from(
    { length: 10_000 },
    (_, i) => parsePrefix(`10.${i >> 8}.${i & 255}.0/24`)!.prefix,
  );
  const peer = statusOf({ peers: peersOf([{ ...node!, name: "z", subnets }]) }).peers[0]!;
  assertEquals([peer.subnet_count, peer.subnets.length], [10_000, STATUS_SUBNETS_MAX]);
  assertEquals(peer.subnets[1], "10.0.1.0/24");
});

Deno.test("snapshot: every drop that a lane counts is shown under its name", () => {
  const { drops, events } = statusOf().inbound;
  const shown = ["packets", "bytes", ...Object.keys(events), ...Object.keys(drops)];
  assertEquals(shown.sort(), [...COUNTERS].sort());
});

Deno.test("snapshot: the largest overlay is built in a moment", () => {
  const [node] = snapshotParts().config.nodes;
  const names = Array.from({ length: NODES_MAX - 1 }, (_, i) => `n${i}`);
  const peers = peersOf(names.map((name) => ({ ...node!, name })));
  const start_ms = cpuTime_ms();
  const status = statusOf({ peers });
  JSON.stringify(status);
  assert(cpuTime_ms() - start_ms < 2_000);
  assertEquals(status.peers.length, NODES_MAX - 1);
});
