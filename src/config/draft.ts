/** A config as it was read, before its values are checked against each other. Pure. */

import type { Prefix } from "../net/prefix.ts";
import type { Mode } from "../wire/mode.ts";
import type { EtcdConfig } from "./etcd.ts";
import type { ServiceConfig } from "./service.ts";
import type { HostPort } from "./values.ts";

/** A MAC address and its path in the config. */
export interface DraftMac {
  readonly mac: Uint8Array;
  readonly path: string;
}

/** A prefix and its path in the config. */
export interface DraftPrefix {
  readonly prefix: Prefix;
  readonly path: string;
}

/** A public key and its path in the config. */
export interface DraftKey {
  readonly key: Uint8Array;
  readonly path: string;
}

/** A node as read; what could not be read is absent and has been reported. */
export interface DraftNode {
  readonly path: string;
  /** Path of the address. */
  readonly addressPath: string;
  readonly name?: string;
  readonly hostPort?: HostPort;
  readonly subnets: readonly DraftPrefix[];
  readonly macs: readonly DraftMac[];
  readonly accept: readonly DraftPrefix[];
  readonly publicKey?: DraftKey;
  readonly presharedKeyFile?: string;
  readonly wireguard?: boolean;
  readonly keepalive_ms?: number;
}

/** A config as read, each value checked for itself only. */
export interface Draft {
  readonly networks: readonly DraftPrefix[];
  readonly port?: number;
  readonly device?: string;
  readonly mode?: Mode;
  readonly bridge?: string;
  readonly mtu_bytes?: number | "auto";
  readonly nodes: readonly DraftNode[];
  readonly defaultNode?: string;
  readonly service?: ServiceConfig;
  readonly privateKeyFile?: string;
  readonly allowPlain?: boolean;
  /** What the config says of etcd: its endpoints may come from the command line. */
  readonly etcd?: Partial<Omit<EtcdConfig, "privateKeyFile" | "allowPlain">>;
}
