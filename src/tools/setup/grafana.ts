/** `tunnet setup --grafana`: a dashboard, to import or to provision. Pure. */

/** A series of a panel. */
interface Query {
  readonly expression: string;
  readonly legend: string;
}

/** A panel as it is told apart from the others; the rest is the same for all. */
interface Panel {
  readonly title: string;
  readonly about: string;
  readonly type: "timeseries" | "stat" | "table";
  readonly unit: string;
  readonly width: 6 | 12 | 24;
  readonly queries: readonly Query[];
  /** Values from here on are coloured so. */
  readonly thresholds?: readonly (readonly [value: number | null, colour: string])[];
}

const NODE = 'instance=~"$instance"';
const PEER = `${NODE}, peer=~"$peer"`;
const ok = [[null, "green"], [1, "red"]] as const;

const PANELS: readonly Panel[] = [
  {
    title: "Peers that are up",
    about: "Of all that say hello, as each node sees them.",
    type: "stat",
    unit: "percentunit",
    width: 6,
    queries: [{
      expression: `sum(tunnet_peers{${NODE}, state="up"}) / ` +
        `sum(tunnet_peers{${NODE}, state!="plain"})`,
      legend: "up",
    }],
    thresholds: [[null, "red"], [0.999, "green"]],
  },
  {
    title: "Nodes with a problem",
    about: "sudo tunnet doctor on that host tells what to do.",
    type: "stat",
    unit: "short",
    width: 6,
    queries: [{ expression: `count(tunnet_healthy{${NODE}} == 0) or vector(0)`, legend: "nodes" }],
    thresholds: ok,
  },
  {
    title: "Configs that were not taken over",
    about: "tunnet check names what is wrong.",
    type: "stat",
    unit: "short",
    width: 6,
    queries: [{
      expression: `count(tunnet_config_last_reload_successful{${NODE}} == 0) or vector(0)`,
      legend: "nodes",
    }],
    thresholds: ok,
  },
  {
    title: "Peers by the kernel path",
    about: "The others' packets go by the lanes, or sealed.",
    type: "stat",
    unit: "short",
    width: 6,
    queries: [{
      expression: `sum by (transport) (tunnet_peer_transport{${PEER}})`,
      legend: "{{transport}}",
    }],
  },
  {
    title: "Throughput to and from each peer",
    about: "Inner packets; out is above, in is below 0.",
    type: "timeseries",
    unit: "bps",
    width: 24,
    queries: [
      {
        expression: `8 * rate(tunnet_peer_bytes_total{${PEER}, direction="outbound"}` +
          "[$__rate_interval])",
        legend: "{{instance}} to {{peer}}",
      },
      {
        expression: `-8 * rate(tunnet_peer_bytes_total{${PEER}, direction="inbound"}` +
          "[$__rate_interval])",
        legend: "{{instance}} from {{peer}}",
      },
    ],
  },
  {
    title: "Round trip",
    about: "Of the last hello that the peer answered.",
    type: "timeseries",
    unit: "s",
    width: 12,
    queries: [{
      expression: `tunnet_peer_rtt_seconds{${PEER}}`,
      legend: "{{instance}} to {{peer}}",
    }],
  },
  {
    title: "Loss of hellos",
    about: "Share of the peer's last hellos that did not arrive.",
    type: "timeseries",
    unit: "percentunit",
    width: 12,
    queries: [{
      expression: `tunnet_peer_loss_ratio{${PEER}}`,
      legend: "{{peer}} to {{instance}}",
    }],
  },
  {
    title: "Drops by reason",
    about: "tunnet help drops has the meaning of each.",
    type: "timeseries",
    unit: "pps",
    width: 12,
    queries: [{
      expression: "sum by (instance, direction, reason) " +
        `(rate(tunnet_drops_total{${NODE}}[$__rate_interval])) > 0`,
      legend: "{{instance}} {{direction}} {{reason}}",
    }],
  },
  {
    title: "Drops by peer",
    about: "sudo tunnet trace dropped prints each packet.",
    type: "timeseries",
    unit: "pps",
    width: 12,
    queries: [{
      expression: `rate(tunnet_peer_drops_total{${PEER}}[$__rate_interval]) > 0`,
      legend: "{{instance}} {{direction}} {{peer}}",
    }],
  },
  {
    title: "Peers that are not up",
    about: "sudo tunnet status tells why.",
    type: "table",
    unit: "short",
    width: 12,
    queries: [{ expression: `tunnet_peer_state{${PEER}, state!="up"} == 1`, legend: "" }],
  },
  {
    title: "Path MTU",
    about: "The largest inner packet that the path carries.",
    type: "timeseries",
    unit: "decbytes",
    width: 12,
    queries: [{
      expression: `tunnet_peer_path_mtu_bytes{${PEER}}`,
      legend: "{{instance}} to {{peer}}",
    }],
  },
  {
    title: "CPU",
    about: "Of the process; what the kernel path carries costs it nothing.",
    type: "timeseries",
    unit: "percentunit",
    width: 12,
    queries: [{
      expression: `rate(process_cpu_seconds_total{job="$job", ${NODE}}[$__rate_interval])`,
      legend: "{{instance}}",
    }],
  },
  {
    title: "Memory",
    about: "Resident memory of the process.",
    type: "timeseries",
    unit: "bytes",
    width: 12,
    queries: [{
      expression: `process_resident_memory_bytes{job="$job", ${NODE}}`,
      legend: "{{instance}}",
    }],
  },
];

