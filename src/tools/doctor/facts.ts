/** What the doctor knows of a host: gathered first, judged afterwards. Data only. */

import type { ErrorParts } from "../../base/errors.ts";
import type { Config, NodeConfig } from "../../config/types.ts";
import type { LinkAddress, LinkInfo, RouteInfo, RoutePath } from "../../host/netlink/rtnetlink.ts";
import type { Address } from "../../net/prefix.ts";
import type { Hello } from "../../wire/hello.ts";
import type { PeerStateName } from "../../peers/liveness.ts";
import type { Firewall } from "./firewall/model.ts";

/** A program that holds something. */
export interface Holder {
  readonly pid: number;
  /** Its name; empty where this process may not know. */
  readonly name: string;
}

/** What asking a peer by hello came to. */
export type Probe =
  /**
   * It answered: hellos pass both ways. `largest_bytes` is the largest packet that came through;
   * `told` says that a router reported what was larger.
   */
  | {
    readonly kind: "answered";
    readonly hello: Hello;
    readonly wanted_bytes: number;
    readonly largest_bytes: number;
    readonly told: boolean;
  }
  /** It says hello, but does not hear ours. */
  | { readonly kind: "deaf"; readonly hello: Hello }
  /** Its host refuses: nothing listens on the port, or a firewall rejects. */
  | { readonly kind: "refused" }
  /** The kernel could not send, or a router on the way said that it cannot be reached. */
  | { readonly kind: "unreachable"; readonly why: string }
  /** Nothing came back. */
  | { readonly kind: "silent" }
  /** The running node knows it, and says so; `problems` are what does not fit together with it. */
  | {
    readonly kind: "told";
    readonly state: PeerStateName;
    readonly why: string;
    readonly problems: readonly string[];
    /** Whether the two have a session; of a peer with a key only. */
    readonly session?: boolean;
    /** The largest packet that the path carries, as the node has found out. */
    readonly largest_bytes?: number;
  }
  /** It was not asked. */
  | { readonly kind: "not_asked"; readonly why: string };

/** Another node, seen from here. */
export interface PeerFacts {
  readonly node: NodeConfig;
  /** Its underlay address, if its name is known. */
  readonly address: Address | undefined;
  /** Which way the kernel would send to it now. */
  readonly path: RoutePath | undefined;
  readonly probe: Probe;
}

/** A device and its addresses. */
export interface LinkFacts extends LinkInfo {
  readonly addresses: readonly LinkAddress[];
}

/** A file that holds a key, and what is wrong with it. */
export interface KeyFileFacts {
  readonly path: string;
  /** Why it cannot be used; undefined: it holds a key. */
  readonly problem?: { readonly what: string; readonly fix: string | undefined };
  /** Of the private key: the public key that belongs to it, 32 bytes. */
  readonly publicKey?: Uint8Array;
}

/** What etcd says, where members come from there. */
export interface EtcdFacts {
  /** Each member, and why it cannot be used; undefined: it answers. */
  readonly members: readonly {
    readonly endpoint: string;
    readonly problem?: ErrorParts | undefined;
    readonly hasLeader?: boolean;
    readonly db_bytes?: number;
    /** Its clock, as far as its answers tell, less this host's. */
    readonly ahead_ms?: number | undefined;
  }[];
  /** Why this node could not join; undefined: it could. */
  readonly problem?: ErrorParts | undefined;
  /** Records of nodes. */
  readonly records: number;
  /** This node's own subnet there. */
  readonly own: string | undefined;
}

/** The service that `tunnet setup --systemd` makes. */
export interface ServiceFacts {
  readonly unit: "none" | "disabled" | "enabled";
  /** Whether it has a script to run before each start. */
  readonly prepare: boolean;
}

/** What does not depend on a config. */
export interface HostFacts {
  /** Whether this process may configure the network. */
  readonly netAdmin: boolean;
  /** How opening /dev/net/tun went: `ok`, or the errno's name. */
  readonly tunDevice: string;
}

/** Everything that is judged. */
export interface Facts extends HostFacts {
  readonly config: Config;
  /** Where the config was read: a path, `embedded` or `command line`. */
  readonly source: string;
  readonly self: NodeConfig;
  /** Addresses of the own name or address. */
  readonly selfAddresses: readonly Address[];
  readonly peers: readonly PeerFacts[];
  /** Settings by their sysctl name; absent ones do not exist. */
  readonly sysctls: ReadonlyMap<string, string>;
  readonly links: readonly LinkFacts[];
  readonly routes: readonly RouteInfo[];
  /** The kernel's choice for one address of each remote subnet, by the subnet's text. */
  readonly paths: ReadonlyMap<string, RoutePath | undefined>;
  /** Programs on the own UDP port. */
  readonly portHolders: readonly Holder[];
  /** Programs that have the device open. */
  readonly deviceHolders: readonly Holder[];
  readonly firewall: Firewall;
  readonly service: ServiceFacts;
  /** This node's private key first, then those shared with others; none without keys. */
  readonly keyFiles: readonly KeyFileFacts[];
  /** Absent where members come from the config alone. */
  readonly etcd?: EtcdFacts | undefined;
  /** The wall clock, ms since 1970. */
  readonly clock_ms: number;
}
