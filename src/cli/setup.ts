/** `tunnet setup`: the script that prepares a node, to read and to run; files for Prometheus. */

import { EMBEDDED_SOURCE } from "../config/load.ts";
import { findSelf, nodeByName } from "../config/self.ts";
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

/** Prints a script or a file. Throws a ConfigError or a UsageError. */
export async function runSetup({ what, undo, ...options }: Options["setup"]): Promise<number> {
  if (isFile(what)) {
    say(await FILES[what](() => loadHere(options)));
    return 0;
  }
  const here = await loadHere(options);
  warnOf(here);
  const { loaded, view } = here;
  if (what === "wg") {
    say(wgQuickFile(loaded, nodeByName(loaded.config, options.node!, "--wg ")));
    return 0;
  }
  say(SCRIPTS[what]({ loaded, self: findSelf(loaded, view, options.node), undo }));
  return 0;
}
