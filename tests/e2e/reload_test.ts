/** The config read again while the node runs: by signal, by watching, under load, with a bad file. */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import type { LabProcess } from "../../src/tools/lab/process.ts";
import { Bed, until } from "./harness.ts";

/** A node of a test's config. */
interface YamlNode {
  readonly name: string;
  readonly address: string;
  readonly subnets: readonly string[];
}

/** A config without a network: every remote subnet is a kernel route of its own. */
function yamlOf(nodes: readonly YamlNode[], more: readonly string[] = []): string {
  const lines = nodes.map(({ name, address, subnets }) =>
    `  - {name: ${name}, address: "${address}", subnets: [${subnets.join(", ")}]}`
  );
  return [...more, "nodes:", ...lines, ""].join("\n");
}

/** The nodes of a bed, each with its own subnet and those that are added. */
function nodesOf(bed: Bed, added: Readonly<Record<string, readonly string[]>> = {}): YamlNode[] {
  return bed.plan.nodes.map(({ name, address, subnets }) => ({
    name,
    address,
    subnets: [...subnets, ...(added[name] ?? [])],
  }));
}

const path = (bed: Bed) => `${bed.dir}/tunnet.yaml`;
const write = (bed: Bed, yaml: string) => Deno.writeTextFileSync(path(bed), yaml);

/** As editors do: a new file takes the place of the old one. */
function replace(bed: Bed, yaml: string): void {
  Deno.writeTextFileSync(`${path(bed)}.new`, yaml);
  Deno.renameSync(`${path(bed)}.new`, path(bed));
}

interface Event {
  readonly event: string;
  readonly level: string;
  readonly message: string;
}

function events(process: LabProcess, event: string): readonly Event[] {
  return process.log.split("\n").filter((line) => line !== "")
    .map((line): Event => JSON.parse(line)).filter((one) => one.event === event);
}

/** Waits for one more event than `before`; its message. */
async function next(process: LabProcess, event: string, before: number): Promise<string> {
  await until(`${event} is logged`, 10_000, () => events(process, event).length > before);
  return events(process, event)[before]!.message;
}

/** Has a node read its config again, and waits until it has. */
async function reload(process: LabProcess, event = "reloaded"): Promise<string> {
  const before = events(process, event).length;
  Deno.kill(process.pid, "SIGHUP");
  return await next(process, event, before);
}

/** The kernel's routes to the device, of IPv4. */
async function routes(bed: Bed, node: number): Promise<string[]> {
  const { stdout } = await bed.onNode(node, ..."ip -4 route show dev tunnet0".split(" "));
  return stdout.split("\n").map((line) => line.split(" ")[0]!).filter((one) => one !== "").sort();
}

Deno.test("reload: nodes and subnets come, move and go", async (t) => {
  await using bed = await Bed.create({ nodes: 3 });
  const all = nodesOf(bed);
  write(bed, yamlOf(all.slice(0, 2)));
  const [a, b] = await Promise.all([bed.start(0), bed.start(1)]);
  await bed.ping(0, 1);

  await t.step("a third node", async () => {
    write(bed, yamlOf(all));
    const said = await Promise.all([reload(a), reload(b)]);
    for (const line of said) assertMatch(line, /reloaded .*tunnet\.yaml: added node-c$/);
    await bed.start(2);
    await bed.reachable(0, 2, 5_000);
    await bed.reachable(2, 1, 5_000);
    assertEquals(await routes(bed, 0), ["172.2.0.0/16", "172.3.0.0/16"]);
  });

  await t.step("a subnet of one moves to the other", async () => {
    const podAt = (node: number) =>
      bed.inPod(node, ..."ip addr add 172.9.0.2/32 dev lo".split(" "));
    const behind = (node: number) =>
      bed.onNode(node, ..."ip route add 172.9.0.0/16 dev br0 via".split(" "), bed.podAddress(node));
    for (const node of [1, 2]) {
      await podAt(node);
      await behind(node);
    }
    const from = (name: string) => yamlOf(nodesOf(bed, { [name]: ["172.9.0.0/16"] }));
    write(bed, from("node-b"));
    await Promise.all([a, b].map((one) => reload(one)));
    await bed.ping(0, 1, "172.9.0.2");
    write(bed, from("node-c"));
    // Node b now takes it for node c's, and node a sends it there.
    assertMatch(await reload(a), /: changed node-b, node-c$/);
    const before = (await bed.counters(b)).inbound.packets!;
    await bed.inPod(0, ..."ping -c 2 -i 0.05 -W 0.2 172.9.0.2".split(" "));
    assertEquals(
      (await bed.counters(b)).inbound.packets,
      before,
      "nothing goes to node b any more",
    );
    assertEquals(await routes(bed, 0), ["172.2.0.0/16", "172.3.0.0/16", "172.9.0.0/16"]);
  });

  await t.step("a node that is gone", async () => {
    write(bed, yamlOf(all.slice(0, 2)));
    assertMatch(await reload(a), /: removed node-c$/);
    assertEquals(await routes(bed, 0), ["172.2.0.0/16"]);
    await bed.ping(0, 1);
    const { code } = await bed.inPod(0, ..."ping -c 1 -W 0.2 172.3.0.2".split(" "));
    assert(code !== 0);
  });

  await t.step("nothing new", async () => {
    assertMatch(await reload(a), /: nothing has changed$/);
  });
});

