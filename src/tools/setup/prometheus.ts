/** `tunnet setup --alerts` and `--scrape`: files for Prometheus. Pure. */

import type { Config, NodeConfig } from "../../config/types.ts";
import { DEFAULT_HTTP_PORT } from "../../base/limits.ts";
import { formatEndpoint, parseAddress } from "../../net/prefix.ts";

/** What Prometheus calls the scraped nodes. */
export const JOB = "tunnet";

/** A rule: when it fires, and what it says. */
interface Alert {
  readonly name: string;
  readonly expression: string;
  readonly for: string;
  readonly severity: "warning" | "critical";
  readonly summary: string;
  readonly description: string;
}

/**
 * Drops that a healthy network has now and then: what strangers send, and what has no route. Both
 * are worth an alert only where somebody waits for the packets, who sees them by another rule.
 */
const HARMLESS = ["unknown_peer", "malformed", "no_route", "reserved_type"];

const ALERTS: readonly Alert[] = [
  {
    name: "TunnetNodeDown",
    expression: `up{job="${JOB}"} == 0 or tunnet_healthy == 0`,
    for: "1m",
    severity: "critical",
    summary: "{{ $labels.instance }}: tunnet does not run, or has no device",
    description: "On that host: systemctl status tunnet, then sudo tunnet doctor.",
  },
  {
    name: "TunnetPeerDown",
    // A plain peer is another program that says no hello.
    expression: `tunnet_peer_up == 0 unless on (job, instance, peer) ` +
      `tunnet_peer_state{state="plain"} == 1`,
    for: "2m",
    severity: "warning",
    summary: "{{ $labels.instance }}: no connection with {{ $labels.peer }}",
    description: "sudo tunnet status tells why; sudo tunnet doctor, on both hosts, how to fix it.",
  },
  {
    name: "TunnetDrops",
    expression: `sum by (job, instance, direction, reason) ` +
      `(rate(tunnet_drops_total{reason!~"${HARMLESS.join("|")}"}[5m])) > 1`,
    for: "10m",
    severity: "warning",
    summary: "{{ $labels.instance }} drops packets: {{ $labels.reason }}",
    description:
      "tunnet help drops has the meaning; sudo tunnet trace {{ $labels.reason }} shows " +
      "each packet.",
  },
  {
    name: "TunnetReloadFailed",
    expression: "tunnet_config_last_reload_successful == 0",
    for: "5m",
    severity: "warning",
    summary: "{{ $labels.instance }}: tunnet.yaml was changed, and is not in use",
    description: "tunnet check names what is wrong; sudo tunnet reload takes it over.",
  },
];

/** A YAML scalar in double quotes. */
const quoted = (text: string): string => JSON.stringify(text);

/** A file of alerting rules (https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules). */
export function alertRules(): string {
  const rules = ALERTS.map((alert) =>
    `      - alert: ${alert.name}
        expr: ${quoted(alert.expression)}
        for: ${alert.for}
        labels:
          severity: ${alert.severity}
        annotations:
          summary: ${quoted(alert.summary)}
          description: ${quoted(alert.description)}
`
  );
  return `# Printed by: tunnet setup --alerts
# In prometheus.yml: rule_files: [tunnet-alerts.yml]
groups:
  - name: tunnet
    rules:
${rules.join("")}`;
}

const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || host.startsWith("127.");

/** Where Prometheus asks a node: at its own address, unless HTTP is bound to another. */
function targetOf(node: NodeConfig, http: { host: string; port: number } | undefined): string {
  const host = http?.host ?? node.endpoint.host;
  const everywhere = ["0.0.0.0", "::"].includes(host);
  return formatEndpoint(everywhere ? node.endpoint.host : host, http?.port ?? DEFAULT_HTTP_PORT);
}

/** A configuration of Prometheus that scrapes the nodes of a config. */
export function scrapeConfig({ nodes, service }: Config): string {
  const http = service?.http;
  const local = http !== undefined && isLoopback(http.host);
  const notes = [
    ...(http ? [] : ["# It takes `http: 0.0.0.0:9309` in tunnet.yaml, which serves /metrics."]),
    ...(local
      ? ["# `http` in tunnet.yaml is this host's own: only a Prometheus here can ask."]
      : []),
    ...(nodes.some(({ endpoint: { host } }) => !parseAddress(host))
      ? ["# A node may be asked by the name that is its address in tunnet.yaml."]
      : []),
  ];
  const targets = local
    ? [`          - ${quoted(formatEndpoint(http.host, http.port))}\n`]
    : nodes.map((node) => `          - ${quoted(targetOf(node, http))} # ${node.name}\n`);
  return `# Printed by: tunnet setup --scrape
${notes.map((note) => `${note}\n`).join("")}scrape_configs:
  - job_name: ${JOB}
    scrape_interval: 15s
    static_configs:
      - targets:
${targets.join("")}# With the rules of tunnet setup --alerts:
# rule_files: [tunnet-alerts.yml]
`;
}
