/** `tunnet lab`: a whole overlay in network namespaces on this machine, tried by pings and TCP. */

import { parseConfig } from "../config/parse.ts";
import { resolveConfig, systemAccess } from "../config/load.ts";
import type { Config } from "../config/types.ts";
import { ConfigError, EXIT, RunError } from "../base/errors.ts";
import { DEFAULT_HTTP_PORT, LAB_NODES_MIN } from "../base/limits.ts";
import { netnsNames } from "../host/netns.ts";
import { askStatus } from "../status/client.ts";
import { RUN_DIR, socketName } from "../status/socket.ts";
import { checkDocker, DockerPods, sweepEngines } from "../tools/lab/docker.ts";
import { drawLab, drawResults, type LabResults } from "../tools/lab/draw.ts";
import { keptHints, nextHints } from "../tools/lab/hints.ts";
import { Lab, removeLabs } from "../tools/lab/lab.ts";
import { PING_COUNT, pingResult, pingsOf, type PodPair, podPairs } from "../tools/lab/pings.ts";
import { type LabPods, namespacePods } from "../tools/lab/pods.ts";
import { Progress } from "../tools/lab/progress.ts";
import { LabThread } from "../tools/lab/thread.ts";
import { measureThroughput, noKernelPath, routeTo } from "../tools/lab/throughput.ts";
import {
  BRIDGE,
  type LabNode,
  labYaml,
  namespacePrefix,
  planLab,
  unresolvedNode,
} from "../tools/lab/topology.ts";
import { KEY_BYTES } from "../wire/keys.ts";
import { type KeyPair, keyPairOf } from "../wireguard/key_pair.ts";
import type { Options } from "./commands.ts";
import { colourful, complain, jsonText, say } from "./output.ts";
import { selfCommand, typedCommand } from "./self.ts";

/** The id of the one lab that is kept; other labs have their process id. */
const KEPT = "lab";

/** The config's text and what it says: of the file, or of the standard lab. */
function labConfig(
  options: Options["lab"],
): { yaml: string; config: Config; keys: readonly KeyPair[] } {
  if (options.config === undefined) {
    const nodes = options.nodes ?? LAB_NODES_MIN;
    const random = () => crypto.getRandomValues(new Uint8Array(KEY_BYTES));
    const keys = Array.from({ length: options.encrypt ? nodes : 0 }, () => keyPairOf(random()));
    const publicKeys = options.encrypt ? keys.map(({ publicKey }) => publicKey) : undefined;
    const shape = { ...options, nodes, publicKeys };
    const yaml = labYaml(shape);
    return { yaml, config: parseConfig(yaml, "lab").config, keys };
  }
  const { config } = resolveConfig({ config: options.config }, systemAccess, undefined);
  const named = unresolvedNode(config);
  if (named) {
    throw new ConfigError([{
      what: `${options.config}: ${named.name} has a host name for an address`,
      why: "a lab gives its nodes the addresses that the file says",
      how: "an IP address",
    }]);
  }
  return { yaml: Deno.readTextFileSync(options.config), config, keys: [] };
}

function checkHost(): void {
  if (Deno.uid() === 0) return;
  throw new RunError({
    what: "the lab needs root",
    why: "it makes network namespaces",
    how: "sudo",
  });
}

/** Says which namespaces of recorded names stay, since they are somebody else's. */
function warnOfLeft(left: readonly string[]): void {
  for (const name of left) {
    complain(`tunnet: warn: the namespace ${name} stays: the lab did not make this one\n`);
  }
}

async function down(workerUrl: string): Promise<number> {
  const { ids, left } = await removeLabs(workerUrl, true, sweepEngines);
  warnOfLeft(left);
  const alike = netnsNames().filter((name) => name.startsWith(namespacePrefix(KEPT)));
  const others = alike.length > 0 ? `; ${alike.join(", ")}: not made by a lab, left alone` : "";
  say((ids.length > 0 ? "the lab is removed" : "there is no lab") + others + "\n");
  return 0;
}

/** What a lab is asked for, worked out before anything is made. */
function prepare(options: Options["lab"], workerUrl: string) {
  const { yaml, config, keys } = labConfig(options);
  const keep = options.keep || options.http;
  const id = keep ? KEPT : `${Deno.pid}`;
  const plan = planLab(config, id, options.docker);
  const dockerDirectory = `/tmp/tunnet-lab-${crypto.randomUUID().slice(0, 8)}`;
  const directories = options.docker ? [dockerDirectory] : [];
  const down = `${typedCommand().lab} --down`;
  const lab = new Lab({ id, plan, device: config.device, directories, down, workerUrl });
  const file = `${lab.directory}/tunnet.yaml`;
  Deno.writeTextFileSync(file, yaml, { mode: 0o600 });
  const keyFiles = keys.map(({ privateKey }, i) => {
    const path = `${lab.directory}/${config.nodes[i]!.name}.key`;
    Deno.writeTextFileSync(path, `${privateKey}\n`, { mode: 0o600 });
    return path;
  });
  const pods = options.docker
    ? new DockerPods(plan, parseConfig(yaml, file), dockerDirectory)
    : namespacePods(config.bridge ?? BRIDGE);
  const sealed = config.keys !== undefined;
  return { lab, pods, file, keyFiles, sealed, keep, socketOf: statusSocketOf(config.device) };
}

type Prepared = ReturnType<typeof prepare>;

/** Where a node's status is asked for. */
function statusSocketOf(device: string): (node: LabNode) => string {
  return ({ namespace }) => `${RUN_DIR}/${socketName(device, namespace)}`;
}

