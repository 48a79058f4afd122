/** The tutorial's C program, built from the tutorial at run time, as a node's other end. */

import { assertEquals } from "../assert.ts";
import { runProgram } from "../../src/base/run_program.ts";
import { type Bed, repoPath, until } from "./harness.ts";

const SEED = Deno.env.get("TUNNET_SEED") ?? repoPath("../shared/seed/tuntap-tutorial.md");

/** The tutorial, or undefined where it is not at hand: who needs it skips its test, loudly. */
export const seedText = readSeed();

function readSeed(): string | undefined {
  try {
    return Deno.readTextFileSync(SEED);
  } catch {
    console.warn(`SKIPPED: interoperation with the tutorial's C program: ${SEED} is not here`);
    return undefined;
  }
}

/** Runs the C program on node 1, the one of its two that calls itself 192.168.0.7. */
export async function startSeed(bed: Bed, text: string): Promise<void> {
  const program = text.split(/^```c\r?$/m)[3]!.split(/^```/m)[0]!;
  const binary = `${bed.dir}/seed`;
  Deno.writeTextFileSync(`${binary}.c`, program);
  const { code, stderr } = await runProgram("gcc", ["-O2", "-w", "-o", binary, `${binary}.c`]);
  assertEquals(code, 0, stderr);
  for (
    const words of [
      "ip tuntap add dev flannel mode tun",
      "ip link set flannel up mtu 1472",
      "ip route add 172.0.0.0/8 dev flannel",
      "sysctl -qw net.ipv4.ip_forward=1",
    ]
  ) assertEquals((await bed.onNode(1, ...words.split(" "))).code, 0, words);
  const quiet = `exec ${binary} ${bed.node(1).address} >/dev/null`;
  bed.spawn(bed.node(1).namespace, ["sh", "-c", quiet]);
  const open = async () => (await bed.onNode(1, "ss", "-Hlun")).stdout.includes(":3009");
  await until("the C program listens", 5_000, open);
}
