import { parseConfig } from "../../../src/config/parse.ts";
import { runProgram } from "../../../src/base/run_program.ts";
import { grafanaDashboard } from "../../../src/tools/setup/grafana.ts";
import { alertRules, scrapeConfig } from "../../../src/tools/setup/prometheus.ts";
import { formatMetrics } from "../../../src/status/format/metrics.ts";
import { encodeHello } from "../../../src/wire/hello.ts";
import { HELLO_OF_B, statusWith } from "../../status/parts.ts";
import { parseMetrics } from "../../status/format/prometheus.ts";
import { assert, assertEquals, assertStringIncludes } from "../../assert.ts";

const promtool = await runProgram("promtool", ["--version"]).then(() => true, () => false);
if (!promtool) console.log("SKIPPED: there is no promtool (package prometheus)");

/** Lets promtool look at files, by name; it must find nothing. */
async function check(what: readonly string[], files: Readonly<Record<string, string>>) {
  const dir = Deno.makeTempDirSync({ prefix: "tunnet-test-" });
  try {
    for (const [name, text] of Object.entries(files)) {
      Deno.writeTextFileSync(`${dir}/${name}`, text);
    }
    const [last] = Object.keys(files).slice(-1);
    const { code, stdout, stderr } = await runProgram("promtool", [...what, `${dir}/${last}`]);
    assertEquals([code, /warning/i.test(stdout + stderr)], [0, false], stdout + stderr);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
}

/** The metrics of a node with a peer that is up. */
const METRICS = formatMetrics(statusWith((b) => {
  b.hear(encodeHello({ ...HELLO_OF_B, echo_us: 99_000_000, held_us: 0 }), 99_002);
}));

const NODES = `nodes:
  - {name: a, address: 192.168.0.8, subnets: [10.1.0.0/16]}
  - {name: b, address: b.example.org, subnets: [10.2.0.0/16]}
`;
const scrape = (top: string) => scrapeConfig(parseConfig(top + NODES, "t.yaml").config);

Deno.test("setup --scrape: the nodes' addresses, or this host alone", () => {
  const both = scrape("http: 0.0.0.0:9400\n");
  assertStringIncludes(both, '- "192.168.0.8:9400" # a\n          - "b.example.org:9400" # b\n');
  assert(!both.includes("It takes"));
  assertStringIncludes(scrape(""), "# It takes `http: 0.0.0.0:9309`");
  assertStringIncludes(scrape(""), '- "192.168.0.8:9309" # a\n');
  const local = scrape("http: 9309\n");
  assertStringIncludes(local, '- targets:\n          - "127.0.0.1:9309"\n#');
  assertStringIncludes(local, "this host's own");
});

Deno.test({
  name: "setup --scrape, --alerts: promtool takes them",
  ignore: !promtool,
  fn: async () => {
    for (const top of ["", "http: 9309\n", "http: 0.0.0.0:9309\n"]) {
      await check(["check", "config"], { "prometheus.yml": scrape(top) });
    }
    const rules = alertRules();
    await check(["check", "rules"], { "tunnet-alerts.yml": rules });
    assertEquals(rules.match(/- alert:/g)?.length, 4);
  },
});

/** Series of a test of the rules (promtool test rules): every minute, for 30. */
const SERIES: readonly (readonly [series: string, values: string])[] = [
  ['up{job="tunnet", instance="gone"}', "0x30"],
  ['up{job="tunnet", instance="well"}', "1x30"],
  ['tunnet_healthy{job="tunnet", instance="sick"}', "0x30"],
  ['tunnet_healthy{job="tunnet", instance="well"}', "1x30"],
  ['tunnet_peer_up{job="tunnet", instance="well", peer="b"}', "0x30"],
  ['tunnet_peer_up{job="tunnet", instance="well", peer="c"}', "1x30"],
  ['tunnet_peer_up{job="tunnet", instance="well", peer="p"}', "0x30"],
  ['tunnet_peer_state{job="tunnet", instance="well", peer="b", state="plain"}', "0x30"],
  ['tunnet_peer_state{job="tunnet", instance="well", peer="p", state="plain"}', "1x30"],
  ...[["too_big", 600], ["no_route", 600], ["spoofed_source", 6]].map(([reason, step]) =>
    [
      `tunnet_drops_total{job="tunnet", instance="well", direction="outbound", reason="${reason}"}`,
      `0+${step}x30`,
    ] as const
  ),
  ['tunnet_config_last_reload_successful{job="tunnet", instance="well"}', "1x30"],
  ['tunnet_config_last_reload_successful{job="tunnet", instance="old"}', "0x30"],
];

/** What is to fire after 25 minutes, with the labels that tell. */
const FIRING: readonly (readonly [alert: string, severity: string, labels: readonly string[]])[] = [
  ["TunnetNodeDown", "critical", ["instance: gone", "instance: sick"]],
  ["TunnetPeerDown", "warning", ["instance: well, peer: b"]],
  ["TunnetDrops", "warning", ["instance: well, direction: outbound, reason: too_big"]],
  ["TunnetReloadFailed", "warning", ["instance: old"]],
];

Deno.test({
  name: "setup --alerts: each fires for what it is about, and for nothing else",
  ignore: !promtool,
  fn: async () => {
    // Annotations are left out: what fires is at issue.
    const rules = alertRules().replaceAll(/ {8}annotations:\n( {10}.*\n)+/g, "");
    const expected = FIRING.map(([alert, severity, labels]) =>
      `      - eval_time: 25m
        alertname: ${alert}
        exp_alerts:
${
        labels.map((text) =>
          `          - exp_labels: {severity: ${severity}, job: tunnet, ${text}}\n`
        ).join("")
      }`
    );
    const test = `rule_files: [alerts.yml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
${
      SERIES.map(([series, values]) => `      - series: '${series}'\n        values: ${values}\n`)
        .join("")
    }    alert_rule_test:
${expected.join("")}`;
    await check(["test", "rules"], { "alerts.yml": rules, "test.yml": test });
  },
});

Deno.test("setup --grafana: the panels do not overlap, and ask for metrics that there are", async () => {
  const dashboard = JSON.parse(grafanaDashboard());
  const places = dashboard.panels.map((panel: { gridPos: Record<"x" | "y" | "w" | "h", number> }) =>
    panel.gridPos
  );
  const taken = new Set<string>();
  for (const { x, y, w, h } of places) {
    assert(x + w <= 24);
    for (let i = x; i < x + w; i++) {
      for (let j = y; j < y + h; j++) {
        assert(!taken.has(`${i} ${j}`), `${i} ${j}`);
        taken.add(`${i} ${j}`);
      }
    }
  }
  const queries: string[] = dashboard.panels.flatMap((panel: { targets: { expr: string }[] }) =>
    panel.targets.map(({ expr }) => expr)
  );
  const names = new Set(parseMetrics(METRICS).map(({ name }) => name));
  for (const query of [...queries, alertRules()]) {
    for (const [name] of query.matchAll(/\b(tunnet|process)_\w+/g)) {
      assert(names.has(name), name);
    }
  }
  if (!promtool) return;
  const rules = queries.map((query, i) => {
    const text = query.replaceAll("$__rate_interval", "5m").replaceAll("$instance", ".*");
    return `      - record: panel_${i}\n        expr: ${JSON.stringify(text)}\n`;
  });
  const text = `groups:\n  - name: dashboard\n    rules:\n${rules.join("")}`;
  await check(["check", "rules"], { "dashboard.yml": text });
});

Deno.test({
  name: "metrics: promtool finds nothing to better",
  ignore: !promtool,
  fn: async () => {
    const child = new Deno.Command("promtool", {
      args: ["check", "metrics"],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(METRICS));
    await writer.close();
    const { code, stdout, stderr } = await child.output();
    const text = new TextDecoder();
    assertEquals([code, text.decode(stdout), text.decode(stderr)], [0, "", ""]);
  },
});