async function ping(pairs: readonly PodPair[], pods: LabPods, workerUrl: string) {
  using thread = new LabThread(workerUrl);
  const trips = await thread.call("ping", pingsOf(pairs, (node) => pods.path(node)), PING_COUNT);
  return pairs.map((pair, i) => pingResult(pair, trips[i]!));
}

/** Makes the lab and tries it. */
async function tryLab(
  { lab, pods, file, keyFiles, sealed, socketOf }: Prepared,
  workerUrl: string,
  progress: Progress,
): Promise<LabResults> {
  const { nodes } = lab.plan;
  progress.say(`making ${nodes.length} nodes and their pods`);
  await lab.build();
  await pods.up();
  progress.say(`waiting for ${nodes.length} nodes to start`);
  const command = [...selfCommand(), "--peer", "-c", file, "--json", "--node"];
  const running = await Promise.all(nodes.map(async (node, i) => {
    const key = keyFiles[i] === undefined ? [] : ["--private-key-file", keyFiles[i]];
    const started = await lab.startOn(node, [...command, node.name, ...key]);
    await started.ready();
    return started;
  }));
  progress.say("pinging every pod from every other");
  const pairs = podPairs(lab.plan);
  const pings = await ping(pairs, pods, workerUrl);
  const first = pairs.find((_, i) => pings[i]!.received > 0);
  if (!first) return { pings, throughput: undefined, route: undefined, why: undefined, sealed };
  progress.say("sending as much as gets through for two seconds");
  const throughput = await measureThroughput(first, pods, workerUrl);
  const route = routeTo(await askStatus(socketOf(first.from)), first.to.name);
  const why = running.map(({ log }) => noKernelPath(log)).find((one) => one !== undefined);
  return { pings, throughput, route, why: route === "lanes" ? why : undefined, sealed };
}

function jsonOf({ lab: { plan } }: Prepared, results: LabResults, ok: boolean, kept: boolean) {
  const nodes = plan.nodes.map((
    { name, address, subnets, podAddresses, namespace, podNamespace },
  ) => ({ name, address, subnets, pods: podAddresses, namespace, podNamespace }));
  const { pings, throughput = null, route = null, why = null, sealed } = results;
  return { ok, kept, nodes, pings, throughput, route, why, sealed };
}

/** Shows the results; the exit status. */
function show(prepared: Prepared, results: LabResults, page: string | undefined, json: boolean) {
  const { lab: { plan }, pods, keep, file, socketOf } = prepared;
  const { pings } = results;
  const ok = pings.length > 0 && pings.every(({ loss_pct }) => loss_pct === 0);
  if (json) {
    say(jsonText({ ...jsonOf(prepared, results, ok, keep), ...(page ? { page } : {}) }));
  } else {
    const socket = socketOf(plan.nodes[0]!);
    say(drawLab(plan, pods.bridge) + "\n" + drawResults(results, colourful()));
    say(
      keep
        ? keptHints({ plan, socket, config: file, page }, typedCommand())
        : nextHints(typedCommand()),
    );
  }
  return ok ? 0 : EXIT.failed;
}

/** Serves the first node's page from outside of the lab's namespaces; its URL. */
async function openPage({ lab, socketOf }: Prepared): Promise<string> {
  const port = freePort();
  const socket = socketOf(lab.plan.nodes[0]!);
  const at = `127.0.0.1:${port}`;
  const command = [...selfCommand(), "status", "--socket", socket, "--http", at, "--http-trace"];
  const server = await lab.startOutside("page", command);
  await server.listens(port);
  return `http://${at}/`;
}

/** The page's usual port, or another one if that is taken. */
function freePort(): number {
  for (const port of [DEFAULT_HTTP_PORT, 0]) {
    try {
      using listener = Deno.listen({ hostname: "127.0.0.1", port });
      return listener.addr.port;
    } catch (error) {
      if (port === 0 || !(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
  throw new Error("unreachable");
}

/** Runs the lab; resolves to the exit status: 0 only if no ping was lost. */
export async function runLab(options: Options["lab"], workerUrl: string): Promise<number> {
  checkHost();
  if (options.down) return await down(workerUrl);
  if (options.docker) await checkDocker();
  warnOfLeft((await removeLabs(workerUrl, false, sweepEngines)).left);
  const prepared = prepare(options, workerUrl);
  const { lab, pods, keep } = prepared;
  using progress = new Progress();
  const interrupted = Promise.withResolvers<never>();
  interrupted.promise.catch(() => {});
  const interrupt = () => interrupted.reject(new RunError({ what: "the lab was interrupted" }));
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const signal of signals) Deno.addSignalListener(signal, interrupt);
  const bring = async () => {
    const results = await tryLab(prepared, workerUrl, progress);
    return { results, page: options.http ? await openPage(prepared) : undefined };
  };
  // Cleaning up waits for the step under way: a namespace must not appear after the removal.
  const work = bring();
  work.catch(() => {});
  let kept = false;
  try {
    const { results, page } = await Promise.race([work, interrupted.promise]);
    kept = keep;
    progress.clear();
    return show(prepared, results, page, options.json);
  } finally {
    if (kept) lab.keep();
    else {
      progress.say("removing all of it");
      await lab.stop();
      await work.catch(() => {});
      await pods.down();
      await lab.remove();
    }
    for (const signal of signals) Deno.removeSignalListener(signal, interrupt);
  }
}
