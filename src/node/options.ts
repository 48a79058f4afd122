/** What a node runs with. */

import type { EngineChoice } from "../dataplane/lanes/features.ts";
import type { Endpoint, LoadedConfig, NodeConfig } from "../config/types.ts";
import type { Log } from "../base/log.ts";
import type { TraceOptions } from "../inspect/trace/tracer.ts";

/** A config that was read again. */
export interface Reread {
  readonly loaded: LoadedConfig;
  readonly self: NodeConfig;
  readonly endpoint: Endpoint;
}

/** What a node runs with. */
export interface NodeOptions {
  readonly loaded: LoadedConfig;
  readonly self: NodeConfig;
  /**
   * Reads the config again and finds the running node in it; absent where there
   * is no file to read. Throws a ConfigError or UsageError as the start does.
   */
  readonly load?: (running: NodeConfig) => Promise<Reread>;
  /** Where it is to listen, as the config or the command line has it. */
  readonly endpoint: Endpoint;
  /** The same with its host name resolved. */
  readonly listen: { readonly host: string; readonly port: number };
  readonly engine: EngineChoice;
  /** Where the status is served: on a socket (without a path: in its usual place), and over HTTP. */
  readonly status: {
    readonly socket: string | undefined;
    readonly http: { readonly host: string; readonly port: number } | undefined;
  };
  /** Whether a change of the config's file is noticed. */
  readonly watchConfig: boolean;
  /** Packets to be shown, or written to a capture; undefined: none. */
  readonly trace: TraceOptions | undefined;
  /** Whether ip_forward may be switched on. */
  readonly sysctl: boolean;
  readonly log: Log;
  readonly workerUrl: string;
  readonly version: string;
}
