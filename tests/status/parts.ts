/** A node in memory, for the tests of what its status looks like. */

import { TOKEN } from "../fakes/peers.ts";
import { parseConfig } from "../../src/config/parse.ts";
import { COUNTERS } from "../../src/forwarding/counters.ts";
import { timersOf } from "../../src/base/time.ts";
import type { Peer } from "../../src/peers/peer.ts";
import { Registry } from "../../src/peers/registry.ts";
import { type Count, RateMeter } from "../../src/status/model/rates.ts";
import {
  buildStatus,
  type SnapshotParts,
  TOTAL,
  type Totals,
} from "../../src/status/model/snapshot.ts";
import type { Status } from "../../src/status/model/types.ts";

const YAML = `
network: 172.0.0.0/8
default: gate
nodes:
  - {name: a, address: 192.168.0.8, subnets: [172.1.0.0/16]}
  - {name: b, address: 192.168.0.7, subnets: [172.2.0.0/16, "fd00:2::/64"]}
  - {name: gate, address: "gate.example:4000", subnets: []}
`;

/** When the node in memory started. */
export const STARTED_MS = Date.UTC(2026, 0, 2, 3, 4, 5);

/** The monotonic time of the status, unless a test says otherwise. */
export const NOW_MS = 100_000;

export function totals(values: Partial<Totals> = {}): Totals {
  return { ...Object.fromEntries(COUNTERS.map((name) => [name, 0])) as Totals, ...values };
}

/** Counters of both ways by name: packets and bytes. */
export type Flows = Record<string, readonly [out: Count, in_: Count]>;

export function sampleOf(at_ms: number, flows: Flows) {
  const counts = Object.entries(flows).map(([name, [outbound, inbound]]) =>
    [name, { outbound, inbound }] as const
  );
  return { at_ms, counts: new Map(counts) };
}

export const count = (packets: number, bytes: number): Count => ({ packets, bytes });

/** Node a of three; `b` has an address, `gate` has none. */
export function snapshotParts(changed: Partial<SnapshotParts> = {}): SnapshotParts {
  const { config } = parseConfig(YAML, "tunnet.yaml");
  const self = config.nodes[0]!;
  return {
    version: "1.2.3",
    pid: 42,
    config,
    source: "tunnet.yaml",
    self,
    listen: { host: "192.168.0.8", port: 3009 },
    device: { name: "tunnet0", mode: "tun", mtu_bytes: 1472, state: "up" },
    links: { pods: null, device: null },
    engine: { name: "batch", lanes: 2, features: ["csum", "tso4"] },
    problems: [],
    peers: new Registry({ config, self }, 4, timersOf(), () => TOKEN).peers,
    wrongPortOf: () => undefined,
    wayOf: ({ name }) =>
      name === "b"
        ? {
          transport: "kernel",
          session_age_seconds: null,
          path_mtu_bytes: 1400,
          dropped: { outbound: 8, inbound: 9 },
        }
        : {
          transport: null,
          session_age_seconds: null,
          path_mtu_bytes: null,
          dropped: { outbound: 0, inbound: 0 },
        },
    etcd: null,
    process: {
      ...{ cpu_seconds: 1.5, resident_bytes: 5e7, virtual_bytes: 1e9 },
      ...{ open_fds: null, max_fds: 1024 },
    },
    configRead: { ok: true, success_ms: STARTED_MS },
    sharedNames: true,
    outbound: totals({ packets: 30, bytes: 3000, icmp_errors: 4, no_route: 5 }),
    inbound: totals({ packets: 20, bytes: 2000, control: 6, spoofed_source: 7 }),
    sample: sampleOf(NOW_MS, {
      [TOTAL]: [count(30, 3000), count(20, 2000)],
      b: [count(30, 3000), count(20, 2000)],
      gate: [count(0, 0), count(0, 0)],
    }),
    rates: new RateMeter(),
    clock: { wall_ms: STARTED_MS + NOW_MS, monotonic_ms: NOW_MS },
    ...changed,
  };
}

export function statusOf(changed: Partial<SnapshotParts> = {}): Status {
  return buildStatus(snapshotParts(changed));
}

/** The status of these parts in which b and gate are as `prepare` leaves them. */
export function statusWith(
  prepare: (b: Peer["liveness"], gate: Peer["liveness"]) => void,
  changed: Partial<SnapshotParts> = {},
): Status {
  const parts = snapshotParts(changed);
  const [b, gate] = parts.peers;
  prepare(b!.liveness, gate!.liveness);
  return buildStatus(parts);
}

/** A hello as node b says it. */
export const HELLO_OF_B = {
  version: 1,
  mode: "tun",
  capabilities: 1,
  sent_us: 1,
  echo_us: 0,
  held_us: 0,
  mtu_bytes: 1400,
  name: "b",
  number: 1,
  answer: false,
  leaving: false,
  probe: false,
  ...{ token: 5n, echoToken: TOKEN, burst: 3, peerBurst: 4, largest_bytes: 0 },
  program: "1.2.4",
} as const;
