/** Where a config comes from, as the executable takes it: with few permissions, and in few words. */

import { assertEquals } from "../assert.ts";
import { runProgram } from "../../src/base/run_program.ts";
import { tunnetCommand } from "./harness.ts";

const YAML = `network: 10.244.0.0/16
nodes:
  - {name: node-a, address: 10.0.0.1, subnets: [10.244.1.0/24]}
  - {name: node-b, address: 10.0.0.2, subnets: [10.244.2.0/24]}
`;

const GOOD = (source: string) =>
  `${source}: good: 2 nodes, 2 subnets
network 10.244.0.0/16, port 3009, device tunnet0, mode tun, mtu auto

NODE    ADDRESS        SUBNETS
node-a  10.0.0.1:3009  10.244.1.0/24
node-b  10.0.0.2:3009  10.244.2.0/24
`;

const STDIN = "standard input";
const ROUTE = `10.244.2.9 -> node-b 10.0.0.2:3009
  10.244.2.0/24 of node-b is the longest prefix that covers it
`;
const INIT = "try: tunnet init > tunnet.yaml, which writes one to start from";

/** A shell command (`$T` is tunnet, `t.yaml` a config), and what it prints. */
const CASES: readonly (readonly [
  command: string,
  code: number,
  stdout: string,
  stderr: string,
])[] = [
  ["$T check t.yaml", 0, GOOD("t.yaml"), ""],
  ["$T check -c t.yaml", 0, GOOD("t.yaml"), ""],
  ["cat t.yaml | $T check -c -", 0, GOOD(STDIN), ""],
  ["cat t.yaml | $T check -c /dev/stdin", 0, GOOD(STDIN), ""],
  ["$T check -c /dev/stdin <t.yaml", 0, GOOD(STDIN), ""],
  ["$T check - <t.yaml", 0, GOOD(STDIN), ""],
  ["cat t.yaml | $T route 10.244.2.9 -c -", 0, ROUTE, ""],
  [
    "$T check -c - </dev/null",
    2,
    "",
    `tunnet: error: ${STDIN}: no config in it; try: tunnet init, which prints one to start from\n`,
  ],
  [
    "$T check no.yaml",
    2,
    "",
    `tunnet: error: no.yaml: cannot be read (no such file); ${INIT}\n`,
  ],
  [
    "$T check /",
    2,
    "",
    "tunnet: error: /: cannot be read (a directory, not a file); try: -c FILE\n",
  ],
];

for (const [command, code, stdout, stderr] of CASES) {
  Deno.test(`config: ${command}`, async () => {
    const dir = Deno.makeTempDirSync({ prefix: "tunnet-config-" });
    try {
      Deno.writeTextFileSync(`${dir}/t.yaml`, YAML);
      const words = tunnetCommand(dir).map((word) => `'${word}'`).join(" ");
      const script = `cd "$1"; ${command.replace("$T", words)}`;
      const ran = await runProgram("sh", ["-c", script, "sh", dir]);
      assertEquals(ran, { code, stdout, stderr });
    } finally {
      Deno.removeSync(dir, { recursive: true });
    }
  });
}
