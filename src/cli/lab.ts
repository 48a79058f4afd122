/** `tunnet lab`: a whole overlay in network namespaces on this machine, checked by pings. */

import { parseConfig } from "../config/parse.ts";
import { resolveConfig, systemAccess } from "../config/load.ts";
import type { Config } from "../config/types.ts";
import { ConfigError, EXIT, RunError } from "../base/errors.ts";
import { LAB_NODES_MIN } from "../base/limits.ts";
import { drawLab, drawPings } from "../tools/lab/draw.ts";
import {
  buildLab,
  ip,
  LAB_STATE_DIR,
  LabProcess,
  namespacesOf,
  removeLab,
  runProgram,
} from "../tools/lab/lab.ts";
import { checkDocker, DockerPods } from "../tools/lab/docker.ts";
import { namespacePods } from "../tools/lab/pods.ts";
import { pingAll, type PingResult } from "../tools/lab/pings.ts";
import {
  type LabPlan,
  labYaml,
  namespacePrefix,
  planLab,
  unresolvedNode,
} from "../tools/lab/topology.ts";
import type { Options } from "./commands.ts";
import { colourful, jsonText, say } from "./output.ts";
import { selfCommand } from "./self.ts";

/** The id of the one lab that is kept; other labs have their process id. */
const KEPT = "lab";
/** Of the directory of a lab that is not kept. */
const DIR_PREFIX = "tunnet-lab-";
const PIDS_FILE = `${LAB_STATE_DIR}/pids`;

