/**
 * The status as metrics: the text format 0.0.4 of Prometheus
 * (https://prometheus.io/docs/instrumenting/exposition_formats). Pure.
 */

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

function peerFamilies({ peers }: Status): string {
  const states = ["plain", "up", "silent", "down"] as const;
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
      "1 if the peer said hello lately.",
      known(({ state }) => state === "up" ? 1 : 0),
    ),
    family(
      "tunnet_peer_state",
      "gauge",
      "1 for the state that the peer is in, 0 for the others.",
      peers.flatMap((one) =>
        states.map((state): Series => [{ peer: one.name, state }, one.state === state ? 1 : 0])
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

/** All metrics of a status. */
export function formatMetrics(status: Status): string {
  return nodeFamilies(status) + peerFamilies(status);
}