Deno.test("reload: what is wrong is said, and nothing changes", async (t) => {
  await using bed = await Bed.create();
  const good = yamlOf(nodesOf(bed));
  write(bed, good);
  const [a] = await Promise.all([bed.start(0), bed.start(1)]);
  const before = await bed.state(0);
  const [nodeA, nodeB] = nodesOf(bed);
  const complaints = async () => {
    const known = events(a, "reload_failed").length;
    await reload(a, "reload_failed");
    await until(
      "the last line",
      5_000,
      () => events(a, "reload_failed").at(-1)!.message.includes("nothing has changed"),
    );
    return events(a, "reload_failed").slice(known).map(({ message }) => message);
  };
  const cases: readonly (readonly [name: string, yaml: string, expected: readonly RegExp[]])[] = [
    ["no YAML", "nodes: [", [/tunnet\.yaml.*line 1/]],
    [
      "all problems at once",
      yamlOf([nodeA!, { ...nodeB!, address: "192.168.0.300", subnets: ["172.2.0.0/40"] }], [
        "netwerk: 172.0.0.0/8",
      ]),
      [/netwerk/, /line \d+, node node-b: address: /, /line \d+, node node-b: subnets: /],
    ],
    [
      "this node is not in it",
      yamlOf([{ ...nodeA!, name: "node-x", address: "192.0.2.1" }, nodeB!]),
      [/cannot tell which node this is/],
    ],
    [
      "a route that another device has",
      yamlOf([nodeA!, { ...nodeB!, subnets: ["172.2.0.0/16", "10.77.0.0/16"] }], ["mtu: 1300"]),
      [/route 10\.77\.0\.0\/16 exists already \(through eth0\)/],
    ],
  ];
  await bed.onNode(0, ..."ip route add 10.77.0.0/16 dev eth0".split(" "));
  const earlier = await bed.state(0);
  for (const [name, yaml, expected] of cases) {
    await t.step(name, async () => {
      write(bed, yaml);
      const lines = await complaints();
      assertEquals(lines.length, expected.length + 1, lines.join("\n"));
      expected.forEach((pattern, i) => assertMatch(lines[i]!, pattern));
      assertEquals(await bed.state(0), earlier);
      await bed.ping(0, 1);
    });
  }
  await t.step("no file", async () => {
    Deno.removeSync(path(bed));
    assertMatch((await complaints())[0]!, /tunnet\.yaml: cannot be read/);
    await bed.ping(0, 1);
  });
  await bed.onNode(0, ..."ip route del 10.77.0.0/16 dev eth0".split(" "));
  assertEquals(await bed.state(0), before);

  await t.step("what has to wait for a restart is named, the rest is done", async () => {
    const port = { ...nodeA!, address: `${nodeA!.address}:4000` };
    const c = { name: "node-c", address: "192.168.0.99", subnets: ["172.3.0.0/16"] };
    write(bed, yamlOf([port, nodeB!, c], ["device: other0"]));
    assertMatch(await reload(a), /added node-c/);
    const left = events(a, "reload_left").map(({ message }) => message);
    assertEquals(left, [
      "the device cannot change while it runs: tunnet0 stays, not other0",
      "this node's address and port cannot change while it runs: 192.168.0.8:3009 stays, " +
      "not 192.168.0.8:4000",
    ]);
    await bed.ping(0, 1);
  });
});

