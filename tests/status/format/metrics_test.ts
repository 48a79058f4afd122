import { assert, assertEquals, assertThrows } from "../../assert.ts";
import { encodeHello } from "../../../src/wire/hello.ts";
import { formatMetrics } from "../../../src/status/format/metrics.ts";
import { parseMetrics, valueOf } from "./prometheus.ts";
import { HELLO_OF_B, statusOf, statusWith } from "../parts.ts";

Deno.test("metrics: parse strictly, and say what the status says", () => {
  const hello = encodeHello({ ...HELLO_OF_B, echo_us: 99_000_000, held_us: 0 });
  const status = statusWith((b) => void b.hear(hello, 99_002));
  const series = parseMetrics(formatMetrics(status));
  const value = (name: string, labels = {}) => valueOf(series, `tunnet_${name}`, labels);
  assertEquals(
    {
      info: value("info", { node: "a", version: "1.2.3", device: "tunnet0", engine: "batch" }),
      healthy: value("healthy"),
      start: value("start_time_seconds"),
      mtu: value("device_mtu_bytes"),
      packets: value("packets_total", { direction: "outbound" }),
      bytes: value("bytes_total", { direction: "inbound" }),
      noRoute: value("drops_total", { direction: "outbound", reason: "no_route" }),
      spoofed: value("drops_total", { direction: "inbound", reason: "spoofed_source" }),
      icmp: value("events_total", { direction: "outbound", event: "icmp_errors" }),
      control: value("events_total", { direction: "inbound", event: "control" }),
      up: value("peer_up", { peer: "b" }),
      gateUp: value("peer_up", { peer: "gate" }),
      stateUp: value("peer_state", { peer: "b", state: "up" }),
      stateSilent: value("peer_state", { peer: "b", state: "silent" }),
      rtt: value("peer_rtt_seconds", { peer: "b" }),
      loss: value("peer_loss_ratio", { peer: "b" }),
      seen: value("peer_last_seen_timestamp_seconds", { peer: "b" }),
      peerPackets: value("peer_packets_total", { peer: "b", direction: "inbound" }),
      peerBytes: value("peer_bytes_total", { peer: "b", direction: "outbound" }),
      ...{ peersUp: value("peers", { state: "up" }), peersDown: value("peers", { state: "down" }) },
      kernel: value("peer_transport", { peer: "b", transport: "kernel" }),
      lanes: value("peer_transport", { peer: "b", transport: "lanes" }),
      path: value("peer_path_mtu_bytes", { peer: "b" }),
      dropped: value("peer_drops_total", { peer: "b", direction: "inbound" }),
      reloaded: value("config_last_reload_successful"),
      cpu: valueOf(series, "process_cpu_seconds_total", {}),
      resident: valueOf(series, "process_resident_memory_bytes", {}),
    },
    {
      ...{ peersUp: 1, peersDown: 0, kernel: 1, lanes: 0, path: 1400, dropped: 9, reloaded: 1 },
      ...{ cpu: 1.5, resident: 5e7 },
      ...{ info: 1, healthy: 1, start: Date.UTC(2026, 0, 2, 3, 4, 5) / 1000, mtu: 1472 },
      ...{ packets: 30, bytes: 2000, noRoute: 5, spoofed: 7, icmp: 4, control: 6 },
      ...{ up: 1, gateUp: 0, stateUp: 1, stateSilent: 0, rtt: 0.002, loss: 0 },
      ...{ seen: Date.UTC(2026, 0, 2, 3, 4, 5) / 1000 + 99.002, peerPackets: 20, peerBytes: 3000 },
    },
  );
  // What is not known is left out, not 0.
  assert(!series.some(({ name }) => name === "process_open_fds"));
  assert(
    !series.some(({ name, labels }) =>
      /rtt|loss|seen|path_mtu/.test(name) && labels.peer === "gate"
    ),
  );
});

Deno.test("metrics: what is in labels is escaped", () => {
  const base = statusOf();
  const strange = 'q"\\\n{}, x';
  const status = { ...base, device: { ...base.device, name: strange }, peers: [] };
  const series = parseMetrics(formatMetrics(status));
  assertEquals(series.find(({ name }) => name === "tunnet_info")!.labels.device, strange);
  assert(!series.some(({ name }) => name.startsWith("tunnet_peer_")), "no peers, no families");
});

const HEAD = "# HELP a_total h\n# TYPE a_total counter\n";
const BAD: readonly [name: string, text: string][] = [
  ["no end of line", HEAD + "a_total 1"],
  ["no help", "# TYPE a_total counter\na_total 1\n"],
  ["no type", "# HELP a h\na 1\n"],
  ["a series twice", HEAD + 'a_total{x="1"} 1\na_total{x="1"} 2\n'],
  ["a family twice", HEAD + "a_total 1\n" + HEAD],
  ["a series of another family", HEAD + "b_total 1\n"],
  ["a label without quotes", HEAD + "a_total{x=1} 1\n"],
  ["a quote in a label", HEAD + 'a_total{x="""} 1\n'],
  ["a label twice", HEAD + 'a_total{x="1",x="2"} 1\n'],
  ["a word for a value", HEAD + "a_total one\n"],
  ["a counter below 0", HEAD + "a_total -1\n"],
  ["a counter without _total", "# HELP a h\n# TYPE a counter\na 1\n"],
  ["a unit that is no base unit", "# HELP a_ms h\n# TYPE a_ms gauge\na_ms 1\n"],
  ["an empty line", HEAD + "\n"],
  ["two spaces", HEAD + "a_total  1\n"],
];

for (const [name, text] of BAD) {
  Deno.test(`metrics: the parser refuses ${name}`, () => {
    assertThrows(() => parseMetrics(text), Error);
  });
}
