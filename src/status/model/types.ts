/**
 * What a running node says about itself: the status object, version 1.
 * Within a version, fields are added and never renamed, removed or given another
 * meaning.
 */

import type { Mode } from "../../wire/mode.ts";
import type { PeerStateName } from "../../peers/liveness.ts";

/** The name and version of the status object's format. */
export const STATUS_FORMAT = "tunnet-status/1";

/** What was carried one way since the start, and how fast it is carried now. */
export interface Flow {
  readonly packets: number;
  /** Bytes of inner packets; neither the underlay's headers nor hellos count. */
  readonly bytes: number;
  readonly packets_per_second: number;
  readonly bits_per_second: number;
}

/** How often each thing of a kind occurred, by its name; 0 for what never did. */
export type Tally = Readonly<Record<string, number>>;

/** One way of all packets together. */
export interface TotalFlow extends Flow {
  /** Packets that went no further, by reason. */
  readonly drops: Tally;
  /** What else was counted: `icmp_errors` answered with, `control` datagrams heard, ... */
  readonly events: Tally;
}

/** What a process takes of its host (proc(5)); null for what the kernel does not tell. */
export interface ProcessStatus {
  /** CPU time of all threads, user and system. */
  readonly cpu_seconds: number | null;
  readonly resident_bytes: number | null;
  readonly virtual_bytes: number | null;
  readonly open_fds: number | null;
  readonly max_fds: number | null;
}

/** The last time that the config was read. */
export interface ConfigReload {
  readonly successful: boolean;
  /** When it was last taken over: at the start, or by a reload. */
  readonly last_success: string;
}

/** A node's own state. */
export interface NodeStatus {
  readonly name: string;
  /** Version of the program. */
  readonly version: string;
  readonly pid: number;
  /** ISO 8601, as every time here. */
  readonly started: string;
  readonly uptime_seconds: number;
  /** Where the config came from. */
  readonly config: string;
  readonly config_reload: ConfigReload;
  readonly process: ProcessStatus;
  /** Where the UDP side listens, `HOST:PORT`. */
  readonly listen: string;
  readonly subnets: readonly string[];
  readonly subnet_count: number;
  /** What is wrong with the node itself now, a sentence each; healthy if there is nothing. */
  readonly problems: readonly string[];
}

/** The device. */
export interface DeviceStatus {
  readonly name: string;
  readonly mode: Mode;
  readonly mtu_bytes: number;
  /** `gone`: it was removed, and the node is making it again. */
  readonly state: "up" | "down" | "gone";
}

/** Packets one way at a device, as the kernel counts them (`ip -s link`). */
export interface LinkFlow {
  readonly packets: number;
  readonly dropped: number;
}

/** A device on the way of pods' packets. */
export interface LinkStatus {
  readonly name: string;
  /** Out of this host's network stack, to the device. */
  readonly sent: LinkFlow;
  /** From the device. */
  readonly received: LinkFlow;
}

/** How packets are moved. */
export interface EngineStatus {
  readonly name: string;
  readonly lanes: number;
  /** What the kernel does for it: `csum`, `tso4`, `gso`, ... */
  readonly features: readonly string[];
}

/** The kernel path, the lanes in the clear, or the lanes within a session. */
export type PeerTransport = "kernel" | "lanes" | "sealed";

/** One other node, as this one sees it. */
export interface PeerStatus {
  readonly name: string;
  /** What the config says: an address or a host name. */
  readonly host: string;
  /** The underlay address in use; null while the host name is not known. */
  readonly address: string | null;
  readonly port: number;
  /** Whether it is elsewhere than the config says. */
  readonly moved: boolean;
  readonly subnets: readonly string[];
  readonly subnet_count: number;
  /** Whether it gets what no subnet covers. */
  readonly is_default: boolean;
  readonly state: PeerStateName;
  /** When that state began; of a silent peer: when it last said hello. */
  readonly since: string;
  /** Why it is in that state, where that needs saying. */
  readonly why: string | null;
  /** When it last said hello or sent a packet. */
  readonly last_seen: string | null;
  /** Round trip time of the last hello that it answered; null unless it is up. */
  readonly rtt_ms: number | null;
  /** Share of its last hellos that did not arrive here, 0 to 1. */
  readonly loss: number | null;
  /** What it said of itself. */
  readonly version: string | null;
  readonly protocol: number | null;
  readonly mode: Mode | null;
  readonly mtu_bytes: number | null;
  readonly capabilities: readonly string[];
  /** By what its packets go; null: by nothing, as things are. */
  readonly transport: PeerTransport | null;
  /** Age of the session that packets to it are sealed by; null: there is none. */
  readonly session_age_seconds: number | null;
  /** The largest inner packet that its path carries, as far as it is known. */
  readonly path_mtu_bytes: number | null;
  /** Packets to and from it that went no further. */
  readonly dropped: { readonly outbound: number; readonly inbound: number };
  /** What does not fit together with it, a sentence each. */
  readonly problems: readonly string[];
  readonly outbound: Flow;
  readonly inbound: Flow;
}

/** Where members come from, if that is etcd. */
export interface EtcdStatus {
  /** The URL that is asked, or was last. */
  readonly endpoint: string;
  /** Whether its last answer was one. */
  readonly connected: boolean;
  /** Why not. */
  readonly problem: string | null;
  /** Of the last change that was seen. */
  readonly revision: number;
  /** This node's own. */
  readonly subnet: string;
  /** Whether the subnet is held by a lease, as far as is known. */
  readonly lease_held: boolean;
  /** Since etcd last confirmed it; null if it has not since the start. */
  readonly lease_age_seconds: number | null;
  readonly lease_ttl_seconds: number;
  /** Records of nodes in etcd. */
  readonly records: number;
  /** Those that are left out now, by reason. */
  readonly refused: Tally;
}

/** The whole status object. */
export interface Status {
  readonly format: typeof STATUS_FORMAT;
  readonly time: string;
  readonly node: NodeStatus;
  readonly device: DeviceStatus;
  /** The devices of the kernel that packets pass: towards the pods of this node, and tunnet's own. */
  readonly links: { readonly pods: LinkStatus | null; readonly device: LinkStatus | null };
  readonly engine: EngineStatus;
  /** All pods. */
  readonly network: readonly string[];
  /** Null: members come from a config. */
  readonly etcd: EtcdStatus | null;
  readonly outbound: TotalFlow;
  readonly inbound: TotalFlow;
  readonly peers: readonly PeerStatus[];
}
