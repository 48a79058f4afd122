import { assert, assertEquals, assertMatch, assertNotMatch } from "../assert.ts";
import { runProgram } from "../../src/base/run_program.ts";
import { askStatus } from "../../src/status/client.ts";
import { RUN_DIR } from "../../src/status/socket.ts";
import { tunnetCommand, until } from "./harness.ts";
import { ip, namespacesOf } from "./ip.ts";

/** Starts `tunnet lab ...`; its process id is in the names of its namespaces. */
function start(args: readonly string[], path?: string): Deno.ChildProcess {
  const [program, ...words] = tunnetCommand("/", path === undefined ? [] : [`PATH=${path}`]);
  return new Deno.Command(program!, {
    args: [...words, "lab", ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

async function run(args: readonly string[], path?: string) {
  const child = start(args, path);
  const { code, stdout, stderr } = await child.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  assertEquals(namespacesOf(`${child.pid}`), [], "namespaces are left");
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

const links = () => ip(["-o", "link"]);

/** Records, sockets and processes of a lab with this id. */
async function traces(id: string): Promise<readonly string[]> {
  const named = (path: string) =>
    [...Deno.readDirSync(path)].map(({ name }) => `${path}/${name}`)
      .filter((one) => one.includes(`tunnet-${id}-`) || /\/lab\/(\w+)/.exec(one)?.[1] === id);
  const { stdout } = await runProgram("pgrep", ["-f", `${RUN_DIR}/lab/${id}/`]);
  return [...namespacesOf(id), ...named(RUN_DIR), ...named(`${RUN_DIR}/lab`), stdout.trim()]
    .filter((one) => one !== "");
}

Deno.test("lab: two, three and five nodes, twice in a row, leave nothing", async () => {
  const before = await links();
  for (const [nodes, pings] of [[2, 2], [2, 2], [3, 6], [5, 20]]) {
    const { code, stdout, stderr } = await run(["--nodes", `${nodes}`]);
    assertEquals([code, stderr], [0, ""]);
    assertEquals(stdout.match(/^ok .* 3\/3 replies, 0 % loss, \d+\.\d{3} ms$/gm)?.length, pings);
    assertMatch(stdout, /^ok .* TCP [\d.]+ [MG]bit\/s, [\d.]+ [MG]B in \d\.\d s$/m);
    assertMatch(stdout, /^ok .* packets take the (kernel path|lanes): .* nothing is encrypted \(/m);
    assertMatch(stdout, /^To try next:\n(.*\n)*.* lab --http$/m);
    assert(!stdout.includes("FAIL"));
  }
  assertEquals(await links(), before);
});

Deno.test("lab: --encrypt, and says that it is sealed", async () => {
  for (const more of [[], ["--mode", "tap"], ["--underlay6", "--ipv6"]]) {
    const { code, stdout, stderr } = await run(["--encrypt", ...more]);
    assertEquals(code, 0, stdout + stderr);
    assertMatch(
      stdout,
      /^ok .* packets take the lanes: .* \(no kernel path: every node has a key\); sealed: nobody/m,
    );
  }
});

Deno.test("lab: without ip and ping", async () => {
  const dir = Deno.makeTempDirSync({ prefix: "tunnet-test-" });
  try {
    for (const name of ["sh", "env", "cat", "id", "stat", "uname"]) {
      const { stdout } = await runProgram("sh", ["-c", `command -v ${name}`]);
      Deno.symlinkSync(stdout.trim(), `${dir}/${name}`);
    }
    const { code, stdout, stderr } = await run(["--json"], dir);
    assertEquals([code, stderr], [0, ""]);
    assert(JSON.parse(stdout).ok);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
});

Deno.test("lab: JSON, with IPv6 pods over an IPv6 underlay", async () => {
  const { code, stdout } = await run(["--json", "--ipv6", "--underlay6"]);
  const { ok, nodes, pings, throughput, route, sealed } = JSON.parse(stdout);
  assertEquals([code, ok, nodes.length, pings.length], [0, true, 2, 4]);
  assertEquals(pings.map((ping: { loss_pct: number }) => ping.loss_pct), [0, 0, 0, 0]);
  assert(throughput.bytes > 0 && throughput.bits_per_second > 0);
  assert(["kernel path", "lanes"].includes(route));
  assertEquals(sealed, false);
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

Deno.test("lab: --config in mode tap, without a bridge: the device exists beforehand", async () => {
  const file = Deno.makeTempFileSync({ suffix: ".yaml" });
  try {
    const yaml = [
      "network: 10.1.0.0/24",
      "mode: tap",
      "nodes:",
      "  - {name: x, address: 192.168.7.1}",
      "  - {name: y, address: 192.168.7.2}",
    ];
    Deno.writeTextFileSync(file, yaml.join("\n"));
    const { code, stdout, stderr } = await run(["--config", file, "--json"]);
    assertEquals([code, JSON.parse(stdout).ok], [0, true], stderr);
  } finally {
    Deno.removeSync(file);
  }
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.test(`lab: ${signal} in the middle leaves nothing`, async () => {
    const before = await links();
    const child = start([]);
    const id = `${child.pid}`;
    await until("the first namespaces exist", 10_000, () => namespacesOf(id).length > 3);
    child.kill(signal);
    const { code, stderr } = await child.output();
    assertMatch(new TextDecoder().decode(stderr), /^tunnet: error: the lab was interrupted\n$/);
    assertEquals(code, 1);
    assertEquals(await traces(id), []);
    assertEquals(await links(), before);
  });
}

for (const what of ["being built", "with its nodes up"] as const) {
  Deno.test(`lab: killed while ${what}, the next one removes what is left`, async () => {
    const before = await links();
    const child = start([]);
    const id = `${child.pid}`;
    const log = `${RUN_DIR}/lab/${id}/node-b.log`;
    const isReady = () => {
      try {
        return Deno.readTextFileSync(log).includes('"event":"ready"');
      } catch {
        return false;
      }
    };
    const reached = what === "being built" ? () => namespacesOf(id).length > 1 : isReady;
    await until(what, 20_000, reached);
    child.kill("SIGKILL");
    await child.output();
    assert((await traces(id)).length > 0, "something is left");
    assertEquals((await run([])).code, 0);
    assertEquals(await traces(id), []);
    assertEquals(await links(), before);
  });
}

Deno.test("lab: --keep lasts until --down", async () => {
  const { code, stdout } = await run(["--keep"]);
  try {
    assertEquals(code, 0);
    // The nodes live on without the command that started them.
    for (const node of ["a", "b"]) {
      const socket = `${RUN_DIR}/tunnet0:tunnet-lab-node-${node}.sock`;
      assertEquals((await askStatus(socket)).node.name, `node-${node}`);
    }
    const [, words] = /(nsenter \S+ ping \S+)$/m.exec(stdout)!;
    const [program, ...args] = words!.split(" ");
    const ping = await runProgram(program!, [...args, "-c", "1", "-W", "2"]);
    assertEquals(ping.code, 0, ping.stdout);
    assertMatch((await run(["--keep"])).stderr, /there is a lab already; try: .* lab --down\n/);
    // Another lab beside it changes nothing of it.
    assertEquals((await run([])).code, 0);
    assertEquals(namespacesOf("lab").length, 5);
  } finally {
    assertMatch((await run(["--down"])).stdout, /^the lab is removed\n$/);
  }
  assertEquals(await traces("lab"), []);
  assertMatch((await run(["--down"])).stdout, /^there is no lab\n$/);
});

Deno.test("lab: --http leads to the page of the first node, until --down", async () => {
  const { code, stdout } = await run(["--http", "--json"]);
  try {
    const { page, kept } = JSON.parse(stdout);
    assertEquals([code, kept], [0, true]);
    const answer = await fetch(page);
    assertEquals([answer.status, answer.headers.get("content-type")?.split(";")[0]], [
      200,
      "text/html",
    ]);
    await answer.body?.cancel();
    const { node } = await (await fetch(`${page}status.json`)).json();
    assertEquals(node.name, "node-a");
  } finally {
    assertEquals((await run(["--down"])).code, 0);
  }
  assertEquals(await traces("lab"), []);
});

Deno.test("lab: namespaces that it did not make are left alone", async () => {
  const alike = ["tunnet-99999999-mine", "tunnet-lab-mine", "tunnet-lab-node-a"];
  for (const name of alike) await ip(["netns", "add", name]);
  // In there runs what looks like a node.
  const child = new Deno.Command("ip", {
    args: ["netns", "exec", "tunnet-lab-mine", "sh", "-c", "sleep 60; :", "--peer", "--node"],
    stdin: "null",
  }).spawn();
  try {
    const { code, stdout } = await run(["--down"]);
    assertEquals(code, 0);
    assertMatch(
      stdout,
      /^there is no lab; tunnet-lab-mine, tunnet-lab-node-a: not made by a lab, /,
    );
    const refused = await run(["--keep"]);
    assertEquals(refused.code, 1);
    assertMatch(
      refused.stderr,
      /^tunnet: error: the namespace name tunnet-lab-node-a is taken \(.* it did not make this one\)/,
    );
    assertEquals((await run([])).code, 0);
    const listed = await ip(["netns", "list"]);
    for (const name of alike) assertMatch(listed, new RegExp(`^${name}( |$)`, "m"));
    assertEquals(Deno.readTextFileSync(`/proc/${child.pid}/comm`), "sh\n");
    assertNotMatch((await traces("lab")).join(), /json/);
  } finally {
    child.kill("SIGKILL");
    await child.status;
    for (const name of alike) await ip(["netns", "del", name]);
  }
});
