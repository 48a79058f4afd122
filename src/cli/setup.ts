/** `tunnet setup`: the script that prepares a node, to read and to run. Pure. */

import { EMBEDDED_SOURCE } from "../config/load.ts";
import { dockerScript } from "../tools/setup/docker.ts";
import { netnsScript } from "../tools/setup/netns.ts";
import type { SetupInput, SetupKind } from "../tools/setup/script.ts";
import { systemdScript } from "../tools/setup/systemd.ts";
import type { Output } from "./output.ts";

/** Prints the script of one kind. Throws UsageError where the node's subnets do not fit. */
export function setup(kind: SetupKind, input: SetupInput): Output {
  const embedded = input.loaded.source === EMBEDDED_SOURCE;
  switch (kind) {
    case "docker":
      return { stdout: dockerScript(input), exitCode: 0 };
    case "netns":
      return { stdout: netnsScript(input), exitCode: 0 };
    case "systemd":
      return { stdout: systemdScript(input, embedded), exitCode: 0 };
  }
}
