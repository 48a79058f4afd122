/** A fleet whose members are in a real etcd: no file names a node. */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import { Fleet, LEASE_S } from "./fleet.ts";
import { until } from "./harness.ts";

Deno.test("etcd: three nodes join; one is killed, forgotten, and comes back with its subnet", async () => {
  await using fleet = await Fleet.create(3);
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
