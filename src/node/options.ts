/** What a node runs with. */

import type { LoadedConfig, NodeConfig } from "../config/types.ts";
import type { EngineChoice } from "../engine/features.ts";
import type { Log } from "../log.ts";

/** What a node runs with. */
export interface NodeOptions {
  readonly loaded: LoadedConfig;
  readonly self: NodeConfig;
  /** Where the UDP side listens. */
  readonly listen: { readonly host: string; readonly port: number };
  readonly engine: EngineChoice;
  /** Where the status is served: on a socket (without a path: in its usual place), and over HTTP. */
  readonly status: {
    readonly socket: string | undefined;
    readonly http: { readonly host: string; readonly port: number } | undefined;
  };
  /** Whether ip_forward may be switched on. */
  readonly sysctl: boolean;
  readonly log: Log;
  readonly workerUrl: string;
  readonly version: string;
}
