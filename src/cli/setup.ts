/** `tunnet setup`: the script that prepares a node, to read and to run; files for Prometheus. */

import { UsageError } from "../base/errors.ts";
import { SUBNET_FILE } from "../base/limits.ts";
import { EMBEDDED_SOURCE } from "../config/load.ts";
import { findSelf, nodeByName } from "../config/self.ts";
import { type LoadedConfig, NO_HOST, type NodeConfig } from "../config/types.ts";
import { parsePrefix, type Prefix } from "../net/prefix.ts";
import { keyEnd } from "../peers/source/etcd/records.ts";
import { parseSubnetEnv } from "../peers/source/etcd/subnet_env.ts";
import { dockerScript } from "../tools/setup/docker.ts";
import { netnsScript } from "../tools/setup/netns.ts";
import { grafanaDashboard } from "../tools/setup/grafana.ts";
import { alertRules, scrapeConfig } from "../tools/setup/prometheus.ts";
import type { FileKind, ScriptKind, SetupInput } from "../tools/setup/script.ts";
import { systemdScript } from "../tools/setup/systemd.ts";
import { wgQuickFile } from "../tools/setup/wg.ts";
import type { Options } from "./commands.ts";
import { type Here, loadHere, warnOf } from "./here.ts";
import { say } from "./output.ts";

/** The script of each kind. Throws UsageError where the node's subnets do not fit. */
const SCRIPTS: Readonly<Record<ScriptKind, (input: SetupInput) => string>> = {
  docker: dockerScript,
  netns: netnsScript,
  systemd: (input) => systemdScript(input, input.loaded.source === EMBEDDED_SOURCE),
};

/** The file of each kind. */
const FILES: Readonly<Record<FileKind, (here: () => Promise<Here>) => string | Promise<string>>> = {
  grafana: grafanaDashboard,
  alerts: alertRules,
  scrape: async (here) => scrapeConfig((await here()).loaded.config),
};

const isFile = (what: Options["setup"]["what"]): what is FileKind => Object.hasOwn(FILES, what);

/** The service of such a node says nothing of its subnet. */
const NO_SUBNET_YET = parsePrefix("0.0.0.0/0")!.prefix;

/** This node, where its subnet comes from etcd: by what it has told. Throws a UsageError. */
function fleetNode(
  loaded: LoadedConfig,
  what: ScriptKind,
  path: string,
): { readonly loaded: LoadedConfig; readonly self: NodeConfig } {
  const nodeWith = (subnet: Prefix, name: string): NodeConfig => ({
    name,
    endpoint: { host: NO_HOST, port: loaded.config.port },
    subnets: [subnet],
  });
  if (what === "systemd") return { loaded, self: nodeWith(NO_SUBNET_YET, "etcd") };
  let text: string;
  try {
    text = Deno.readTextFileSync(path);
  } catch {
    const why = "with etcd, it has the node's subnet, which tunnet writes when it is up";
    throw new UsageError({ what: `${path} cannot be read`, why, how: "tunnet --peer --etcd URL" });
  }
  const env = parseSubnetEnv(text);
  if (!env) {
    const why = "no FLANNEL_SUBNET in it";
    throw new UsageError({ what: `${path} tells no subnet`, why, how: "--subnet-file FILE" });
  }
  const { network, subnet } = env;
  const config = { ...loaded.config, networks: [network] };
  return { loaded: { ...loaded, config }, self: nodeWith(subnet, keyEnd(subnet)) };
}

/** Prints a script or a file. Throws a ConfigError or a UsageError. */
export async function runSetup(
  { what, undo, subnetFile = SUBNET_FILE, ...options }: Options["setup"],
): Promise<number> {
  if (isFile(what)) {
    say(await FILES[what](() => loadHere(options)));
    return 0;
  }
  const here = await loadHere(options);
  warnOf(here);
  const { view } = here;
  const fleet = here.loaded.config.etcd && what !== "wg"
    ? fleetNode(here.loaded, what, subnetFile)
    : undefined;
  const { loaded } = fleet ?? here;
  if (what === "wg") {
    say(wgQuickFile(loaded, nodeByName(loaded.config, options.node!, "--wg ")));
    return 0;
  }
  say(SCRIPTS[what]({ loaded, self: fleet?.self ?? findSelf(loaded, view, options.node), undo }));
  return 0;
}
