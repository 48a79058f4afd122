import { assert, assertEquals, assertRejects, assertStringIncludes } from "../../../assert.ts";
import { RunError } from "../../../../src/base/errors.ts";
import { formatPrefix, parseAddress, parsePrefix } from "../../../../src/net/prefix.ts";
import { Members } from "../../../../src/peers/source/etcd/members.ts";
import { formatNetwork, readNetwork } from "../../../../src/peers/source/etcd/network.ts";
import { formatRecord } from "../../../../src/peers/source/etcd/records.ts";
import {
  EtcdSource,
  type EtcdSourceParts,
  type Kept,
} from "../../../../src/peers/source/etcd/source.ts";
import type { MembersDiff } from "../../../../src/peers/source/source.ts";
import { FakeEtcd } from "../../../fakes/etcd.ts";
import { logged, membersOf } from "../../../fakes/peers.ts";
import { FakeTime } from "../../../fakes/time.ts";

const NETWORK = formatNetwork({ network: parsePrefix("10.5.0.0/16")!.prefix, backend: "udp" });
const BASE = "/net/subnets/";
const record = (address: string) => formatRecord(parseAddress(address)!);

function setup(etcd = new FakeEtcd(), more: Partial<EtcdSourceParts> = {}) {
  const { log, lines } = logged();
  const time = new FakeTime();
  const saved: Kept[] = [];
  const network = readNetwork(NETWORK).network!;
  const { config } = membersOf({});
  const parts: EtcdSourceParts = {
    etcd: etcd.client(),
    prefix: "/net",
    members: new Members({
      ...{ network, ownAddress: parseAddress("192.168.0.1")!, allowPlain: false, fixed: [] },
    }),
    network: NETWORK,
    config: { ...config, networks: [network.network] },
    ttl_ms: 30_000,
    save: (kept) => void saved.push(kept),
    chance: () => 0,
    ...{ log, time, ...more },
  };
  const diffs: MembersDiff[] = [];
  const state = { failure: undefined as Error | undefined };
  const follow = (source: EtcdSource) =>
    source.watch((diff) => {
      if (state.failure) return Promise.reject(state.failure);
      diffs.push(diff);
      return Promise.resolve();
    });
  return { etcd, parts, time, diffs, state, lines, saved, follow };
}

async function joined(more: Partial<EtcdSourceParts> = {}, etcd = new FakeEtcd()) {
  etcd.put("/net/config", NETWORK);
  etcd.put(`${BASE}10.5.1.0-24`, record("192.168.0.2"));
  const all = setup(etcd, more);
  const source = await EtcdSource.join(all.parts);
  all.follow(source);
  await all.time.advance(0);
  return { ...all, source };
}

const short = ({ added, changed, removed }: MembersDiff) => [
  added.map(({ name }) => name),
  changed.map(({ name }) => name),
  removed,
];
const own = (source: EtcdSource) => formatPrefix(source.overlay.self.subnets[0]!);

Deno.test("etcd source: a node takes a free subnet, and changes come as diffs", async () => {
  const { etcd, source, diffs, time, saved } = await joined();
  assertEquals(own(source), "10.5.2.0/24");
  assertEquals(source.overlay.config.nodes.map(({ name }) => name), ["192.168.0.1", "192.168.0.2"]);
  assertEquals(etcd.keys.get(`${BASE}10.5.2.0-24`)?.value, record("192.168.0.1"));
  etcd.put(`${BASE}10.5.3.0-24`, record("192.168.0.3"));
  await time.advance(0);
  etcd.delete(`${BASE}10.5.1.0-24`);
  await time.advance(0);
  assertEquals(diffs.map(short), [[["192.168.0.3"], [], []], [[], [], ["192.168.0.2"]]]);
  await time.advance(5_000);
  assertEquals(saved.at(-1)?.entries.map(({ end }) => end), ["10.5.2.0-24", "10.5.3.0-24"]);
  assertEquals(source.state.records, 2);
  source.close();
});

Deno.test("etcd source: the lease is renewed, and a lost one got anew with the same subnet", async () => {
  const { etcd, source, diffs, time, lines } = await joined();
  await time.advance(10_500);
  assertEquals(etcd.calls.filter((call) => call === "renew").length, 1);
  const [lease] = etcd.leases;
  etcd.expire(lease!);
  await time.advance(1_000);
  assertEquals([own(source), etcd.leases.size], ["10.5.2.0/24", 1]);
  assertEquals(etcd.keys.get(`${BASE}10.5.2.0-24`)?.lease, [...etcd.leases][0]);
  assertEquals(diffs.length, 0);
  assertStringIncludes(lines.join("\n"), "the lease of 10.5.2.0/24 is lost: its record is gone");
  source.close();
});

Deno.test("etcd source: a subnet that another has taken is given up for a free one", async () => {
  const { etcd, source, diffs, time } = await joined();
  etcd.expire([...etcd.leases][0]!);
  etcd.put(`${BASE}10.5.2.0-24`, record("192.168.0.4"));
  await time.advance(1_000);
  assertEquals(own(source), "10.5.3.0/24");
  assertEquals(diffs.at(-1)?.self.subnets.map(formatPrefix), ["10.5.3.0/24"]);
  assertEquals(source.overlay.config.nodes.map(({ name }) => name), [
    ...["192.168.0.1", "192.168.0.2", "192.168.0.4"],
  ]);
  source.close();
});

