/** The text of a tunnet.yaml to a Config. Pure: reads no file, asks no resolver. */

import {
  ACCEPTED_MAX,
  ETCD_ENDPOINTS_MAX,
  HTTP_HOSTS_MAX,
  MACS_MAX,
  NODES_MAX,
  SUBNETS_MAX,
} from "../base/limits.ts";
import { nearest } from "../base/text.ts";
import { assemble, type Overrides } from "./assemble.ts";
import type { Draft, DraftMac, DraftNode, DraftPrefix } from "./draft.ts";
import { readEngine } from "./engine.ts";
import { readEtcdEndpoint, readEtcdPrefix, readEtcdUser, readLease } from "./etcd.ts";
import { Problems } from "./problems.ts";
import { readBoolean, readHttp, readHttpName, readLog, type ServiceConfig } from "./service.ts";
import type { LoadedConfig } from "./types.ts";
import type { Mode } from "../wire/mode.ts";
import {
  quote,
  readDevice,
  readFlag,
  readHostPort,
  readKeepalive,
  readKeyFile,
  readMac,
  readMode,
  readMtu,
  readNodeName,
  readPort,
  readPrefix,
  readPublicKey,
  type Result,
} from "./values.ts";
import { readYaml, type YamlMapping, type YamlValue } from "./yaml.ts";

const TOP_KEYS = [
  "network",
  "port",
  "device",
  "mode",
  "bridge",
  "mtu",
  "nodes",
  "default",
  "http",
  "http_hosts",
  "http_trace",
  "engine",
  "log",
  "private_key_file",
  "allow_plain",
  "etcd",
] as const;
/** Keys of EtcdConfig. */
const ETCD_KEYS = [
  ...["endpoints", "prefix", "lease", "ca_file", "cert_file", "key_file"],
  ...["username", "password_file"],
] as const;
/** Keys of ServiceConfig. */
const SERVICE_KEYS = ["http", "http_hosts", "http_trace", "engine", "log"] as const;
const NODE_KEYS = [
  ...["name", "address", "subnets", "macs", "accept"],
  ...["public_key", "preshared_key_file", "wireguard", "keepalive"],
] as const;
/** Of a key that earlier versions had: a config that has it still works, without what it asked for. */
const ROAMING = "ignored (a hello does not show who sent it; a host name as address is looked up " +
  "again when the peer is silent)";

function isList(value: YamlValue | undefined): value is readonly YamlValue[] {
  return Array.isArray(value);
}

function isMapping(value: YamlValue): value is YamlMapping {
  return typeof value === "object" && value !== null && !isList(value);
}

function describe(value: YamlValue): string {
  if (value === null) return "empty";
  if (typeof value === "string") return quote(value);
  return isList(value) ? "a list" : "a mapping";
}

/** Reads one document; remembers what it has found wrong. */
class Reader {
  #subnets = 0;
  #mode: Mode = "tun";
  readonly mode: Mode | undefined;
  readonly etcd: Overrides["etcd"];

  /** `overrides` take the place of the document's. */
  constructor(readonly problems: Problems, { mode, etcd }: Overrides) {
    this.mode = mode;
    this.etcd = etcd;
  }

