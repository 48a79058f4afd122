/** `tunnet setup`: the script that prepares a node, to read and to run. */

import { EMBEDDED_SOURCE } from "../config/load.ts";
import { findSelf } from "../config/self.ts";
import { dockerScript } from "../tools/setup/docker.ts";
import { netnsScript } from "../tools/setup/netns.ts";
import type { SetupInput, SetupKind } from "../tools/setup/script.ts";
import { systemdScript } from "../tools/setup/systemd.ts";
import type { Options } from "./commands.ts";
import { loadHere, warnOf } from "./here.ts";
import { say } from "./output.ts";

/** The script of each kind. Throws UsageError where the node's subnets do not fit. */
const SCRIPTS: Readonly<Record<SetupKind, (input: SetupInput) => string>> = {
  docker: dockerScript,
  netns: netnsScript,
  systemd: (input) => systemdScript(input, input.loaded.source === EMBEDDED_SOURCE),
};

/** Prints a script. Throws a ConfigError or a UsageError. */
export async function runSetup({ what, undo, ...options }: Options["setup"]): Promise<number> {
  const here = await loadHere(options);
  warnOf(here);
  const { loaded, view } = here;
  say(SCRIPTS[what]({ loaded, self: findSelf(loaded, view, options.node), undo }));
  return 0;
}
