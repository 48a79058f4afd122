/** A fleet whose members are in a real etcd: no file names a node. */

import { assert, assertEquals, assertMatch, assertNotEquals } from "../assert.ts";
import { Fleet, LEASE_S } from "./fleet.ts";
import { until, Words } from "./harness.ts";
import { ip } from "./ip.ts";

Deno.test("etcd: three nodes join; one is killed, forgotten, and comes back with its subnet", async () => {
  await using fleet = await Fleet.create({ nodes: 3 });
  const { bed } = fleet;
  await fleet.start(0);
  await fleet.start(1);
  await fleet.addPod(0);
  await fleet.addPod(1);
  const third = await fleet.start(2);
  await fleet.addPod(2);
  const subnets = [0, 1, 2].map((i) => fleet.subnet(i));
  assertEquals(new Set(subnets).size, 3, subnets.join());
  const pairs = [0, 1, 2].flatMap((i) => [0, 1, 2].filter((j) => j !== i).map((j) => [i, j]));
  await until("all pods reach each other", 3_000, async () => {
    const reached = await Promise.all(pairs.map(([from, to]) => fleet.reaches(from!, to!)));
    return reached.every(Boolean);
  });
  const { FLANNEL_NETWORK, FLANNEL_SUBNET, FLANNEL_MTU, FLANNEL_IPMASQ } = fleet.subnetEnv(2);
  assertEquals([FLANNEL_NETWORK, FLANNEL_IPMASQ], ["10.5.0.0/16", "false"]);
  assertEquals(FLANNEL_SUBNET, `${subnets[2]}.1/24`);
  assertMatch(FLANNEL_MTU!, /^1\d\d\d$/);
  const listed = await bed.onNode(1, ...bed.command, "etcd", "ls", "--etcd", fleet.url);
  for (const [i, subnet] of subnets.entries()) {
    const line = new RegExp(`^${subnet}.0/24 +${bed.node(i).address} +udp +\\d s`, "m");
    assertMatch(listed.stdout, line);
  }
  const file = ["--subnet-file", fleet.subnetFile(1), "--etcd", fleet.url];
  const script = await bed.onNode(1, ...bed.command, "setup", "--docker", ...file);
  assertMatch(script.stdout, new RegExp(`--subnet ${subnets[1]}.0/24 --gateway ${subnets[1]}.1 `));
  const doctor = await bed.onNode(1, ...bed.command, "doctor", "--json", "--etcd", fleet.url);
  const { node, checks } = JSON.parse(doctor.stdout) as {
    node: string;
    checks: { id: string; status: string; why: string }[];
  };
  assertEquals([node, checks.filter(({ id }) => id === "etcd").map(({ status }) => status)], [
    bed.node(1).address,
    ["ok"],
  ]);
  assertMatch(JSON.stringify(checks), new RegExp(`this node has ${subnets[1]}.0/24`));
  Deno.kill(third.pid, "SIGKILL");
  await third.status;
  // etcd looks at its leases twice a second.
  await until("the others forget it", LEASE_S * 1_000 + 5_000, async () => {
    const known = await Promise.all([0, 1].map((i) => fleet.status(i)));
    return known.every(({ peers }) => peers.length === 1);
  });
  await fleet.start(2);
  assertEquals(fleet.subnet(2), subnets[2]);
  await until("it is there again", 5_000, () => fleet.reaches(0, 2));
  const { node: { problems } } = await fleet.status(0);
  assert(problems.length === 0, problems.join());
});

Deno.test("etcd: nodes with keys find each other, seal everything, and leave out who has none", async () => {
  await using fleet = await Fleet.create({ nodes: 2, backend: "wireguard" });
  await fleet.record(0, "10.5.99.0/24", "192.0.2.9");
  await Promise.all([fleet.start(0), fleet.start(1)]);
  await fleet.addPod(0);
  await fleet.addPod(1);
  await until("pods reach each other", 10_000, () => fleet.reaches(0, 1));
  const { bed } = fleet;
  const { stdout } = await bed.onNode(0, ...bed.command, "etcd", "ls", "--etcd", fleet.url);
  assertMatch(stdout, /backend wireguard, port 51820/);
  assertMatch(stdout, /10\.5\.99\.0\/24 +192\.0\.2\.9 +udp +none +left out: plain/);
  await until("the peer is up", 10_000, async () => {
    const { peers, etcd } = await fleet.status(0);
    assertEquals([peers.map(({ transport }) => transport), etcd.refused.plain], [["sealed"], 1]);
    return peers[0]!.state === "up";
  });
});