Deno.test("reload: MTU, own subnets and own name change while it runs, and the peers hear of it", async () => {
  await using bed = await Bed.create();
  const [nodeA, nodeB] = nodesOf(bed);
  write(bed, yamlOf([nodeA!, nodeB!]));
  const [a, b] = await Promise.all([bed.start(0), bed.start(1)]);
  await bed.ping(0, 1);
  const renamed = { ...nodeA!, name: "node-z", subnets: ["172.30.0.0/16", ...nodeA!.subnets] };
  write(bed, yamlOf([renamed, nodeB!], ["mtu: 1300"]));
  assertMatch(await reload(a), /added node-z; removed node-a; changed mtu, this node's name$/);
  const state = await bed.state(0);
  assertMatch(state, /tunnet0: .* mtu 1300 /);
  assertMatch(state, /tunnet0 +inet 172\.30\.0\.0\/32/);
  assert(!/tunnet0 +inet 172\.1\.0\.0\/32/.test(state), state);
  await bed.ping(0, 1);
  // Node b has the old file still: it hears the new name at once.
  await until("node b hears the new name", 4_000, () => b.log.includes("calls itself node-z"));
});

Deno.test("reload: a watched file, edited in place, replaced, linked; bad in between", async (t) => {
  await using bed = await Bed.create();
  const [nodeA, nodeB] = nodesOf(bed);
  write(bed, yamlOf([nodeA!, nodeB!]));
  const a = await bed.start(0, ["-c", path(bed), "--watch-config"]);
  const withC = (n: number) =>
    yamlOf([nodeA!, nodeB!, { name: "node-c", address: `192.168.0.${n}`, subnets: [] }]);
  const reloaded = async (change: () => void) => {
    const before = events(a, "reloaded").length;
    change();
    return await next(a, "reloaded", before);
  };
  await t.step("edited in place", async () => {
    assertMatch(await reloaded(() => write(bed, withC(20))), /added node-c/);
  });
  await t.step("replaced by rename", async () => {
    assertMatch(await reloaded(() => replace(bed, withC(21))), /changed node-c/);
  });
  await t.step("removed, and put back", async () => {
    Deno.removeSync(path(bed));
    assertMatch(await reloaded(() => write(bed, withC(22))), /changed node-c/);
    assertEquals(events(a, "reload_failed"), []);
  });
  await t.step("a bad file", async () => {
    replace(bed, "nodes: 3");
    assertMatch(await next(a, "reload_failed", 0), /nodes: "3", not a list/);
    assertMatch(await reloaded(() => replace(bed, withC(23))), /changed node-c/);
  });
  await t.step("a link to elsewhere that is put in its place, and what it leads to", async () => {
    Deno.mkdirSync(`${bed.dir}/data`);
    Deno.writeTextFileSync(`${bed.dir}/data/v1.yaml`, withC(24));
    assertMatch(
      await reloaded(() => {
        Deno.symlinkSync("data/v1.yaml", `${path(bed)}.new`);
        Deno.renameSync(`${path(bed)}.new`, path(bed));
      }),
      /changed node-c/,
    );
  });
});

Deno.test("reload: without a file there is nothing to reload, and SIGHUP ends nothing", async () => {
  await using bed = await Bed.create();
  const args = (i: number, j: number) => [
    ...[`${bed.node(j).subnets[0]}=${bed.node(j).address}`, "--local", bed.node(i).subnets[0]!],
    ...["--listen", bed.node(i).address],
  ];
  const [a] = await Promise.all([bed.start(0, args(0, 1)), bed.start(1, args(1, 0))]);
  assertMatch(await reload(a, "reload_failed"), /nothing to reload \(the config: command line\)/);
  await bed.ping(0, 1);
});

Deno.test("tunnet reload: finds the node, and tells what came of it", async (t) => {
  await using bed = await Bed.create();
  const [nodeA, nodeB] = nodesOf(bed);
  const c = { name: "node-c", address: "192.168.0.99", subnets: ["172.3.0.0/16"] };
  write(bed, yamlOf([nodeA!, nodeB!]));
  const run = (...args: string[]) => bed.onNode(0, ...bed.command, "reload", ...args);
  await t.step("no node", async () => {
    const { code, stderr } = await run();
    assertMatch(stderr, /^tunnet: error: no node runs here \(.*\); try: .*\n$/);
    assertEquals(code, 1);
  });
  await bed.start(0);
  await t.step("one node", async () => {
    write(bed, yamlOf([nodeA!, nodeB!, c], ["device: t9"]));
    const { code, stdout, stderr } = await run();
    const lines = stdout.split("\n");
    assertMatch(lines[0]!, /^reloaded .*tunnet\.yaml: added node-c$/);
    assertMatch(lines[1]!, /^the device cannot change while it runs/);
    assertEquals([code, stderr, lines.length], [0, "", 3]);
  });
  await t.step("a bad file: its errors, its exit status", async () => {
    write(bed, yamlOf([nodeA!, { ...nodeB!, subnets: ["172.2.0.0/99"] }, nodeA!]));
    const { code, stdout, stderr } = await run();
    assertEquals([code, stdout], [2, ""]);
    const lines = stderr.trim().split("\n");
    assert(lines.length >= 3, stderr);
    for (const line of lines) assertMatch(line, /^tunnet: error: .*tunnet\.yaml: line \d+, node /);
    const json = await run("--json");
    assertEquals([json.code, JSON.parse(json.stdout).ok], [2, false]);
  });
  await t.step("several nodes on one host", async () => {
    const other = [`172.8.0.0/16=${bed.node(1).address}:4000`, "--local", "172.7.0.0/16"];
    await bed.start(0, [...other, "--listen", `${bed.node(0).address}:4000`, "--device", "t1"]);
    write(bed, yamlOf([nodeA!, nodeB!]));
    const both = await run();
    assertMatch(both.stderr, /^tunnet: error: several nodes run here .*; try: --device NAME/);
    assertEquals(both.code, 1);
    assertMatch((await run("--device", "tunnet0")).stdout, /removed node-c/);
    const inline = await run("--device", "t1");
    assertMatch(inline.stderr, /^tunnet: error: there is nothing to reload/);
    assertEquals(inline.code, 1);
  });
});

/** A bed of three nodes, the third of which the first two hear of by reload alone. */
async function reloading(bed: Bed, engine: string) {
  const all = nodesOf(bed);
  const files = [
    yamlOf(all),
    yamlOf(nodesOf(bed, { "node-c": ["172.9.0.0/16"] })),
    yamlOf(nodesOf(bed, { "node-b": ["172.9.0.0/16"] })),
    "nodes: [",
    yamlOf(all.slice(0, 2)),
  ];
  write(bed, files.at(-1)!);
  Deno.writeTextFileSync(`${bed.dir}/c.yaml`, files[0]!);
  for (const node of [0, 1]) {
    // Its own multicast packets would be counted as drops, for which no route is right.
    await bed.onNode(node, "sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1");
  }
  const start = (node: number, file = path(bed)) =>
    bed.start(node, ["-c", file, "--engine", engine]);
  const nodes = await Promise.all([start(0), start(1), start(2, `${bed.dir}/c.yaml`)]);
  await bed.reachable(0, 1, 5_000);
  let reloads = 0;
  /** Has the first two read one file after the other until `end` resolves, each at least once. */
  const during = async <T>(end: Promise<T>): Promise<T> => {
    let ended = false;
    const watched = end.finally(() => ended = true);
    for (let i = 0; !ended || i < files.length; i++) {
      const file = files[i % files.length]!;
      write(bed, file);
      const event = file === "nodes: [" ? "reload_failed" : "reloaded";
      await Promise.all(nodes.slice(0, 2).map((node) => reload(node, event)));
      reloads++;
    }
    return await watched;
  };
  /** Fails if either has dropped a packet for a reason that a reload could give. */
  const assertNothingDropped = async () => {
    for (const node of nodes.slice(0, 2)) {
      const { outbound, inbound } = await bed.counters(node);
      for (const reason of ["no_route", "send_failed", "device_down"]) {
        assertEquals(outbound[reason] ?? 0, 0, `${node.name} outbound ${reason}`);
      }
      for (const reason of ["wrong_port", "spoofed_source", "device_down"]) {
        assertEquals(inbound[reason] ?? 0, 0, `${node.name} inbound ${reason}`);
      }
    }
  };
  return { during, assertNothingDropped, reloads: () => reloads };
}

/** A thread that stalls this long loses none: queues hold what comes meanwhile. */
const PING_INTERVAL_S = 0.002;
const PINGS = 2_000;

for (const engine of ["batch", "auto"]) {
  Deno.test(`reload under load: not one of ${PINGS} pings is lost (${engine})`, async () => {
    await using bed = await Bed.create({ nodes: 3 });
    const { during, assertNothingDropped, reloads } = await reloading(bed, engine);
    const words = ["ping", "-n", "-q", "-c", `${PINGS}`, "-i", `${PING_INTERVAL_S}`, "-W", "5"];
    const { stdout } = await during(bed.inPod(0, ...words, bed.podAddress(1)));
    assertMatch(stdout, new RegExp(`${PINGS} received, 0% packet loss`), `${reloads()} reloads`);
    await assertNothingDropped();
  });
}

Deno.test("reload under load: a full TCP stream arrives whole, and no reload drops a packet", async () => {
  await using bed = await Bed.create({ nodes: 3 });
  const { during, assertNothingDropped } = await reloading(bed, "batch");
  const file = await bed.randomFile(300_000_000);
  assertEquals(await during(bed.transfer(0, 1, file.path)), file.sha256);
  await assertNothingDropped();
});
