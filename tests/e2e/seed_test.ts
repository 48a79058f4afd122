/** The tutorial's C program, built from the tutorial at run time, as a node's other end. */

import { assertEquals } from "../assert.ts";
import { runProgram } from "../../src/lab/lab.ts";
import { Bed, repoPath, until } from "./harness.ts";

const SEED = Deno.env.get("TUNNET_SEED") ?? repoPath("../shared/seed/tuntap-tutorial.md");

function seedText(): string | undefined {
  try {
    return Deno.readTextFileSync(SEED);
  } catch {
    return undefined;
  }
}

const text = seedText();
if (text === undefined) {
  console.warn(`SKIPPED: interoperation with the tutorial's C program: ${SEED} is not here`);
}

Deno.test({
  name: "the tutorial's C program on node b, tunnet on node a: ping and TCP both ways",
  ignore: text === undefined,
  async fn() {
    await using bed = await Bed.create();
    const program = text!.split(/^```c\r?$/m)[3]!.split(/^```/m)[0]!;
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

    const a = await bed.start(0);
    await bed.ping(0, 1);
    await bed.ping(1, 0);
    await bed.ping(0, 1, "-s", "4000");
    const { path, sha256 } = await bed.randomFile(50_000_000);
    assertEquals(await bed.transfer(0, 1, path), sha256, "tunnet to C");
    assertEquals(await bed.transfer(1, 0, path), sha256, "C to tunnet");
    const { inbound } = await bed.counters(a);
    assertEquals([inbound["malformed"], inbound["spoofed_source"]], [0, 0]);
  },
});
