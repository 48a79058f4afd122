/** The validated configuration: what every other room sees instead of raw YAML. */

import type { Prefix } from "../net/prefix.ts";
import type { EtcdConfig } from "./etcd.ts";
import type { ServiceConfig } from "./service.ts";
import type { Mode } from "../wire/mode.ts";

/** `host` of a node that has no address in the config: it has a key, and calls the others. */
export const NO_HOST = "";

/** Where a node is reached: an IP address in canonical text, a host name, or NO_HOST; with a UDP port. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** What a node proves who it is by: WireGuard's keys. */
export interface NodeKeys {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** File with the key that this node and we share besides; none if left out. */
  readonly presharedKeyFile?: string;
  /** A WireGuard that is no tunnet: it gets no hello. */
  readonly wireguard: boolean;
  /** How often something is sent to it at least; 0: never for that reason. */
  readonly keepalive_ms: number;
}

/** One node of the overlay and the pod subnets it owns. */
export interface NodeConfig {
  readonly name: string;
  readonly endpoint: Endpoint;
  readonly subnets: readonly Prefix[];
  /** Mode tap: MAC addresses of its stations that nobody else may use, six bytes each. */
  readonly macs?: readonly Uint8Array[];
  /** Mode tun: what packets that come in may be for, besides its subnets. */
  readonly accept?: readonly Prefix[];
  /** Packets to and from it are sealed; a node without is spoken to in the clear. */
  readonly keys?: NodeKeys;
}

/** A whole tunnet.yaml, checked. Deeply readonly. */
export interface Config {
  /** Prefixes that cover all pods, at most one per IP version; empty: one route per remote subnet. */
  readonly networks: readonly Prefix[];
  readonly port: number;
  readonly device: string;
  readonly mode: Mode;
  /** Mode tap: the Linux bridge that the device becomes a port of. */
  readonly bridge?: string;
  readonly mtu_bytes: number | "auto";
  readonly nodes: readonly NodeConfig[];
  /** Name of the node that gets what no subnet covers. */
  readonly defaultNode?: string;
  /** How nodes run, where the config says anything of it. */
  readonly service?: ServiceConfig;
  /** Where this node's private key is, and whether nodes may be without keys; absent: none has one. */
  readonly keys?: { readonly privateKeyFile: string; readonly allowPlain: boolean };
  /** Where nodes come from besides; what they are is not in here. */
  readonly etcd?: EtcdConfig;
}

/** A config as it was read: from where, and what deserves a warning (one line each). */
export interface LoadedConfig {
  readonly config: Config;
  /** File path, `command line` or `embedded`. */
  readonly source: string;
  /** The file that it was read from, if it was a file. */
  readonly file?: string;
  readonly warnings: readonly string[];
}
