/** What the tests of the printed scripts share. */

import { parseConfig } from "../../../src/config/parse.ts";
import type { SetupInput } from "../../../src/tools/setup/script.ts";
import { assertEquals } from "../../assert.ts";

const YAML = `
network: [172.0.0.0/8, "fd00:172::/32"]
nodes:
  - {name: one, address: 192.168.0.8, subnets: [172.1.0.0/16]}
  - {name: both, address: 192.168.0.7, subnets: [172.2.0.0/16, "fd00:172:2::/64"]}
  - {name: many, address: 192.168.0.9, subnets: [172.3.0.0/16, 172.13.0.0/16, "fd00:172:3::/64"]}
  - {name: only6, address: 192.168.0.10, subnets: ["fd00:172:4::/64"]}
  - {name: small, address: 192.168.0.11, subnets: [172.5.0.0/31]}
  - {name: none, address: 192.168.0.12, subnets: []}
`;

/** Input for a node's script; `top` is added to the config. */
export function inputFor(name: string, { undo = false, top = "", source = "tunnet.yaml" } = {}) {
  const loaded = parseConfig(top + YAML, source);
  const self = loaded.config.nodes.find((node) => node.name === name)!;
  return { loaded, self, undo } satisfies SetupInput;
}

/** Fails with what shellcheck says of a script. */
export async function shellcheck(script: string): Promise<void> {
  const child = new Deno.Command("shellcheck", {
    args: ["--shell=sh", "-"],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(script));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  const text = new TextDecoder();
  assertEquals([code, text.decode(stdout), text.decode(stderr)], [0, "", ""]);
}
