/** What a node runs with. */

import type { EngineChoice } from "../config/engine.ts";
import type { Endpoint, LoadedConfig, NodeConfig } from "../config/types.ts";
import type { Leave } from "../host/privileges.ts";
import type { KeptLog } from "../base/log.ts";
import type { Timers } from "../base/time.ts";
import type { EtcdSource } from "../peers/source/etcd/source.ts";
import type { LoadFile } from "../peers/source/file.ts";
import type { HttpEndpoint } from "../status/server.ts";
import type { Times } from "../wireguard/timers.ts";
import type { TraceOptions } from "../inspect/trace/tracer.ts";
import type { SubnetFile } from "./subnet_file.ts";

/** What a node with a key needs. */
export interface NodeKeysOptions {
  /** 32 bytes. */
  readonly privateKey: Uint8Array;
  /** The key in a file of the config. Throws a ConfigError. */
  readonly readKey: (path: string) => Uint8Array;
  /** The times of sessions; WireGuard's if left out. */
  readonly times?: Times;
}

/** What a node runs with. */
export interface NodeOptions {
  readonly loaded: LoadedConfig;
  readonly self: NodeConfig;
  /** Absent where no node has a key. */
  readonly keys?: NodeKeysOptions | undefined;
  /** Reads the config again; absent where there is no file to read. */
  readonly load?: LoadFile;
  /** Members from etcd, and the file with the own subnet; absent where they come from elsewhere. */
  readonly etcd?: { readonly source: EtcdSource; readonly subnetFile: SubnetFile } | undefined;
  /** Where it is to listen, as the config or the command line has it. */
  readonly endpoint: Endpoint;
  /** The same with its host name resolved. */
  readonly listen: { readonly host: string; readonly port: number };
  readonly engine: EngineChoice;
  /** Where the status is served: on a socket (without a path: in its usual place), and over HTTP. */
  readonly status: {
    readonly socket: string | undefined;
    readonly http: HttpEndpoint | undefined;
  };
  /** Whether a change of the config's file is noticed. */
  readonly watchConfig: boolean;
  /** Packets to be shown, or written to a capture; undefined: none. */
  readonly trace: TraceOptions | undefined;
  /** Whether ip_forward may be switched on. */
  readonly sysctl: boolean;
  /** What is given up once the node is up. */
  readonly leave: Leave;
  /** The intervals of the control loop. */
  readonly timers: Timers;
  readonly log: KeptLog;
  /** Where the lanes' module is now. */
  readonly workerUrl: () => string;
  readonly version: string;
}
