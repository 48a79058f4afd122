/** Two nodes on one host: never on one device, and side by side on two. */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import { askStatus } from "../../src/status/client.ts";
import { Bed, until } from "./harness.ts";

type Shape = Parameters<typeof Bed.create>[0];

const SHAPES: readonly [string, Shape, readonly string[]][] = [
  ["several queues, by the kernel path", {}, ["--engine", "auto,lanes=3"]],
  ["several queues, by lanes, IPv6", { ipv6: true, underlay6: true }, [
    "--engine",
    "batch,lanes=3",
  ]],
  ["one queue", {}, ["--engine", "datagram"]],
  ["mode tap", { mode: "tap" }, ["--engine", "batch,lanes=2"]],
];

for (const [name, shape, engine] of SHAPES) {
  Deno.test(`two nodes: a device is one node's, ${name}`, async () => {
    await using bed = await Bed.create(shape);
    const args = ["-c", `${bed.dir}/tunnet.yaml`, ...engine];
    const [a] = await Promise.all([bed.start(0, args), bed.start(1, args)]);
    await bed.ping(0, 1);
    const before = await bed.state(0);
    const listen = ["--listen", shape?.underlay6 ? "[::]:4009" : "0.0.0.0:4009"];
    for (const more of [listen, []]) {
      const node = ["--node", bed.node(0).name];
      const second = bed.launch(0, [...args, ...node, ...more]);
      assertEquals((await second.status).code, 1);
      assertMatch(second.log, new RegExp(`process id ${a.pid} has it\\); try: tunnet status`));
    }
    assertEquals(await bed.state(0), before, "it has touched nothing");
    await bed.ping(0, 1);
    const dump = await bed.onNode(0, ...bed.command, "dump", "tunnet0");
    assertEquals(dump.code, 1);
    assertMatch(
      dump.stderr,
      /has it\); try: sudo tunnet trace --device tunnet0, or tcpdump -i tunnet0/,
    );
    // It goes with the process.
    Deno.kill(a.pid, "SIGKILL");
    await a.status;
    await bed.start(0, args);
    await bed.reachable(0, 1, 5_000);
  });
}

/** A second overlay between the same two hosts, from address to address of their lo. */
const OTHER = (bed: Bed) => `
device: other0
port: 4009
network: 10.77.0.0/16
nodes:
  - {name: ${bed.node(0).name}, address: ${bed.node(0).address}, subnets: [10.77.0.0/24]}
  - {name: ${bed.node(1).name}, address: ${bed.node(1).address}, subnets: [10.77.1.0/24]}
`;

for (const engine of ["auto", "batch"]) {
  Deno.test(`two nodes: with two devices and ports, --engine ${engine}`, async () => {
    await using bed = await Bed.create();
    const before = await bed.state(0);
    const config = `${bed.dir}/other.yaml`;
    Deno.writeTextFileSync(config, OTHER(bed));
    const start = (i: number, file: string, socket: string) =>
      bed.start(i, [
        "-c",
        file,
        "--engine",
        engine,
        "--status-socket",
        `${bed.dir}/${socket}.sock`,
      ]);
    const first = await Promise.all(
      [0, 1].map((i) => start(i, `${bed.dir}/tunnet.yaml`, `first${i}`)),
    );
    for (const i of [0, 1]) {
      await bed.onNode(i, "ip", "addr", "add", `10.77.${i}.1/32`, "dev", "lo");
    }
    const second = await Promise.all([0, 1].map((i) => start(i, config, `second${i}`)));
    const ping = () =>
      bed.onNode(0, ..."ping -n -c 3 -i 0.2 -W 3 -I 10.77.0.1 10.77.1.1".split(" "));
    await bed.ping(0, 1);
    const { code, stdout } = await ping();
    assertEquals(code, 0, stdout);
    for (const socket of ["first0", "second0"]) {
      const { node, peers } = await askStatus(`${bed.dir}/${socket}.sock`);
      assertEquals(node.problems, []);
      assertEquals(peers.map(({ state }) => state), ["up"]);
    }
    if (engine === "auto") {
      await until("both by the kernel alone", 10_000, async () => {
        const all = [...first, ...second];
        for (const { pid } of all) Deno.kill(pid, "SIGSTOP");
        const pings = [
          await bed.inPod(0, "ping", "-n", "-c", "1", "-W", "0.5", bed.podAddress(1)),
          await bed.onNode(0, ..."ping -n -c 1 -W 0.5 -I 10.77.0.1 10.77.1.1".split(" ")),
        ];
        for (const { pid } of all) Deno.kill(pid, "SIGCONT");
        return pings.every(({ code }) => code === 0);
      });
    }
    await second[0]!.stop();
    await bed.ping(0, 1);
    assert((await bed.onNode(0, "ip", "link", "show", "other0")).code !== 0);
    await bed.onNode(0, "ip", "addr", "del", "10.77.0.1/32", "dev", "lo");
    await first[0]!.stop();
    assertEquals(await bed.state(0), before);
  });
}
