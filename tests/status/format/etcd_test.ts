import { assert, assertEquals, assertStringIncludes } from "../../assert.ts";
import { etcdStatus } from "../../../src/node/etcd_status.ts";
import { parsePrefix } from "../../../src/net/prefix.ts";
import type { EtcdState } from "../../../src/peers/source/etcd/source.ts";
import { formatMetrics } from "../../../src/status/format/metrics.ts";
import { statusText } from "../../../src/status/format/text.ts";
import { statusOf } from "../parts.ts";
import { parseMetrics, valueOf } from "./prometheus.ts";

const STATE: EtcdState = {
  endpoint: "http://10.0.0.5:2379",
  connected: true,
  problem: undefined,
  revision: 77,
  subnet: parsePrefix("10.5.3.0/24")!.prefix,
  held: true,
  lease_age_ms: 4_000,
  lease_ttl_ms: 86_400_000,
  records: 12,
  refused: new Map([["taken", 2]]),
};

const statusAt = (change: Partial<EtcdState> = {}) => ({
  ...statusOf(),
  etcd: etcdStatus({ ...STATE, ...change }),
});

Deno.test("status of etcd: one line, with what is left out, and why it is away", () => {
  const line = (change: Partial<EtcdState>) => {
    const text = statusText(statusAt(change), { colour: false });
    return text.split("\n").find((one) => one.startsWith("etcd "));
  };
  assertEquals(
    line({}),
    "etcd      http://10.0.0.5:2379 revision 77; 10.5.3.0/24 by a lease, confirmed 4s ago; " +
      "12 records, 2 left out: taken",
  );
  const away = line({
    ...{ connected: false, problem: "nobody answers", held: false, lease_age_ms: undefined },
    refused: new Map(),
  });
  assertEquals(
    away,
    "etcd      http://10.0.0.5:2379 away (nobody answers); 10.5.3.0/24 without a lease; 12 records",
  );
  assert(!statusText(statusOf(), { colour: false }).includes("etcd"));
});

Deno.test("status of etcd: metrics, and none without etcd", () => {
  const series = parseMetrics(formatMetrics(statusAt()));
  const value = (name: string, labels = {}) => valueOf(series, `tunnet_etcd_${name}`, labels);
  assertEquals(
    {
      ...{ up: value("up"), revision: value("revision"), held: value("lease_held") },
      ...{ age: value("lease_age_seconds"), ttl: value("lease_ttl_seconds") },
      ...{ records: value("records"), taken: value("records_refused", { reason: "taken" }) },
      plain: value("records_refused", { reason: "plain" }),
    },
    { up: 1, revision: 77, held: 1, age: 4, ttl: 86_400, records: 12, taken: 2, plain: 0 },
  );
  const never = formatMetrics(statusAt({ lease_age_ms: undefined }));
  assert(!never.includes("lease_age_seconds"));
  assert(!formatMetrics(statusOf()).includes("etcd"));
  assertStringIncludes(never, "tunnet_etcd_up 1");
});
