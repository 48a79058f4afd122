/** Where members come from etcd: the key `etcd` of a config, and `--etcd`. Pure. */

import { ETCD_ENDPOINTS_MAX, ETCD_LEASE_MIN_MS } from "../base/limits.ts";
import { quote, readHostPort, type Result } from "./values.ts";

/** How etcd is reached, and what is kept there. */
export interface EtcdConfig {
  /** URLs of its members, without a path. */
  readonly endpoints: readonly string[];
  /** The key that all others are below, without a slash at its end. */
  readonly prefix: string;
  /** How long a node keeps its subnet while etcd does not hear from it. */
  readonly lease_ms: number;
  /** PEM files. */
  readonly caFile?: string | undefined;
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
  readonly username?: string | undefined;
  readonly passwordFile?: string | undefined;
  /** This node's private key, where the config names one. */
  readonly privateKeyFile?: string | undefined;
  /** Whether members without a key are taken in beside those that have one. */
  readonly allowPlain: boolean;
}

/** The port of etcd's clients (IANA). */
const ETCD_PORT = 2379;

/** The URL of one member. */
export function readEtcdEndpoint(text: string): Result<string> {
  const what = `${quote(text)} is not an endpoint of etcd`;
  const how = "http://10.0.0.5:2379";
  const fail = (why: string): Result<string> => ({ problem: { what, why, how } });
  const [, scheme, rest] = /^(https?):\/\/(.*?)\/?$/.exec(text) ?? [];
  if (scheme === undefined) return fail("neither http:// nor https:// is in front");
  if (rest!.includes("@")) return fail("user and password go into username and password_file");
  if (/[/?#]/.test(rest!)) return fail("something comes after its port");
  const host = readHostPort(rest!, "bind");
  if (host.problem) return fail(host.problem.why ?? host.problem.what);
  const { value: { host: name, port = ETCD_PORT } } = host;
  return { value: `${scheme}://${name.includes(":") ? `[${name}]` : name}:${port}` };
}

/** URLs of members with commas between. */
export function readEtcdEndpoints(text: string): Result<readonly string[]> {
  const texts = text.split(",").map((one) => one.trim());
  if (texts.length > ETCD_ENDPOINTS_MAX) {
    return { problem: { what: `${texts.length} endpoints`, why: `at most ${ETCD_ENDPOINTS_MAX}` } };
  }
  const endpoints: string[] = [];
  for (const one of texts) {
    const result = readEtcdEndpoint(one);
    if (result.problem) return result;
    endpoints.push(result.value);
  }
  return { value: [...new Set(endpoints)] };
}

/** The key that all others are below. */
export function readEtcdPrefix(text: string): Result<string> {
  if (/^(\/[A-Za-z0-9._-]{1,63}){1,8}\/?$/.test(text)) return { value: text.replace(/\/$/, "") };
  const how = "a path such as /coreos.com/network";
  return { problem: { what: `${quote(text)} is not a prefix of keys`, how } };
}

/** A user of etcd. */
export function readEtcdUser(text: string): Result<string> {
  if (/^[!-~]{1,256}$/.test(text)) return { value: text };
  return { problem: { what: `${quote(text)} is not a user`, how: "a name without spaces" } };
}

/** How long a lease is: a number with s, m or h behind it, in ms. */
export function readLease(text: string): Result<number> {
  const [, digits, unit] = /^([1-9][0-9]{0,6})(s|m|h)$/.exec(text) ?? [];
  const lease_ms = Number(digits) * ({ s: 1_000, m: 60_000, h: 3_600_000 }[unit ?? ""] ?? 0);
  if (lease_ms >= ETCD_LEASE_MIN_MS && lease_ms <= LEASE_MAX_MS) return { value: lease_ms };
  const why = digits ? "from 5s to 720h" : "not a number with s, m or h behind it";
  return { problem: { what: `${quote(text)} is not the time of a lease`, why, how: "24h" } };
}

/** A node that has been away for a month has left. */
const LEASE_MAX_MS = 720 * 3_600_000;
