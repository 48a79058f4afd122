/** A fleet of a thousand in a real etcd: how long a change takes until lanes look it up. */

import { assert, assertEquals } from "../assert.ts";
import { systemTime, timersOf } from "../../src/base/time.ts";
import type { Config } from "../../src/config/types.ts";
import { LaneTable } from "../../src/forwarding/lane_table.ts";
import { NO_ROUTE } from "../../src/forwarding/prefixes.ts";
import { ForwardingTable } from "../../src/forwarding/table.ts";
import { parseAddress, parsePrefix } from "../../src/net/prefix.ts";
import { applyMembers } from "../../src/node/reload.ts";
import { Publisher } from "../../src/peers/publish.ts";
import { Registry } from "../../src/peers/registry.ts";
import { EtcdClient } from "../../src/peers/source/etcd/client.ts";
import { Members } from "../../src/peers/source/etcd/members.ts";
import { formatNetwork, readNetwork } from "../../src/peers/source/etcd/network.ts";
import { formatRecord } from "../../src/peers/source/etcd/records.ts";
import { EtcdSource } from "../../src/peers/source/etcd/source.ts";
import { logged, membersOf, TOKEN } from "../fakes/peers.ts";
import { RealEtcd } from "../peers/etcd.ts";

/** TUNNET_LONG=1, on a silent host: for half a minute, and within the times that are promised. */
const LONG = Deno.env.get("TUNNET_LONG") === "1";
const RECORDS = 1_000;
const CHANGES = LONG ? 3_000 : 300;
const INTERVAL_MS = 10;
const BASE = "/net/subnets/";

const subnetOf = (i: number) => `10.${64 + (i >> 8)}.${i & 255}.0`;
const addressOf = (i: number) => `198.18.${i >> 8}.${i & 255}`;
const record = (i: number) => formatRecord(parseAddress(addressOf(i))!);

Deno.test("etcd: a hundred changes a second among a thousand records reach the lanes at once", async () => {
  await using etcd = await RealEtcd.start();
  const value = formatNetwork({ network: parsePrefix("10.64.0.0/12")!.prefix, backend: "udp" });
  await etcd.put("/net/config", value);
  for (let i = 0; i < RECORDS; i += 100) {
    const success = Array.from({ length: 100 }, (_, j) => ({
      request_put: { key: btoa(`${BASE}${subnetOf(i + j)}-24`), value: btoa(record(i + j)) },
    }));
    await etcd.post("kv/txn", { success });
  }
  const network = readNetwork(value).network!;
  const { log } = logged();
  const base: Config = { ...membersOf({}).config, networks: [network.network], port: network.port };
  const begun_ms = performance.now();
  const source = await EtcdSource.join({
    etcd: new EtcdClient({ endpoints: etcd.endpoints }, systemTime),
    prefix: "/net",
    members: new Members({
      ...{ network, ownAddress: parseAddress("192.168.0.1")!, allowPlain: false, fixed: [] },
    }),
    network: value,
    config: base,
    ttl_ms: 60_000,
    save: () => {},
    chance: () => 0.99,
    ...{ log, time: systemTime },
  });
  const registry = new Registry(source.overlay, 4, timersOf(), () => TOKEN);
  for (const peer of registry.peers) peer.offer([parseAddress(peer.node.endpoint.host)!]);
  const table = new ForwardingTable();
  const lane = new LaneTable(table.memory, 0);
  const publisher = new Publisher(
    registry,
    { look: ({ liveness: { path } }) => path.look(1472, 1472) },
    { table, macs: undefined, laneCount: 1, wake: () => void lane.acquire() },
    [],
    systemTime,
  );
  publisher.publishAll();
  const started_ms = performance.now() - begun_ms;
  assertEquals(registry.peers.length, RECORDS);
  assert(!LONG || started_ms < 2_000, `listed and published after ${started_ms} ms`);
  const ownerOf = (i: number) => {
    const { bytes } = parseAddress(subnetOf(i).replace(/0$/, "9"))!;
    return lane.routes.lookup4(new DataView(bytes.buffer, bytes.byteOffset), 0);
  };

  /** When each change was asked for, until it is in the table. */
  const asked = new Map<number, { readonly at_ms: number; readonly there: boolean }>();
  const lags_ms: number[] = [];
  source.watch(async (diff) => {
    await applyMembers({
      registry,
      device: { suits: () => true, change: () => () => {} },
      lanes: { clearPeer: () => {}, macs: undefined },
      publisher,
      resolver: { report: () => {} },
      hellos: { hello: () => {}, announce: () => {} },
      resolveHost: (host) => Promise.resolve([parseAddress(host)!]),
      checkFiles: () => {},
      bringInStep: () => {},
      followNodes: () => {},
    }, diff);
    const now_ms = performance.now();
    for (const [i, { at_ms, there }] of asked) {
      if ((ownerOf(i) !== NO_ROUTE) !== there) continue;
      lags_ms.push(now_ms - at_ms);
      asked.delete(i);
    }
  });
  const due_ms = performance.now();
  const made: Promise<unknown>[] = [];
  for (let i = 0; i < CHANGES; i++) {
    // One goes; the one that went 50 changes ago comes back.
    const there = i % 2 === 1;
    const at = (there ? (i - 1) / 2 + RECORDS - 25 : i / 2) % RECORDS;
    const key = btoa(`${BASE}${subnetOf(at)}-24`);
    asked.set(at, { at_ms: performance.now(), there });
    made.push(
      there
        ? etcd.post("kv/put", { key, value: btoa(record(at)) })
        : etcd.post("kv/deleterange", { key }),
    );
    await systemTime.sleep(Math.max(0, due_ms + INTERVAL_MS * (i + 1) - performance.now()));
  }
  await Promise.all(made);
  for (let tries = 0; asked.size > 0; tries++) {
    assert(tries < 500, `${asked.size} changes have not arrived`);
    await systemTime.sleep(20);
  }
  source.close();
  lags_ms.sort((one, other) => one - other);
  const at = (share: number) => lags_ms[Math.floor(share * (lags_ms.length - 1))]!.toFixed(1);
  console.log(
    `  listed and published after ${started_ms.toFixed(0)} ms; ${lags_ms.length} changes: ` +
      `median ${at(0.5)} ms, 99 % within ${at(0.99)} ms`,
  );
  assert(!LONG || Number(at(0.99)) < 100, `99 % within ${at(0.99)} ms`);
});