Deno.test("etcd source: whoever is faster has the subnet; the next one is tried", async () => {
  const etcd = new FakeEtcd();
  let others = 0;
  etcd.beforeWrite = () => {
    if (others++ < 3) etcd.put(`${BASE}10.5.${1 + others}.0-24`, record(`192.168.1.${others}`));
  };
  const { source } = await joined({}, etcd);
  assertEquals(own(source), "10.5.5.0/24");
  assertEquals(etcd.leases.size, 1);
  source.close();
});

Deno.test("etcd source: the subnet that it had comes first, the one that is asked for alone", async () => {
  const remembered = parsePrefix("10.5.77.0/24")!.prefix;
  const { source } = await joined({ remembered });
  assertEquals(own(source), "10.5.77.0/24");
  source.close();
  const wanted = parsePrefix("10.5.1.0/24")!.prefix;
  const error = await assertRejects(() => joined({ wanted }), RunError);
  assertEquals(
    error.message,
    "10.5.1.0/24 cannot be this node's subnet (in etcd, it is 192.168.0.2's); " +
      "try: another --subnet, or none",
  );
  const outside = await assertRejects(
    () => joined({ wanted: parsePrefix("10.9.1.0/24")!.prefix }),
    RunError,
  );
  assertStringIncludes(outside.message, "the network is 10.5.0.0/16 with subnets of /24");
});

Deno.test("etcd source: its own record of an earlier start is taken over", async () => {
  const etcd = new FakeEtcd();
  etcd.leases.add("7");
  etcd.put(`${BASE}10.5.40.0-24`, record("192.168.0.1"), "7");
  const { source } = await joined({}, etcd);
  assertEquals([own(source), etcd.leases.has("7"), etcd.leases.size], ["10.5.40.0/24", false, 1]);
  assert(etcd.keys.has(`${BASE}10.5.40.0-24`));
  source.close();
});

Deno.test("etcd source: while etcd is away nothing changes; afterwards all that was missed comes", async () => {
  const { etcd, source, diffs, time, lines } = await joined();
  etcd.away = true;
  etcd.disconnect();
  etcd.put(`${BASE}10.5.9.0-24`, record("192.168.0.9"));
  await time.advance(60_000);
  assertEquals([diffs.length, source.state.connected, source.state.held], [0, false, true]);
  etcd.away = false;
  await time.advance(6_000);
  assertEquals(diffs.map(short), [[["192.168.0.9"], [], []]]);
  assertEquals([source.state.connected, own(source)], [true, "10.5.2.0/24"]);
  assertEquals(lines.filter((line) => /going on|answers again/.test(line)).length, 2);
  source.close();
});

Deno.test("etcd source: after compaction the list says what was missed", async () => {
  const { etcd, source, diffs, time } = await joined();
  etcd.away = true;
  etcd.disconnect();
  await time.advance(0);
  etcd.put(`${BASE}10.5.9.0-24`, record("192.168.0.9"));
  etcd.delete(`${BASE}10.5.1.0-24`);
  etcd.compacted = etcd.revision;
  etcd.away = false;
  await time.advance(6_000);
  assertEquals(diffs.map(short), [[["192.168.0.9"], [], ["192.168.0.2"]]]);
  etcd.put(`${BASE}10.5.10.0-24`, record("192.168.0.10"));
  await time.advance(0);
  assertEquals(diffs.length, 2);
  source.close();
});

Deno.test("etcd source: a diff that cannot be followed comes again with the next one", async () => {
  const { etcd, source, diffs, state, time } = await joined();
  state.failure = new RunError({ what: "no" });
  etcd.put(`${BASE}10.5.9.0-24`, record("192.168.0.9"));
  await time.advance(0);
  state.failure = undefined;
  etcd.put(`${BASE}10.5.10.0-24`, record("192.168.0.10"));
  await time.advance(0);
  assertEquals(diffs.map(short), [[["192.168.0.9", "192.168.0.10"], [], []]]);
  source.close();
});

Deno.test("etcd source: without etcd, a start goes by what was kept", async () => {
  const first = await joined();
  first.source.close();
  const kept = first.saved.at(-1)!;
  first.etcd.away = true;
  const { parts, follow, time, diffs } = setup(first.etcd, { remembered: kept.subnet });
  const source = EtcdSource.restore(parts, kept, "etcd is away");
  assertEquals(own(source), "10.5.2.0/24");
  assertEquals(source.overlay.config.nodes.length, 2);
  follow(source);
  await time.advance(10_000);
  assertEquals([source.state.connected, source.state.held], [false, false]);
  first.etcd.away = false;
  await time.advance(6_000);
  assertEquals([source.state.connected, source.state.held, diffs.length], [true, true, 0]);
  source.close();
});

Deno.test("etcd source: records that are left out are named once", async () => {
  const { etcd, source, time, lines } = await joined();
  etcd.put(`${BASE}nonsense`, "{");
  etcd.put(`${BASE}10.5.60.0-24`, '{"PublicIP":"192.168.0.60","BackendType":"vxlan"}');
  await time.advance(15_000);
  assertEquals(lines.filter((line) => line.includes("left out")), [
    'tunnet: warn: the record "nonsense" is left out: malformed',
    'tunnet: warn: the record "10.5.60.0-24" is left out: backend',
  ]);
  assertEquals(Object.fromEntries(source.state.refused), { malformed: 1, backend: 1 });
  source.close();
});