const COLUMNS = 24;
const HEIGHTS = { stat: 4, timeseries: 9, table: 9 } as const;
const DATASOURCE = { type: "prometheus", uid: "${datasource}" } as const;

/** A variable of the dashboard that is the values of a label. */
function labelVariable(name: string, query: string, several: boolean) {
  return {
    ...{ name, label: name, type: "query", datasource: DATASOURCE, query, refresh: 2, sort: 1 },
    ...(several ? { multi: true, includeAll: true, allValue: ".*", current: ALL } : {}),
  };
}

const ALL = { text: "All", value: "$__all" } as const;

/** The dashboard as Grafana's JSON model (https://grafana.com/docs/grafana/latest/dashboards). */
export function grafanaDashboard(): string {
  let [x, y, height] = [0, 0, 0];
  const panels = PANELS.map((panel, i) => {
    if (x + panel.width > COLUMNS) [x, y, height] = [0, y + height, 0];
    const place = { x, y, w: panel.width, h: HEIGHTS[panel.type] };
    x += panel.width;
    height = Math.max(height, place.h);
    const steps = (panel.thresholds ?? [[null, "blue"]]).map(([value, color]) => ({
      value,
      color,
    }));
    return {
      ...{ id: i + 1, type: panel.type, title: panel.title, description: panel.about },
      ...{ datasource: DATASOURCE, gridPos: place },
      fieldConfig: {
        defaults: { unit: panel.unit, thresholds: { mode: "absolute", steps } },
        overrides: [],
      },
      targets: panel.queries.map(({ expression, legend }, query) => ({
        ...{ refId: "ABC"[query], datasource: DATASOURCE, expr: expression, legendFormat: legend },
        ...(panel.type === "table" ? { instant: true, format: "table" } : {}),
      })),
    };
  });
  const dashboard = {
    ...{ title: "tunnet", uid: "tunnet", tags: ["tunnet", "network"], schemaVersion: 38 },
    ...{ editable: true, refresh: "30s", time: { from: "now-1h", to: "now" }, panels },
    templating: {
      list: [
        { name: "datasource", label: "Prometheus", type: "datasource", query: "prometheus" },
        labelVariable("job", "label_values(tunnet_info, job)", false),
        labelVariable("instance", 'label_values(tunnet_info{job="$job"}, instance)', true),
        labelVariable("peer", `label_values(tunnet_peer_up{${NODE}}, peer)`, true),
      ],
    },
  };
  return JSON.stringify(dashboard, null, 2) + "\n";
}
