/** The way to etcd as a config tells it: with the files that it names. */

import { ConfigError } from "../base/errors.ts";
import type { EtcdConfig } from "../config/etcd.ts";
import { placeOf } from "../host/key_file.ts";
import type { EtcdAccess } from "../peers/source/etcd/client.ts";

/** Certificates with all that they were signed by. */
const FILE_MAX_BYTES = 256 * 1024;
const OTHERS = 0o007;

/** A file's text. Throws a ConfigError of one line. */
function readText(key: string, path: string, secret: boolean): string {
  const refuse = (what: string, how: string): never => {
    throw new ConfigError([{ what: `etcd.${key}: ${path}: ${what}`, how }]);
  };
  const place = placeOf(path);
  let info: Deno.FileInfo;
  try {
    info = Deno.statSync(place);
  } catch (error) {
    const gone = error instanceof Deno.errors.NotFound;
    return refuse(gone ? "no such file" : "cannot be read", gone ? "another path" : "sudo");
  }
  if (!info.isFile || info.size > FILE_MAX_BYTES) return refuse("not such a file", "another path");
  if (secret && ((info.mode ?? 0) & OTHERS) !== 0) {
    return refuse("everybody on this host may read it", `chmod 600 ${path}`);
  }
  try {
    return Deno.readTextFileSync(place);
  } catch {
    return refuse("cannot be read by this user", "sudo");
  }
}

/** The text of a PEM file. Throws a ConfigError. */
function readPem(key: string, path: string, secret: boolean): string {
  const text = readText(key, path, secret);
  if (/-----BEGIN [A-Z ]+-----/.test(text)) return text;
  throw new ConfigError([{ what: `etcd.${key}: ${path}: no PEM in it`, how: "-----BEGIN ..." }]);
}

/** What fetch needs besides the URL; undefined where that is nothing. */
function httpClient({ caFile, certFile, keyFile }: EtcdConfig): Deno.HttpClient | undefined {
  if (!caFile && !certFile) return undefined;
  const ca = caFile === undefined ? {} : { caCerts: [readPem("ca_file", caFile, false)] };
  const own = certFile === undefined || keyFile === undefined ? {} : {
    cert: readPem("cert_file", certFile, false),
    key: readPem("key_file", keyFile, true),
  };
  try {
    return Deno.createHttpClient({ ...ca, ...own });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const what = "etcd: the certificates cannot be used";
    throw new ConfigError([{ what, why, how: "PEM files of a CA, a certificate and its key" }]);
  }
}

/** The way to etcd. Throws a ConfigError. */
export function etcdAccess(config: EtcdConfig): EtcdAccess {
  const { endpoints, username, passwordFile } = config;
  const user = username === undefined || passwordFile === undefined ? undefined : {
    name: username,
    password: readText("password_file", passwordFile, true).replace(/\r?\n$/, ""),
  };
  return { endpoints, http: httpClient(config), user };
}