/** The config's text and what it says: of the file, or of the standard lab. */
function labConfig(options: Options["lab"]): { yaml: string; config: Config } {
  if (options.config === undefined) {
    const shape = { ...options, nodes: options.nodes ?? LAB_NODES_MIN };
    const yaml = labYaml(shape);
    return { yaml, config: parseConfig(yaml, "lab").config };
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
  return { yaml: Deno.readTextFileSync(options.config), config };
}

async function checkHost(): Promise<void> {
  if (Deno.uid() !== 0) {
    throw new RunError({
      what: "the lab needs root",
      why: "it makes network namespaces",
      how: "sudo",
    });
  }
  await ip(["-V"]);
  await runProgram("ping", ["-V"]);
}

function isAlive(pid: string): boolean {
  try {
    Deno.statSync(`/proc/${pid}`);
    return true;
  } catch {
    return false;
  }
}

/** Removes what a lab left whose process was killed hard. */
async function sweep(): Promise<void> {
  const ids = (await namespacesOf("tunnet-")).map((name) => /^tunnet-(\d+)-/.exec(name)?.[1]);
  for (const id of new Set(ids)) {
    if (id === undefined || isAlive(id)) continue;
    await stopStrangers(id);
    await removeLab(id);
  }
}

/** Ends the tunnet processes that a lab left in its node namespaces. */
async function stopStrangers(id: string): Promise<void> {
  for (const namespace of await namespacesOf(namespacePrefix(id))) {
    for (const pid of (await ip(["netns", "pids", namespace])).split("\n")) {
      // Only what a lab starts: a shell that somebody opened in there is not ours to end.
      if (pid !== "" && await isOurs(pid)) Deno.kill(Number(pid), "SIGTERM");
    }
  }
}

async function isOurs(pid: string): Promise<boolean> {
  const { stdout } = await runProgram("cat", [`/proc/${pid}/cmdline`]);
  const words = stdout.split("\0");
  // A Docker Engine of a lab, its containerd and its shims have the lab's directory among them.
  return words.includes("--peer") && words.includes("--node") ||
    words.some((word) => word.includes(`/${DIR_PREFIX}`));
}

async function down(): Promise<number> {
  const kept = (await namespacesOf(namespacePrefix(KEPT))).length > 0;
  await stopStrangers(KEPT);
  await removeLab(KEPT);
  try {
    Deno.removeSync(LAB_STATE_DIR, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  say(kept ? "the lab is removed\n" : "there is no lab\n");
  return 0;
}

function keepText(plan: LabPlan): string {
  const [first, second] = plan.nodes;
  const target = second!.podAddresses[0] ?? "";
  return `\nThe lab is up. Enter a pod, ping another, end the lab:\n` +
    `  ip netns exec ${first!.podNamespace} bash\n` +
    `  ip netns exec ${first!.podNamespace} ping ${target}\n` +
    `  tunnet lab --down\n`;
}

function show(
  plan: LabPlan,
  bridge: string,
  pings: readonly PingResult[],
  options: Options["lab"],
): number {
  const ok = pings.length > 0 && pings.every(({ loss_pct }) => loss_pct === 0);
  if (options.json) {
    const nodes = plan.nodes.map((
      { name, address, subnets, podAddresses, namespace, podNamespace },
    ) => ({ name, address, subnets, pods: podAddresses, namespace, podNamespace }));
    say(jsonText({ ok, kept: options.keep, nodes, pings }));
  } else {
    say(drawLab(plan, bridge) + "\n" + drawPings(pings, colourful()));
    if (options.keep) say(keepText(plan));
  }
  return ok ? 0 : EXIT.failed;
}

/** Runs the lab; resolves to the exit status: 0 only if no ping was lost. */
export async function runLab(options: Options["lab"]): Promise<number> {
  await checkHost();
  if (options.down) return await down();
  const { yaml, config } = labConfig(options);
  if (options.docker) await checkDocker();
  await sweep();
  const id = options.keep ? KEPT : `${Deno.pid}`;
  if (options.keep && (await namespacesOf(namespacePrefix(KEPT))).length > 0) {
    throw new RunError({ what: "there is a lab already", how: "tunnet lab --down" });
  }
  const plan = planLab(config, id, options.docker);
  if (options.keep) Deno.mkdirSync(LAB_STATE_DIR, { recursive: true, mode: 0o700 });
  const dir = options.keep ? LAB_STATE_DIR : Deno.makeTempDirSync({ prefix: DIR_PREFIX });
  const file = `${dir}/tunnet.yaml`;
  Deno.writeTextFileSync(file, yaml, { mode: 0o600 });

  const pods = options.docker ? new DockerPods(plan, parseConfig(yaml, file), dir) : namespacePods;
  const processes: LabProcess[] = [];
  const interrupted = Promise.withResolvers<never>();
  interrupted.promise.catch(() => {});
  const interrupt = () => interrupted.reject(new RunError({ what: "the lab was interrupted" }));
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const signal of signals) Deno.addSignalListener(signal, interrupt);
  let kept = false;
  const bring = async (): Promise<PingResult[]> => {
    await buildLab(plan);
    await pods.up();
    const command = [...selfCommand(), "--peer", "-c", file, "--json", "--node"];
    for (const node of plan.nodes) {
      processes.push(new LabProcess(node, [...command, node.name], `${dir}/${node.name}.log`));
    }
    await Promise.all(processes.map((process) => process.ready()));
    return await pingAll(plan, pods);
  };
  // Cleaning up waits for the step under way: a namespace must not appear after the sweep.
  const work = bring();
  work.catch(() => {});
  try {
    const pings = await Promise.race([work, interrupted.promise]);
    kept = options.keep;
    return show(plan, pods.bridge, pings, options);
  } finally {
    if (kept) {
      Deno.writeTextFileSync(PIDS_FILE, processes.map(({ pid }) => `${pid}\n`).join(""));
      for (const process of processes) process.release();
    } else {
      await Promise.all(processes.map((process) => process.stop()));
      await work.catch(() => {});
      await Promise.all(processes.map((process) => process.stop()));
      await pods.down();
      await removeLab(id);
      Deno.removeSync(dir, { recursive: true });
    }
    for (const signal of signals) Deno.removeSignalListener(signal, interrupt);
  }
}
