/** Builds the status object from what the node knows. Pure. */

import type { Config, NodeConfig } from "../../config/types.ts";
import { type CounterName, COUNTERS, DROPS } from "../../forwarding/counters.ts";
import { STATUS_SUBNETS_MAX } from "../../base/limits.ts";
import { formatAddress, formatEndpoint, formatPrefix } from "../../net/prefix.ts";
import { CAPABILITY } from "../../wire/hello.ts";
import type { Peer } from "../../peers/peer.ts";
import type { RateMeter, Sample } from "./rates.ts";
import {
  type DeviceStatus,
  type EngineStatus,
  type EtcdStatus,
  type Flow,
  type PeerStatus,
  type ProcessStatus,
  type Status,
  STATUS_FORMAT,
  type Tally,
} from "./types.ts";

/** Counters of one way, in all. */
export type Totals = Readonly<Record<CounterName, number>>;

/** What the status is made of. */
export interface SnapshotParts {
  readonly version: string;
  readonly pid: number;
  readonly config: Config;
  readonly source: string;
  readonly self: NodeConfig;
  readonly listen: { readonly host: string; readonly port: number };
  readonly device: DeviceStatus;
  readonly links: Status["links"];
  readonly engine: EngineStatus;
  readonly peers: readonly Peer[];
  /** What is wrong with the node itself beside its device, a sentence each. */
  readonly problems: readonly string[];
  /** Whether peers are called by names of a file, which should be the same on every node. */
  readonly sharedNames: boolean;
  /** By what a peer's packets go, and what has become of them. */
  readonly wayOf: (peer: Peer) => Pick<
    PeerStatus,
    "transport" | "session_age_seconds" | "path_mtu_bytes" | "dropped"
  >;
  readonly process: ProcessStatus;
  /** Null: members come from a config. */
  readonly etcd: EtcdStatus | null;
  /** The last reading of the config, in milliseconds since 1970. */
  readonly configRead: { readonly ok: boolean; readonly success_ms: number };
  /** The port that a peer's address sends from, where it is not the peer's. */
  readonly wrongPortOf: (peer: Peer) => number | undefined;
  readonly outbound: Totals;
  readonly inbound: Totals;
  /** Counters of now: of each peer by name, and of all under TOTAL. */
  readonly sample: Sample;
  readonly rates: RateMeter;
  readonly clock: Clock;
}

/** One moment on both clocks. */
export interface Clock {
  /** Milliseconds since 1970. */
  readonly wall_ms: number;
  /** Milliseconds since this process started. */
  readonly monotonic_ms: number;
}

/** The sample's key of all peers together: no node is called so. */
export const TOTAL = "";

/** ISO 8601 of a moment on the monotonic clock. */
function timeText({ wall_ms, monotonic_ms }: Clock, at_ms: number): string {
  return new Date(wall_ms - (monotonic_ms - at_ms)).toISOString();
}

/** `partialChecksum` as JSON has it: `partial_checksum`. */
function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function capabilityNames(bits: number): readonly string[] {
  return Object.entries(CAPABILITY).filter(([, bit]) => (bits & bit) !== 0)
    .map(([name]) => snakeCase(name));
}

/** Counters that are neither traffic nor drops. */
const EVENTS = COUNTERS.filter((name) =>
  name !== "packets" && name !== "bytes" && !DROPS.includes(name)
);

function talliesOf(totals: Totals): { drops: Tally; events: Tally } {
  const tally = (names: readonly CounterName[]) =>
    Object.fromEntries(names.map((name) => [name, totals[name]]));
  return { drops: tally(DROPS), events: tally(EVENTS) };
}

function flowsOf(
  { sample, rates }: SnapshotParts,
  key: string,
): { outbound: Flow; inbound: Flow } {
  const none = { packets: 0, bytes: 0 };
  const { outbound, inbound } = sample.counts.get(key) ?? { outbound: none, inbound: none };
  const rate = rates.rate(key);
  return {
    outbound: { ...outbound, ...rate.outbound },
    inbound: { ...inbound, ...rate.inbound },
  };
}

/** What is sent to a peer that is down arrives nowhere: that is no rate. */
function peerFlows(parts: SnapshotParts, { name, liveness }: Peer) {
  const { outbound, inbound } = flowsOf(parts, name);
  const rate = liveness.state === "down" ? { packets_per_second: 0, bits_per_second: 0 } : {};
  return { outbound: { ...outbound, ...rate }, inbound: { ...inbound, ...rate } };
}

