import { assert, assertEquals, assertMatch } from "../assert.ts";
import { namespacesOf, runProgram } from "../../src/tools/lab/lab.ts";
import { namespacePrefix } from "../../src/tools/lab/topology.ts";
import { tunnetCommand, until } from "./harness.ts";

/** Starts `tunnet lab ...`; its process id is in the names of its namespaces. */
function start(args: readonly string[]): Deno.ChildProcess {
  const [program, ...words] = tunnetCommand("/");
  return new Deno.Command(program!, {
    args: [...words, "lab", ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

async function run(args: readonly string[]) {
  const child = start(args);
  const { code, stdout, stderr } = await child.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  assertEquals(await namespacesOf(namespacePrefix(`${child.pid}`)), [], "namespaces are left");
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

const links = async () => (await runProgram("ip", ["-o", "link"])).stdout;

Deno.test("lab: two, three and five nodes, twice in a row, leave nothing", async () => {
  const before = await links();
  for (const [nodes, pings] of [[2, 2], [2, 2], [3, 6], [5, 20]]) {
    const { code, stdout, stderr } = await run(["--nodes", `${nodes}`]);
    assertEquals([code, stderr], [0, ""]);
    assertEquals(stdout.match(/^ok .* 3\/3 replies, 0 % loss/gm)?.length, pings);
    assert(!stdout.includes("FAIL"));
  }
  assertEquals(await links(), before);
});

Deno.test("lab: JSON, with IPv6 pods over an IPv6 underlay", async () => {
  const { code, stdout } = await run(["--json", "--ipv6", "--underlay6"]);
  const { ok, nodes, pings } = JSON.parse(stdout);
  assertEquals([code, ok, nodes.length, pings.length], [0, true, 2, 4]);
  assertEquals(pings.map((ping: { loss_pct: number }) => ping.loss_pct), [0, 0, 0, 0]);
});

Deno.test("lab: --config builds the lab that a config describes", async () => {
  const file = Deno.makeTempFileSync({ suffix: ".yaml" });
  try {
    const yaml = [
      "network: 10.0.0.0/8",
      "port: 4000",
      "device: overlay",
      "nodes:",
      '  - {name: x, address: 192.168.7.1, subnets: [10.1.0.0/16, "fd00:a::/64"]}',
      '  - {name: y, address: "192.168.7.2:4001", subnets: [10.2.0.0/16, "fd00:b::/64"]}',
      "  - {name: z, address: 192.168.9.9, subnets: [10.3.0.0/24]}",
    ];
    Deno.writeTextFileSync(file, yaml.join("\n"));
    const { code, stdout, stderr } = await run(["--config", file, "--json"]);
    assertEquals(code, 0, stdout + stderr);
    const { ok, nodes, pings } = JSON.parse(stdout);
    assertEquals([ok, nodes.map(({ name }: { name: string }) => name)], [true, ["x", "y", "z"]]);
    // Each pod pings every other one at each address: 6 of IPv4, 2 of IPv6.
    assertEquals(pings.length, 8);
    assertEquals(
      new Set(pings.map(({ loss_pct }: { loss_pct: number }) => loss_pct)),
      new Set([0]),
    );
  } finally {
    Deno.removeSync(file);
  }
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.test(`lab: ${signal} in the middle leaves nothing`, async () => {
    const before = await links();
    const child = start([]);
    const mine = () => namespacesOf(namespacePrefix(`${child.pid}`));
    await until("the first namespaces stand", 10_000, async () => (await mine()).length > 3);
    child.kill(signal);
    const { code, stderr } = await child.output();
    assertMatch(new TextDecoder().decode(stderr), /^tunnet: error: the lab was interrupted\n$/);
    assertEquals(code, 1);
    assertEquals(await mine(), []);
    assertEquals(await links(), before);
  });
}

Deno.test("lab: --keep stands until --down", async () => {
  const { code, stdout } = await run(["--keep"]);
  try {
    assertEquals(code, 0);
    const [, words] = /^ {2}ip (netns exec \S+ ping \S+)$/m.exec(stdout)!;
    const ping = await runProgram("ip", [...words!.split(" "), "-c", "1", "-W", "2"]);
    assertEquals(ping.code, 0, ping.stdout);
    assertMatch((await run(["--keep"])).stderr, /there is a lab already; try: tunnet lab --down/);
  } finally {
    assertEquals((await run(["--down"])).code, 0);
  }
  assertEquals(await namespacesOf(namespacePrefix("lab")), []);
});
