/** ip(8), which tests look at namespaces with and change them by. */

import { assertEquals } from "../assert.ts";
import { runProgram } from "../../src/base/run_program.ts";
import { netnsNames } from "../../src/host/netns.ts";
import { namespacePrefix } from "../../src/tools/lab/topology.ts";

/** Runs `ip`; fails with its complaint. */
export async function ip(args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runProgram("ip", args);
  assertEquals(code, 0, `ip ${args.join(" ")}: ${stderr}`);
  return stdout;
}

/** Names of the namespaces that a lab of this id has. */
export function namespacesOf(id: string): readonly string[] {
  return netnsNames().filter((name) => name.startsWith(namespacePrefix(id)));
}
