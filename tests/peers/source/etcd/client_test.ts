/** The client against a real etcd. */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "../../../assert.ts";
import { systemTime } from "../../../../src/base/time.ts";
import { parseAddress } from "../../../../src/net/prefix.ts";
import { claimSubnet } from "../../../../src/peers/source/etcd/claim.ts";
import { EtcdClient } from "../../../../src/peers/source/etcd/client.ts";
import { EtcdError } from "../../../../src/peers/source/etcd/errors.ts";
import type { WatchMessage } from "../../../../src/peers/source/etcd/gateway.ts";
import { Members } from "../../../../src/peers/source/etcd/members.ts";
import { readNetwork } from "../../../../src/peers/source/etcd/network.ts";
import { keyEnd } from "../../../../src/peers/source/etcd/records.ts";
import { entryOf } from "../../../../src/peers/source/etcd/source.ts";
import { RealEtcd } from "../../etcd.ts";

const clientOf = (endpoints: readonly string[], timeout_ms = 10_000) =>
  new EtcdClient({ endpoints }, systemTime, timeout_ms);

Deno.test("etcd client: keys, leases and watches of a real etcd", async () => {
  await using etcd = await RealEtcd.start();
  const client = clientOf(etcd.endpoints);
  const lease = await client.grant(60);
  const write = (key: string, value: string, modified_revision: number) =>
    client.write({ key, value, lease, modified_revision });
  const revision = await write("/net/a", "1", 0);
  assert(revision > 0);
  assertEquals(await write("/net/a", "2", 0), 0);
  assertEquals(await client.list("/net/"), {
    revision,
    keys: [{
      ...{ key: "/net/a", value: "1", lease },
      created_revision: revision,
      modified_revision: revision,
    }],
  });
  const ended = new AbortController();
  const seen: WatchMessage[] = [];
  const watching = (async () => {
    for await (
      const message of client.watch(client.endpoint, "/net/", revision + 1, ended.signal)
    ) {
      seen.push(message);
      if (seen.length === 1) await write("/net/a", "ü", revision);
      if (seen.length === 2) await client.revoke(lease);
      if (seen.length === 3) ended.abort();
    }
  })();
  await watching;
  assertEquals(seen.map(({ created, events }) => [created, events.map((one) => one.what)]), [
    ...[[true, []], [false, ["put"]], [false, ["delete"]]],
  ]);
  const [put] = seen[1]!.events;
  assert(put?.what === "put" && put.kv.value === "ü" && put.kv.lease === lease);
  assertEquals(await client.renew(lease), 0);
  const other = await client.grant(60);
  assert(await client.renew(other) > 50);
  assertEquals(await client.revisionAt(client.endpoint, "/net/config"), revision + 2);
  assertEquals((await client.status(client.endpoint)).hasLeader, true);
});

Deno.test("etcd client: a watch from before a compaction is told so", async () => {
  await using etcd = await RealEtcd.start();
  for (let i = 0; i < 5; i++) await etcd.put("/net/a", `${i}`);
  await etcd.post("kv/compaction", { revision: "5" });
  const ended = new AbortController();
  const messages = clientOf(etcd.endpoints).watch(etcd.endpoints[0]!, "/net/", 2, ended.signal);
  for await (const { canceled, compact_revision } of messages) {
    if (!canceled) continue;
    assertEquals(compact_revision, 5);
    break;
  }
});

Deno.test("etcd client: a stopped etcd, one that is not there, and another that is", async () => {
  await using etcd = await RealEtcd.start();
  const gone = "http://127.0.0.1:9";
  etcd.signal(0, "SIGSTOP");
  const slow = await assertRejects(() => clientOf(etcd.endpoints, 200).list("/"), EtcdError);
  assertEquals([slow.failure, slow.parts.why], ["unreachable", "not within 0.2 s"]);
  const watch = clientOf(etcd.endpoints, 200).watch(
    etcd.endpoints[0]!,
    "/",
    1,
    new AbortController().signal,
  );
  assertEquals(
    (await assertRejects(async () => void await watch[Symbol.asyncIterator]().next(), EtcdError))
      .parts.why,
    "not within 0.2 s",
  );
  etcd.signal(0, "SIGCONT");
  const none = await assertRejects(() => clientOf([gone]).list("/"), EtcdError);
  assertStringIncludes(none.message, `etcd at ${gone} cannot be asked (`);
  const both = clientOf([gone, ...etcd.endpoints]);
  await both.list("/");
  assertEquals(both.endpoint, etcd.endpoints[0]);
});

Deno.test("etcd client: a race for one subnet has one winner, a thousand times", async () => {
  await using etcd = await RealEtcd.start();
  // One subnet is free: whoever is second has to hear that.
  const network = readNetwork(
    '{"Network":"10.5.0.0/16","SubnetMin":"10.5.1.0","SubnetMax":"10.5.2.0"}',
  ).network!;
  const base = "/net/subnets/";
  const [admin, ...clients] = [0, 1, 2].map(() => clientOf(etcd.endpoints));
  const claim = (client: EtcdClient, i: number) => {
    const ownAddress = parseAddress(`192.168.0.${i + 1}`)!;
    const members = new Members({ network, ownAddress, allowPlain: false, fixed: [] });
    const refresh = async () => {
      const { keys } = await client.list(base);
      members.replace(keys.map((kv) => entryOf(base, kv)));
    };
    return claimSubnet({
      ...{ etcd: client, base, members, refresh, ttl_ms: 60_000, chance: () => 0 },
    });
  };
  for (let round = 0; round < 1_000; round++) {
    const claimed = await Promise.all(clients.map(claim));
    const subnets = claimed.map(({ lease }) => keyEnd(lease.subnet));
    assertEquals(new Set(subnets).size, 2, `round ${round}: ${subnets}`);
    const { keys } = await admin!.list(base);
    for (const [i, { lease }] of claimed.entries()) {
      const key = keys.find((one) => one.key === base + subnets[i]);
      assertEquals([key?.lease, key?.value.includes(`192.168.0.${i + 1}"`)], [lease.id, true]);
    }
    await Promise.all(claimed.map(({ lease }) => admin!.revoke(lease.id)));
  }
});
