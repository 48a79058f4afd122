/**
 * The status as metrics: the text format 0.0.4 of Prometheus
 * (https://prometheus.io/docs/instrumenting/exposition_formats). Pure.
 */

import { PEER_STATES } from "../../peers/liveness.ts";
import type { Status, TotalFlow } from "../model/types.ts";

/** The content type of the format. */
export const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

type Labels = Readonly<Record<string, string>>;

/** One time series: labels and a value. */
type Series = readonly [labels: Labels, value: number];

function escapeHelp(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function escapeLabel(text: string): string {
  return escapeHelp(text).replaceAll('"', '\\"');
}

function line(name: string, [labels, value]: Series): string {
  const pairs = Object.entries(labels).map(([key, text]) => `${key}="${escapeLabel(text)}"`);
  return `${name}${pairs.length > 0 ? `{${pairs.join(",")}}` : ""} ${value}\n`;
}

/** A family of series; nothing at all where there is no series. */
function family(
  name: string,
  type: "counter" | "gauge",
  help: string,
  series: readonly Series[],
): string {
  if (series.length === 0) return "";
  return `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n` +
    series.map((one) => line(name, one)).join("");
}

const seconds = (time: string) => Date.parse(time) / 1000;

const DIRECTIONS = ["outbound", "inbound"] as const;

function nodeFamilies(status: Status): string {
  const { node, device, engine } = status;
  const ways = (pick: (way: TotalFlow) => number): Series[] =>
    DIRECTIONS.map((direction) => [{ direction }, pick(status[direction])]);
  const tally = (kind: "drops" | "events", label: string): Series[] =>
    DIRECTIONS.flatMap((direction) =>
      Object.entries(status[direction][kind])
        .map(([name, count]): Series => [{ direction, [label]: name }, count])
    );
  return [
    family("tunnet_info", "gauge", "What runs here; always 1.", [[{
      node: node.name,
      version: node.version,
      device: device.name,
      mode: device.mode,
      engine: engine.name,
    }, 1]]),
    family("tunnet_healthy", "gauge", "1 if the node itself has no problem.", [
      [{}, node.problems.length === 0 ? 1 : 0],
    ]),
    family("tunnet_start_time_seconds", "gauge", "When the node started, since 1970.", [
      [{}, seconds(node.started)],
    ]),
    family("tunnet_device_mtu_bytes", "gauge", "MTU of the device.", [[{}, device.mtu_bytes]]),
    family("tunnet_packets_total", "counter", "Packets carried.", ways(({ packets }) => packets)),
    family(
      "tunnet_bytes_total",
      "counter",
      "Bytes of the packets carried, without the underlay's headers.",
      ways(({ bytes }) => bytes),
    ),
    family(
      "tunnet_drops_total",
      "counter",
      "Packets that went no further, by reason.",
      tally("drops", "reason"),
    ),
    family(
      "tunnet_events_total",
      "counter",
      "What else was counted, by name.",
      tally("events", "event"),
    ),
  ].join("");
}

/** The reload's and the process's own: names as Prometheus's client libraries have them. */
function processFamilies({ node: { process, config_reload, started } }: Status): string {
  const one = (value: number | null): Series[] => value === null ? [] : [[{}, value]];
  return [
    family(
      "tunnet_config_last_reload_successful",
      "gauge",
      "1 if the config was taken over when it was last read.",
      one(config_reload.successful ? 1 : 0),
    ),
    family(
      "tunnet_config_last_reload_success_timestamp_seconds",
      "gauge",
      "When a config was last taken over, since 1970.",
      one(seconds(config_reload.last_success)),
    ),
    family(
      "process_cpu_seconds_total",
      "counter",
      "CPU time, user and system.",
      one(process.cpu_seconds),
    ),
    family(
      "process_resident_memory_bytes",
      "gauge",
      "Resident memory.",
      one(process.resident_bytes),
    ),
    family("process_virtual_memory_bytes", "gauge", "Address space.", one(process.virtual_bytes)),
    family("process_open_fds", "gauge", "Open file descriptors.", one(process.open_fds)),
    family("process_max_fds", "gauge", "As many as may be open.", one(process.max_fds)),
    family(
      "process_start_time_seconds",
      "gauge",
      "When the process started, since 1970.",
      one(seconds(started)),
    ),
  ].join("");
}

function peerFamilies({ peers }: Status): string {
  const transports = ["kernel", "lanes", "sealed"] as const;
  const known = (pick: (peer: Status["peers"][number]) => number | null): Series[] =>
    peers.flatMap((one) => {
      const value = pick(one);
      return value === null ? [] : [[{ peer: one.name }, value] as const];
    });
  const ways = (unit: "packets" | "bytes"): Series[] =>
    peers.flatMap((one) =>
      DIRECTIONS.map((direction): Series => [
        { peer: one.name, direction },
        one[direction][unit],
      ])
    );
  return [
    family(
      "tunnet_peer_up",
      "gauge",
      "1 if the peer said hello lately and hears this node.",
      known(({ state }) => state === "up" ? 1 : 0),
    ),
    family(
      "tunnet_peer_state",
      "gauge",
      "1 for the state that the peer is in, 0 for the others.",
      peers.flatMap((one) =>
        PEER_STATES.map((state): Series => [{ peer: one.name, state }, one.state === state ? 1 : 0])
      ),
    ),
    family(
      "tunnet_peers",
      "gauge",
      "Peers in each state.",
      PEER_STATES.map((state): Series => [
        { state },
        peers.filter((one) => one.state === state).length,
      ]),
    ),
    family(
      "tunnet_peer_transport",
      "gauge",
      "1 for what the peer's packets go by: the kernel path, the lanes, or sealed.",
      peers.flatMap((one) =>
        transports.map((transport): Series => [
          { peer: one.name, transport },
          one.transport === transport ? 1 : 0,
        ])
      ),
    ),
    family(
      "tunnet_peer_session_age_seconds",
      "gauge",
      "Age of the session that packets to the peer are sealed by.",
      known(({ session_age_seconds }) => session_age_seconds),
    ),
    family(
      "tunnet_peer_path_mtu_bytes",
      "gauge",
      "The largest inner packet that the peer's path carries.",
      known(({ path_mtu_bytes }) => path_mtu_bytes),
    ),
    family(
      "tunnet_peer_drops_total",
      "counter",
      "Packets to and from the peer that went no further.",
      peers.flatMap((one) =>
        DIRECTIONS.map((direction): Series => [
          { peer: one.name, direction },
          one.dropped[direction],
        ])
      ),
    ),
    family(
      "tunnet_peer_rtt_seconds",
      "gauge",
      "Round trip time of the last hello that the peer answered.",
      known(({ rtt_ms }) => rtt_ms === null ? null : rtt_ms / 1000),
    ),
    family(
      "tunnet_peer_loss_ratio",
      "gauge",
      "Share of the peer's last hellos that did not arrive, 0 to 1.",
      known(({ loss }) => loss),
    ),
    family(
      "tunnet_peer_last_seen_timestamp_seconds",
      "gauge",
      "When the peer last said hello or sent a packet, since 1970.",
      known(({ last_seen }) => last_seen === null ? null : seconds(last_seen)),
    ),
    family(
      "tunnet_peer_packets_total",
      "counter",
      "Packets to and from the peer.",
      ways("packets"),
    ),
    family(
      "tunnet_peer_bytes_total",
      "counter",
      "Bytes of the packets to and from the peer.",
      ways("bytes"),
    ),
  ].join("");
}

/** Of a node whose members come from etcd. */
function etcdFamilies({ etcd }: Status): string {
  if (!etcd) return "";
  const one = (value: number | boolean | null): Series[] =>
    value === null ? [] : [[{}, Number(value)]];
  return [
    family("tunnet_etcd_up", "gauge", "1 if etcd gave its last answer.", one(etcd.connected)),
    family(
      "tunnet_etcd_revision",
      "gauge",
      "Revision of the last change that was seen.",
      one(etcd.revision),
    ),
    family(
      "tunnet_etcd_lease_held",
      "gauge",
      "1 if the node's subnet is held by a lease.",
      one(etcd.lease_held),
    ),
    family(
      "tunnet_etcd_lease_age_seconds",
      "gauge",
      "Time since etcd confirmed the lease.",
      one(etcd.lease_age_seconds),
    ),
    family(
      "tunnet_etcd_lease_ttl_seconds",
      "gauge",
      "How long the lease lasts unless it is renewed.",
      one(etcd.lease_ttl_seconds),
    ),
    family("tunnet_etcd_records", "gauge", "Records of nodes in etcd.", one(etcd.records)),
    family(
      "tunnet_etcd_records_refused",
      "gauge",
      "Records that are left out, by reason.",
      Object.entries(etcd.refused).map(([reason, count]): Series => [{ reason }, count]),
    ),
  ].join("");
}

/** All metrics of a status. */
export function formatMetrics(status: Status): string {
  return nodeFamilies(status) + processFamilies(status) + etcdFamilies(status) +
    peerFamilies(status);
}
