/** `tunnet --peer`: this node, in the foreground. */

import { ENGINE_AUTO } from "../config/engine.ts";
import { findSelf, listenEndpoint } from "../config/self.ts";
import type { LogChoice } from "../config/service.ts";
import { type LoadedConfig, NO_HOST, type NodeConfig } from "../config/types.ts";
import { ConfigError, UsageError } from "../base/errors.ts";
import { createLog, type EndingLog, type Log } from "../base/log.ts";
import { canLeaveRoot, type Leave } from "../host/privileges.ts";
import { systemTime, timersOf } from "../base/time.ts";
import { STATE_DIR, SUBNET_FILE } from "../base/limits.ts";
import { readKeyFile } from "../host/key_file.ts";
import type { NodeKeysOptions } from "../node/options.ts";
import { equalBytes, erase, formatKey } from "../wire/keys.ts";
import { timesFor } from "../wireguard/timers.ts";
import { PrivateKey } from "../wireguard/x25519.ts";
import { joinEtcd } from "../node/join.ts";
import { runNode } from "../node/run.ts";
import { SubnetFile } from "../node/subnet_file.ts";
import type { Reread } from "../peers/source/file.ts";
import type { HttpEndpoint } from "../status/server.ts";
import { writesToJournal } from "../service/journal.ts";
import { EVERYTHING, readTraceFilter } from "../inspect/trace/filter.ts";
import type { TraceOptions } from "../inspect/trace/tracer.ts";
import { VERSION } from "../base/version.ts";
import type { Options } from "./commands.ts";
import { configName, type Here, loadHere } from "./here.ts";
import { complain } from "./output.ts";

/** Which node this is after a reload: it keeps its name if the file still has it. */
function findAgain({ loaded, view }: Here, options: Options["up"], before: NodeConfig): NodeConfig {
  const same = loaded.config.nodes.find(({ name }) => name === before.name);
  return options.node === undefined && same ? same : findSelf(loaded, view, options.node);
}

/** Reads the file of a running node again. The command line overrides it as it did at the start. */
function reader(options: Options["up"], { file }: LoadedConfig) {
  if (file === undefined) return {};
  const load = async (running: NodeConfig): Promise<Reread> => {
    const here = await loadHere({ ...options, config: file });
    const self = findAgain(here, options, running);
    return {
      loaded: here.loaded,
      self,
      endpoint: listenEndpoint(here.loaded.config, self, options.listen),
    };
  };
  return { load };
}

/** The log on standard error. */
export function openLog({ level, json }: LogChoice): EndingLog {
  return createLog({
    level,
    json,
    journal: writesToJournal((name) => Deno.env.get(name)),
    write: (line) => {
      try {
        complain(line);
      } catch {
        // Whoever read the log has gone, or its disk is full: packets are carried nevertheless.
      }
    },
    now: () => new Date(),
    later: (run, delay_ms) => Deno.unrefTimer(setTimeout(run, delay_ms)),
  });
}

/** What of the packets is to be shown. Throws a UsageError for a filter that means nothing. */
function traceOptions(
  { trace, pcap, json }: Options["up"],
  { config }: LoadedConfig,
  self: NodeConfig,
): TraceOptions | undefined {
  if (trace === undefined && pcap === undefined) return undefined;
  const names = config.nodes.filter((node) => node !== self).map(({ name }) => name);
  const filter = trace ? readTraceFilter(trace, names) : undefined;
  if (filter?.problem) {
    throw new UsageError({ ...filter.problem, what: `--trace: ${filter.problem.what}` });
  }
  return { lines: trace === "" ? EVERYTHING : filter?.value, pcap, json };
}

/**
 * What is given up once the node is up. Root is kept for captures that are rotated, for files that
 * follow etcd, and where Deno would have to read modules again that may be root's alone.
 */
function leaveOf(
  { noDrop, pcap }: Options["up"],
  { config: { etcd } }: LoadedConfig,
  workerUrl: string,
): Leave {
  if (noDrop) return "nothing";
  const mayLeave = workerUrl.endsWith(".js") && pcap?.size_bytes === undefined && !etcd;
  return mayLeave && canLeaveRoot() ? "root" : "capabilities";
}

/** Where the lanes' module is: in memory, once this is root no more and may not read its file. */
function workerUrlOf(workerUrl: string, leave: Leave): () => string {
  if (leave !== "root") return () => workerUrl;
  const bytes = Deno.readFileSync(new URL(workerUrl));
  let inMemory: string | undefined;
  return () => {
    if (Deno.uid() === 0) return workerUrl;
    return inMemory ??= URL.createObjectURL(new Blob([bytes], { type: "text/javascript" }));
  };
}