Deno.test("etcd: a node whose subnet is taken goes on with another, and tells its pods", async () => {
  await using fleet = await Fleet.create({ nodes: 2 });
  const [, b] = await Promise.all([fleet.start(0), fleet.start(1)]);
  const before = fleet.subnet(1);
  await fleet.record(0, `${before}.0/24`, "192.0.2.7");
  await until("it has another subnet", 10_000, () => fleet.subnet(1) !== before);
  assertMatch(b.log, new RegExp(`the lease of ${before}.0/24 is lost`));
  await fleet.addPod(0);
  await fleet.addPod(1);
  await until("pods reach each other", 5_000, () => fleet.reaches(0, 1));
  const { peers } = await fleet.status(0);
  const subnets = peers.map(({ name, subnets }) => `${name} ${subnets}`).toSorted();
  assertEquals(subnets, [
    `192.0.2.7 ${before}.0/24`,
    `${fleet.bed.node(1).address} ${fleet.subnet(1)}.0/24`,
  ]);
});

/** Pings from pod to pod from now on; what was lost is told at the end. */
function watchLoss(
  fleet: Fleet,
  from: number,
  to: number,
): { readonly end: () => Promise<string> } {
  const words = ["ping", "-n", "-q", "-i", "0.05", fleet.pod(to)];
  const child = fleet.bed.spawn(fleet.bed.node(from).podNamespace, words);
  const said = new Words(child.stdout);
  return {
    end: async () => {
      child.kill("SIGINT");
      await child.status;
      return await said.all;
    },
  };
}

/** TUNNET_LONG=1, on a silent host: for longer, and within the times that are promised. */
const LONG = Deno.env.get("TUNNET_LONG") === "1";

/** Records of nodes beside the two that are there, and how long 100 of them change in a second. */
const RECORDS = 1_000;
const CHURN_S = LONG ? 30 : 5;

Deno.test("etcd: a thousand leases, of which a hundred change in a second", async () => {
  await using fleet = await Fleet.create({ nodes: 2, lease_s: 86_400, network: "10.64.0.0/12" });
  const { bed } = fleet;
  await fleet.churn("fill", RECORDS);
  // What is sent to those who are not there goes nowhere.
  for (const i of [0, 1]) {
    const { namespace } = bed.node(i);
    await ip(["-n", namespace, "tuntap", "add", "nowhere", "mode", "tun"]);
    await ip(["-n", namespace, "link", "set", "nowhere", "up"]);
    await ip(["-n", namespace, "route", "add", "198.18.0.0/15", "dev", "nowhere"]);
  }
  const [, b] = await Promise.all([fleet.start(0), fleet.start(1)]);
  const at_ms = (event: string) => {
    const line = b!.log.split("\n").find((one) => one.includes(`"event":"${event}"`));
    return Date.parse(JSON.parse(line!).time);
  };
  const took_ms = at_ms("ready") - at_ms("config_file");
  assert(!LONG || took_ms < 2_000, `1,000 records are read and published: ${took_ms} ms`);
  await fleet.addPod(0);
  await fleet.addPod(1);
  await until("pods reach each other", 5_000, () => fleet.reaches(0, 1));
  assertEquals((await fleet.status(1)).peers.length, RECORDS + 1);
  const loss = watchLoss(fleet, 0, 1);
  // The heap has its size after some thousand changes.
  await fleet.churn("change", RECORDS, 400, 6);
  const before = await fleet.status(1);
  const [rate, left] = await fleet.churn("change", RECORDS, 100, CHURN_S);
  const after = await fleet.status(1);
  assert(!LONG || rate > 95, `${rate} changes a second`);
  await until(
    "all of them are followed",
    2_000,
    async () => (await fleet.status(1)).peers.length === left + 1,
  );
  const grown_bytes = after.node.process.resident_bytes - before.node.process.resident_bytes;
  const cpu_s = after.node.process.cpu_seconds - before.node.process.cpu_seconds;
  console.log(
    `  ready after ${took_ms} ms; ${rate} changes/s for ${CHURN_S} s: ` +
      `${(100 * cpu_s / CHURN_S).toFixed(0)} % of a CPU, ${(grown_bytes / 1e6).toFixed(1)} MB more`,
  );
  assert(grown_bytes < 64e6, `memory stays flat: ${grown_bytes} bytes more`);
  assertMatch(await loss.end(), / 0% packet loss/);
});

/** How long all of etcd is stopped. */
const STOPPED_S = LONG ? 60 : 8;

/** Members of etcd, and the nodes that follow it. */
const MEMBERS = [0, 1, 2];
const NODES = [3, 4];