  #unknownKeys(mapping: YamlMapping, path: string, known: readonly string[]): void {
    for (const key of Object.keys(mapping)) {
      if (known.includes(key)) continue;
      if (key === "roaming" && known === NODE_KEYS) {
        this.problems.warn(`${path}.roaming`, ROAMING);
        continue;
      }
      const near = this.problems.full ? undefined : nearest(key, known);
      this.problems.add(path, {
        what: `unknown key ${quote(key)}`,
        why: near ? `did you mean ${quote(near)}?` : undefined,
        how: near ? undefined : `one of ${known.join(", ")}`,
      }, path === "" ? key : `${path}.${key}`);
    }
  }

  /** A value of the mapping itself, never of its prototype; undefined if it has none. */
  #get(mapping: YamlMapping, key: string): YamlValue | undefined {
    return Object.hasOwn(mapping, key) ? mapping[key] : undefined;
  }

  #scalar<T>(
    value: YamlValue | undefined,
    path: string,
    read: (text: string) => Result<T>,
  ): T | undefined {
    if (value === undefined) return undefined;
    if (typeof value === "string") return this.problems.take(path, read(value));
    this.problems.add(path, {
      what: value === null ? "no value" : `${describe(value)}, not a single value`,
      how: value === null ? "a value after the colon, or no such line" : undefined,
    });
    return undefined;
  }

  #networks(value: YamlValue | undefined): DraftPrefix[] {
    const entries = isList(value) ? value : [value];
    if (entries.length > 2) {
      this.problems.add("network", {
        what: `${entries.length} networks`,
        why: "at most one per IP version",
        how: "one prefix that covers them, or no network at all",
      });
      return [];
    }
    return entries.flatMap((entry, i) => {
      const path = isList(value) ? `network[${i}]` : "network";
      const prefix = this.#scalar(entry, path, readPrefix);
      return prefix ? [{ prefix, path }] : [];
    });
  }

  #subnetList(value: YamlValue | undefined, path: string): DraftPrefix[] {
    // Mode tap has no use for them.
    if (value === undefined && this.#mode === "tap") return [];
    if (!isList(value)) {
      const what = value === undefined ? "missing" : `${describe(value)}, not a list`;
      const how = typeof value === "string" ? `[${value.slice(0, 60)}]` : "[172.2.0.0/16]";
      this.problems.add(
        path,
        value === undefined ? { what, how: `subnets: ${how}` } : { what, how },
      );
      return [];
    }
    const before = this.#subnets;
    this.#subnets += value.length;
    if (this.#subnets > SUBNETS_MAX) {
      // Said once: aliases can repeat a long list for thousands of nodes.
      if (before <= SUBNETS_MAX) {
        this.problems.add(path, { what: "too many subnets", why: `at most ${SUBNETS_MAX} in all` });
      }
      return [];
    }
    return value.flatMap((entry, i) => {
      const at = `${path}[${i}]`;
      const prefix = this.#scalar(entry, at, readPrefix);
      return prefix ? [{ prefix, path: at }] : [];
    });
  }

  /** A list that may be left out, of at most `max` values. */
  #optionalList<T>(
    value: YamlValue | undefined,
    path: string,
    { read, max, noun, how }: {
      read: (text: string) => Result<T>;
      max: number;
      noun: string;
      how: string;
    },
  ): { readonly value: T; readonly path: string }[] {
    if (value === undefined) return [];
    if (!isList(value)) {
      this.problems.add(path, { what: `${describe(value)}, not a list`, how });
      return [];
    }
    if (value.length > max) {
      this.problems.add(path, { what: `${value.length} ${noun}`, why: `at most ${max}` });
      return [];
    }
    return value.flatMap((entry, i) => {
      const at = `${path}[${i}]`;
      const one = this.#scalar(entry, at, read);
      return one === undefined ? [] : [{ value: one, path: at }];
    });
  }

  #macList(value: YamlValue | undefined, path: string): DraftMac[] {
    return this.#optionalList(value, path, {
      read: readMac,
      max: MACS_MAX,
      noun: "MAC addresses",
      how: '["02:42:ac:01:00:02"]',
    }).map(({ value, path }) => ({ mac: value, path }));
  }

  #acceptList(value: YamlValue | undefined, path: string): DraftPrefix[] {
    return this.#optionalList(value, path, {
      read: readPrefix,
      max: ACCEPTED_MAX,
      noun: "prefixes",
      how: "[192.168.7.0/24]",
    }).map(({ value, path }) => ({ prefix: value, path }));
  }

  #node(value: YamlValue, path: string): DraftNode {
    const addressPath = `${path}.address`;
    if (!isMapping(value)) {
      this.problems.add(path, {
        what: `${describe(value)}, not a mapping`,
        how: "{name: NAME, address: HOST, subnets: [CIDR]}",
      });
      return { path, addressPath, subnets: [], macs: [], accept: [] };
    }
    this.#unknownKeys(value, path, NODE_KEYS);
    const required = <T>(
      key: "name" | "address",
      read: (text: string) => Result<T>,
      how: string,
    ) => {
      const got = this.#get(value, key);
      if (got === undefined) this.problems.add(`${path}.${key}`, { what: "missing", how });
      return this.#scalar(got, `${path}.${key}`, read);
    };
    const name = required("name", readNodeName, "name: NAME");
    // Who has a key may be wherever it calls from.
    const keyed = this.#get(value, "public_key") !== undefined;
    const hostPort = keyed && this.#get(value, "address") === undefined
      ? undefined
      : required("address", readHostPort, "address: HOST");
    const subnets = this.#subnetList(this.#get(value, "subnets"), `${path}.subnets`);
    const macs = this.#macList(this.#get(value, "macs"), `${path}.macs`);
    const accept = this.#acceptList(this.#get(value, "accept"), `${path}.accept`);
    return { path, addressPath, name, hostPort, subnets, macs, accept, ...this.#keys(value, path) };
  }

  /** What a node's keys are. */
  #keys(value: YamlMapping, path: string): Partial<DraftNode> {
    const one = <T>(key: string, read: (text: string) => Result<T>) =>
      this.#scalar(this.#get(value, key), `${path}.${key}`, read);
    const key = one("public_key", readPublicKey);
    return {
      publicKey: key && { key, path: `${path}.public_key` },
      presharedKeyFile: one("preshared_key_file", readKeyFile),
      wireguard: one("wireguard", readFlag),
      keepalive_ms: one("keepalive", readKeepalive),
    };
  }

  /** Where members come from besides. */
  #etcd(value: YamlValue | undefined): Draft["etcd"] {
    if (value === undefined) return undefined;
    if (value === null || !isMapping(value)) {
      const how = "etcd: {endpoints: [http://10.0.0.5:2379]}";
      this.problems.add("etcd", { what: `${describe(value)}, not a mapping`, how });
      return undefined;
    }
    this.#unknownKeys(value, "etcd", ETCD_KEYS);
    const one = <T>(key: string, read: (text: string) => Result<T>) =>
      this.#scalar(this.#get(value, key), `etcd.${key}`, read);
    return {
      endpoints: this.#optionalList(this.#get(value, "endpoints"), "etcd.endpoints", {
        read: readEtcdEndpoint,
        max: ETCD_ENDPOINTS_MAX,
        noun: "endpoints",
        how: "[http://10.0.0.5:2379]",
      }).map((endpoint) => endpoint.value),
      prefix: one("prefix", readEtcdPrefix),
      lease_ms: one("lease", readLease),
      caFile: one("ca_file", readKeyFile),
      certFile: one("cert_file", readKeyFile),
      keyFile: one("key_file", readKeyFile),
      username: one("username", readEtcdUser),
      passwordFile: one("password_file", readKeyFile),
    };
  }

  #nodes(value: YamlValue | undefined, needed: boolean): DraftNode[] {
    if (value === undefined && !needed) return [];
    const how = "nodes: with one `- name: ...` entry per node";
    if (!isList(value)) {
      const what = value === undefined ? "missing" : `${describe(value)}, not a list`;
      this.problems.add("nodes", { what, how });
      return [];
    }
    if (value.length === 0) this.problems.add("nodes", { what: "no node", how });
    if (value.length > NODES_MAX) {
      this.problems.add("nodes", { what: `${value.length} nodes`, why: `at most ${NODES_MAX}` });
      return [];
    }
    this.problems.names = value.map((entry) => {
      const name = isMapping(entry) ? this.#get(entry, "name") : undefined;
      return typeof name === "string" && !readNodeName(name).problem ? name : undefined;
    });
    return value.map((entry, i) => this.#node(entry, `nodes[${i}]`));
  }

  /** How nodes run; undefined where nothing is said of it. */
  #service(value: YamlMapping): ServiceConfig | undefined {
    if (!SERVICE_KEYS.some((key) => Object.hasOwn(value, key))) return undefined;
    const read = <T>(key: typeof SERVICE_KEYS[number], read: (text: string) => Result<T>) =>
      this.#scalar(this.#get(value, key), key, read);
    return {
      http: read("http", readHttp),
      httpHosts: this.#optionalList(this.#get(value, "http_hosts"), "http_hosts", {
        read: readHttpName,
        max: HTTP_HOSTS_MAX,
        noun: "names",
        how: "[node-a.example.org]",
      }).map((one) => one.value),
      httpTrace: read("http_trace", readBoolean) ?? false,
      engine: read("engine", readEngine),
      log: read("log", readLog),
    };
  }

  /** The whole document; undefined if it is no mapping. */
  document(value: YamlValue): Draft | undefined {
    if (!isMapping(value)) {
      this.problems.add("", {
        what: value === null ? "no config in it" : `${describe(value)}, not a mapping`,
        how: "tunnet init, which prints one to start from",
      });
      return undefined;
    }
    this.#unknownKeys(value, "", TOP_KEYS);
    const mode = this.#scalar(this.#get(value, "mode"), "mode", readMode);
    this.#mode = this.mode ?? mode ?? "tun";
    const etcd = this.#etcd(this.#get(value, "etcd"));
    return {
      etcd,
      mode,
      networks: this.#networks(this.#get(value, "network")),
      port: this.#scalar(this.#get(value, "port"), "port", readPort),
      device: this.#scalar(this.#get(value, "device"), "device", readDevice),
      bridge: this.#scalar(this.#get(value, "bridge"), "bridge", readDevice),
      mtu_bytes: this.#scalar(this.#get(value, "mtu"), "mtu", readMtu),
      nodes: this.#nodes(
        this.#get(value, "nodes"),
        !this.etcd && this.#get(value, "etcd") === undefined,
      ),
      defaultNode: this.#scalar(this.#get(value, "default"), "default", readNodeName),
      service: this.#service(value),
      privateKeyFile: this.#scalar(
        this.#get(value, "private_key_file"),
        "private_key_file",
        readKeyFile,
      ),
      allowPlain: this.#scalar(this.#get(value, "allow_plain"), "allow_plain", readFlag),
    };
  }
}

/**
 * Reads and checks the text of a tunnet.yaml. `source` is the file's path or
 * `embedded` and leads every line of an error. Throws ConfigError, nothing else.
 */
export function parseConfig(
  text: string,
  source: string,
  overrides: Overrides = {},
): LoadedConfig {
  const problems = new Problems(source, text);
  const yaml = readYaml(text);
  if (yaml.problem) problems.add("", yaml.problem);
  const draft = yaml.problem ? undefined : new Reader(problems, overrides).document(yaml.value);
  if (draft === undefined) problems.throwIfAny();
  const config = assemble(draft!, overrides, problems);
  return Object.freeze({ config, source, warnings: Object.freeze([...problems.warnings]) });
}