function subnetsOf({ subnets }: NodeConfig) {
  return {
    subnets: subnets.slice(0, STATUS_SUBNETS_MAX).map(formatPrefix),
    subnet_count: subnets.length,
  };
}

/** What a peer says of itself that does not fit. */
function peerProblems(parts: SnapshotParts, peer: Peer): readonly string[] {
  const problems: string[] = [];
  const { port, name, liveness: { said, state } } = peer;
  const wrongPort = parts.wrongPortOf(peer);
  if (state !== "up" && wrongPort !== undefined && wrongPort !== port) {
    problems.push(`its datagrams come from port ${wrongPort}, not ${port}: they are dropped`);
  }
  if (!said) return problems;
  const { mode } = parts.config;
  if (said.mode !== mode) {
    problems.push(`it runs in mode ${said.mode}, this node in mode ${mode}`);
  }
  if (parts.sharedNames && said.name !== name) {
    problems.push(`it calls itself ${said.name}: are the config files the same?`);
  }
  return problems;
}

/** Why a peer is in its state, where the state's name does not tell. */
function whyOf(
  { liveness: known, isSealed, name, port }: Peer,
  hasSession: boolean,
  now_ms: number,
) {
  const deaf = `${name} does not hear this node: its firewall, or UDP ${port} closed on the way?`;
  if (known.isDeaf(now_ms)) return `it says hello, but ${deaf}`;
  if (isSealed && known.state === "plain") {
    return hasSession ? "it says no hello, inside its session" : "there is no session with it yet";
  }
  switch (known.told) {
    case "up":
      return null;
    case "one-way":
      return deaf;
    case "down":
      return known.why;
    case "silent":
      return "it says hello no more";
    case "plain":
      return known.packets_ms > 0
        ? "it sends packets and says no hello: it gets complete, valid packets only"
        : "nothing was heard of it yet";
  }
}

function peerStatus(parts: SnapshotParts, peer: Peer): PeerStatus {
  const { clock, config } = parts;
  const { node, address, port, liveness: known } = peer;
  const { said } = known;
  const way = parts.wayOf(peer);
  const seen_ms = Math.max(known.heard_ms, known.packets_ms);
  return {
    name: node.name,
    host: node.endpoint.host,
    address: address ? formatAddress(address.bytes) : null,
    port,
    // Without keys nobody's word is taken for where a peer is.
    moved: false,
    ...subnetsOf(node),
    is_default: node.name === config.defaultNode,
    state: known.told,
    since: timeText(clock, known.told_ms),
    why: whyOf(peer, way.session_age_seconds !== null, clock.monotonic_ms),
    last_seen: seen_ms > 0 ? timeText(clock, seen_ms) : null,
    rtt_ms: known.told === "up" ? known.rtt_ms ?? null : null,
    loss: known.loss(clock.monotonic_ms) ?? null,
    version: said?.program || null,
    protocol: said?.version ?? null,
    mode: said?.mode ?? null,
    mtu_bytes: said?.mtu_bytes ?? null,
    capabilities: capabilityNames(known.capabilities),
    ...way,
    problems: peerProblems(parts, peer),
    ...peerFlows(parts, peer),
  };
}

function deviceProblems({ device }: SnapshotParts): readonly string[] {
  switch (device.state) {
    case "up":
      return [];
    case "down":
      return [`the device ${device.name} is down`];
    case "gone":
      return [`the device ${device.name} was removed and cannot be made again yet`];
  }
}

/** The status object of this moment. */
export function buildStatus(parts: SnapshotParts): Status {
  const { clock, config, self, inbound, outbound } = parts;
  const total = flowsOf(parts, TOTAL);
  return {
    format: STATUS_FORMAT,
    time: timeText(clock, clock.monotonic_ms),
    node: {
      name: self.name,
      version: parts.version,
      pid: parts.pid,
      started: timeText(clock, 0),
      uptime_seconds: clock.monotonic_ms / 1000,
      config: parts.source,
      config_reload: {
        successful: parts.configRead.ok,
        last_success: new Date(parts.configRead.success_ms).toISOString(),
      },
      process: parts.process,
      listen: formatEndpoint(parts.listen.host, parts.listen.port),
      ...subnetsOf(self),
      problems: [...deviceProblems(parts), ...parts.problems],
    },
    device: parts.device,
    links: parts.links,
    engine: parts.engine,
    network: config.networks.map(formatPrefix),
    etcd: parts.etcd,
    outbound: { ...total.outbound, ...talliesOf(outbound) },
    inbound: { ...total.inbound, ...talliesOf(inbound) },
    peers: parts.peers.map((peer) => peerStatus(parts, peer)),
  };
}