Deno.test("etcd: a cluster that loses members, is compacted, and is away altogether", async (t) => {
  await using fleet = await Fleet.create({ nodes: 5, members: 3, lease_s: 86_400 });
  const { bed, etcd } = fleet;
  await Promise.all(NODES.map((i) => fleet.start(i)));
  for (const i of NODES) await fleet.addPod(i);
  await until("pods reach each other", 5_000, () => fleet.reaches(3, 4));
  const loss = watchLoss(fleet, 3, 4);
  const statuses = () => Promise.all(NODES.map((i) => fleet.status(i)));
  /** Both nodes know these of the nodes that there are in etcd alone. */
  const heard = (timeout_ms: number, ...names: readonly string[]) =>
    until(
      `they hear of ${names}`,
      timeout_ms,
      async () =>
        (await statuses()).every(({ peers }) =>
          `${peers.map(({ name }) => name).filter((one) => one.startsWith("192.0.2."))}` ===
            `${names}`
        ),
    );
  const writes = (member: number) =>
    until(
      `member ${member} writes`,
      15_000,
      async () =>
        (await fleet.ask(member, "kv/put", { key: btoa("/x"), value: "" })).header !== undefined,
    );
  const allAway = () =>
    until(
      "both have noticed",
      30_000,
      async () => (await statuses()).every((one) => !one.etcd.connected),
    );
  /** What comes to a port of a member, or from one, goes no further. */
  const cut = (verb: "-I" | "-D", member: number, port: number) =>
    Promise.all(["--dport", "--sport"].map(async (side) => {
      const rule = ["INPUT", "-p", "tcp", "!", "-i", "lo", side, `${port}`, "-j", "DROP"];
      const { code, stderr } = await bed.onNode(member, "iptables", "-w", verb, ...rule);
      assertEquals(code, 0, stderr);
    }));

  await t.step("the leader is killed", async () => {
    const { leader } = await fleet.ask(0, "maintenance/status", {});
    const all = await Promise.all(MEMBERS.map((i) => fleet.ask(i, "maintenance/status", {})));
    const at = all.findIndex(({ header }) =>
      (header as { member_id: string }).member_id === leader
    );
    const restart = await etcd.kill(at);
    const other = (at + 1) % 3;
    await writes(other);
    await fleet.record(other, "10.5.201.0/24", "192.0.2.1");
    await heard(12_000, "192.0.2.1");
    restart();
    await writes(at);
  });
  await t.step("the member that is watched is cut off from the others", async () => {
    const at = etcd.endpoints.indexOf((await fleet.status(3)).etcd.endpoint);
    await cut("-I", at, 2380);
    const other = (at + 1) % 3;
    await writes(other);
    await fleet.record(other, "10.5.202.0/24", "192.0.2.2");
    await heard(20_000, "192.0.2.1", "192.0.2.2");
    assertNotEquals((await fleet.status(3)).etcd.endpoint, etcd.endpoints[at]);
    await cut("-D", at, 2380);
    await writes(at);
  });
  await t.step("all are cut off from the nodes, and compacted meanwhile", async () => {
    await Promise.all(MEMBERS.map((i) => cut("-I", i, 2379)));
    await allAway();
    await fleet.record(0, "10.5.201.0/24");
    await fleet.record(0, "10.5.203.0/24", "192.0.2.3");
    const { header } = await fleet.ask(0, "kv/put", { key: btoa("/x"), value: "" });
    const { revision } = header as { revision: string };
    await fleet.ask(0, "kv/compaction", { revision, physical: true });
    await Promise.all(MEMBERS.map((i) => cut("-D", i, 2379)));
    await heard(15_000, "192.0.2.2", "192.0.2.3");
  });
  await t.step(`all are stopped for ${STOPPED_S} s`, async () => {
    for (const i of MEMBERS) etcd.signal(i, "SIGSTOP");
    const stopped_ms = performance.now();
    await allAway();
    await until(
      "the time is over",
      STOPPED_S * 2_000,
      () => performance.now() - stopped_ms > STOPPED_S * 1_000,
    );
    assert(await fleet.reaches(4, 3), "packets go on");
    for (const i of MEMBERS) etcd.signal(i, "SIGCONT");
    await writes(0);
    await fleet.record(0, "10.5.204.0/24", "192.0.2.4");
    await heard(15_000, "192.0.2.2", "192.0.2.3", "192.0.2.4");
    assert((await statuses()).every(({ etcd }) => etcd.lease_held && etcd.connected));
  });
  assertMatch(await loss.end(), / 0% packet loss/);
});

Deno.test("etcd: a node starts without etcd, by the members that it knew", async () => {
  await using fleet = await Fleet.create({ nodes: 2, lease_s: 86_400 });
  const { etcd } = fleet;
  const [, second] = await Promise.all([fleet.start(0), fleet.start(1)]);
  await fleet.addPod(0);
  await fleet.addPod(1);
  await until("pods reach each other", 5_000, () => fleet.reaches(0, 1));
  const subnet = fleet.subnet(1);
  await second!.stop();
  assertEquals(Deno.statSync(`${fleet.stateFile(1)}`).mode! & 0o777, 0o600);
  etcd.signal(0, "SIGSTOP");
  await fleet.start(1);
  assertEquals(fleet.subnet(1), subnet);
  await until("pods reach each other", 10_000, () => fleet.reaches(0, 1));
  const away = await fleet.status(1);
  assertEquals([away.etcd.connected, away.etcd.lease_held], [false, false]);
  etcd.signal(0, "SIGCONT");
  await until(
    "it has its lease again",
    15_000,
    async () => (await fleet.status(1)).etcd.lease_held,
  );
  assertEquals(fleet.subnet(1), subnet);
});