/** Where HTTP is served, and who may ask: for this node by its name in the config, too. */
function httpOf(
  { http: asked, httpHosts, httpTrace }: Options["up"],
  { config: { service } }: LoadedConfig,
  self: NodeConfig,
): HttpEndpoint | undefined {
  const http = asked ?? service?.http;
  if (!http && httpHosts.length === 0 && !httpTrace) return undefined;
  if (!http) {
    const flag = httpTrace ? "--http-trace" : "--http-host";
    throw new UsageError({ what: `${flag} without HTTP`, how: "--http 9309" });
  }
  const names = [self.name, self.endpoint.host, ...httpHosts, ...service?.httpHosts ?? []]
    .filter((name) => name !== NO_HOST);
  return {
    ...http,
    names: names.map((name) => name.toLowerCase()),
    trace: httpTrace || (service?.httpTrace ?? false),
  };
}

/** This node's keys; undefined where no node has any. Throws a ConfigError where they do not fit. */
function keysOf(
  { privateKeyFile, rekeyAfter_ms }: Options["up"],
  { config, source }: LoadedConfig,
  self: NodeConfig,
): NodeKeysOptions | undefined {
  if (!config.keys) return undefined;
  const file = privateKeyFile ?? config.keys.privateKeyFile;
  const privateKey = readKeyFile(file);
  const { publicKey } = new PrivateKey(privateKey);
  if (!self.keys || !equalBytes(self.keys.publicKey, publicKey)) {
    const what = `${file}: not the key of ${self.name}`;
    const has = self.keys ? `the public_key ${formatKey(self.keys.publicKey)}` : "no public_key";
    const why = `in ${source} that node has ${has}`;
    throw new ConfigError([{ what, why, how: `public_key: "${formatKey(publicKey)}" there` }]);
  }
  const times = rekeyAfter_ms === undefined ? {} : { times: timesFor(rekeyAfter_ms) };
  return { privateKey, readKey: (path) => readKeyFile(path), ...times };
}

/** What is in etcd, where members come from there. Throws the errors of errors.ts. */
async function join(options: Options["up"], loaded: LoadedConfig, log: Log) {
  const { etcd } = loaded.config;
  if (!etcd) {
    const flag = options.subnet ? "--subnet" : options.subnetFile ? "--subnet-file" : undefined;
    if (!flag) return undefined;
    const why = "the config has the subnets of each node";
    throw new UsageError({ what: `${flag} without etcd`, why, how: "--etcd URL, or no such flag" });
  }
  return await joinEtcd({
    ...{ loaded, etcd, log, time: systemTime },
    listen: options.listen,
    subnet: options.subnet,
    stateDir: options.stateDir ?? STATE_DIR,
    privateKeyFile: options.privateKeyFile,
    publicKeyOf: (file) => {
      const key = readKeyFile(file);
      const { publicKey } = new PrivateKey(key);
      erase(key);
      return publicKey;
    },
  });
}

/** Runs the node until a signal ends it; resolves to the exit status. Throws the errors of errors.ts. */
export async function runUp(options: Options["up"], workerUrl: string): Promise<number> {
  const { loaded: read, view } = await loadHere(options);
  const { service } = read.config;
  const log = openLog({
    level: options.logLevel ?? service?.log?.level ?? "info",
    json: options.json || (service?.log?.json ?? false),
  });
  const leave = leaveOf(options, read, workerUrl);
  log.info("config_file", `config: ${configName(read)}`);
  const joined = await join(options, read, log);
  const loaded = joined?.loaded ?? read;
  const self = joined?.self ?? findSelf(loaded, view, options.node);
  const endpoint = listenEndpoint(loaded.config, self, options.listen);
  const { host, port } = endpoint;
  await runNode({
    loaded,
    self,
    keys: keysOf(options, loaded, self),
    ...(joined ? {} : reader(options, loaded)),
    etcd: joined && {
      source: joined.source,
      subnetFile: new SubnetFile(options.subnetFile ?? SUBNET_FILE, log),
    },
    endpoint,
    listen: { host: view.hosts.get(host)?.[0] ?? host, port },
    engine: options.engine ?? service?.engine ?? ENGINE_AUTO,
    status: { socket: options.statusSocket, http: httpOf(options, loaded, self) },
    watchConfig: options.watchConfig,
    trace: traceOptions(options, loaded, self),
    sysctl: options.sysctl,
    leave,
    timers: timersOf(options.helloInterval_ms),
    log,
    workerUrl: workerUrlOf(workerUrl, leave),
    version: VERSION,
  }).finally(() => log.flush());
  return 0;
}
