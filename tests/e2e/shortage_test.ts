/** A node of a host that is out of something for a while goes on, and ends in order where it cannot. */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import type { LabProcess } from "../../src/tools/lab/process.ts";
import { Bed, until } from "./harness.ts";

const FILES_MAX = 4_096;
/** As many as one poll(2) may ask about; every node has more open. */
const FILES_LEAST = 8;

const descriptorsOf = ({ pid }: LabProcess) =>
  [...Deno.readDirSync(`/proc/${pid}/fd`)].map(({ name }) => Number(name));

const limit = (bed: Bed, process: LabProcess, files: number): Promise<void> =>
  bed.limitFiles(0, process, files, FILES_MAX);

/** Leaves the process room for that many descriptors more, and with 0 for none whatever it closes. */
function leave(bed: Bed, process: LabProcess, room: number): Promise<void> {
  const open = new Set(descriptorsOf(process));
  let files = 0;
  if (room === 0) return limit(bed, process, FILES_LEAST);
  for (let free = 0; open.has(files) || free++ < room;) files++;
  return limit(bed, process, files);
}

type Shape = Parameters<typeof Bed.create>[0];

const SHAPES: readonly [string, Shape, readonly string[]][] = [
  ["mode tun, by the kernel path", {}, []],
  ["over IPv6, by lanes", { ipv6: true, underlay6: true }, ["--engine", "batch"]],
  ["one datagram at a time", {}, ["--engine", "datagram"]],
  ["mode tap", { mode: "tap" }, []],
];

for (const [name, shape, engine] of SHAPES) {
  Deno.test(`out of descriptors: ${name}`, async () => {
    await using bed = await Bed.create({ ...shape, nodes: 3 });
    const before = await bed.state(0);
    bed.helloInterval = "200ms";
    const args = ["-c", `${bed.dir}/tunnet.yaml`, ...engine];
    const a = bed.launch(0, args, ["prlimit", `--nofile=${FILES_MAX}:${FILES_MAX}`]);
    const [, , c] = await Promise.all([a.ready(), bed.start(1, args), bed.start(2, args)]);
    const known = () => a.log.split('"event":"peer_up"').length === 3;
    await until("it knows the others", 10_000, known);
    await leave(bed, a, 0);
    // It is probed once it is missed, which takes a socket.
    Deno.kill(c.pid, "SIGKILL");
    const told = () => a.log.split("\n").filter((line) => line.includes('"event":"shortage"'));
    await until("it says so", 10_000, () => told().length > 0);
    await bed.ping(0, 1);
    // Every timer has had its turn meanwhile.
    const { inbound } = await bed.counters(a);
    assert(inbound.packets! > 0);
    assertEquals(told().length, 1, "once");
    assertMatch(told()[0]!, /no descriptor left \(RLIMIT_NOFILE\).*goes on without/);
    // To make the path again takes descriptors, to make the helper again does not on every kernel.
    const helper = await bed.onNode(0, "ip", "link", "del", "tunnet0-in");
    if (helper.code === 0) {
      const seen = /kernel path for now: |tunnet0-in was removed; it is back/;
      await until("the helper is missed", 10_000, () => seen.test(a.log));
      await bed.ping(0, 1);
    }
    await limit(bed, a, FILES_MAX);
    await bed.ping(1, 0);
    if (helper.code === 0) {
      await until("the kernel path is back", 10_000, () => bed.reachesFrozen(0, 1, [a]));
    }
    await a.stop();
    assertEquals((await a.status).code, 0);
    assertEquals(await bed.state(0), before);
  });
}

Deno.test("out of descriptors: a device that is lost meanwhile comes back afterwards", async () => {
  await using bed = await Bed.create();
  const before = await bed.state(0);
  const [a] = await Promise.all([bed.start(0), bed.start(1)]);
  await bed.ping(0, 1);
  await limit(bed, a, FILES_MAX);
  await leave(bed, a, 0);
  await bed.onNode(0, "ip", "link", "del", "tunnet0");
  const failures = () => a.log.split("\n").filter((line) => line.includes("EMFILE")).length;
  // Enough to begin with, not enough to be done: with each it fails at another place.
  for (const room of [0, 1, 3]) {
    const before = failures();
    await leave(bed, a, room);
    await until(`it has tried with room for ${room}`, 5_000, () => failures() > before);
  }
  await limit(bed, a, FILES_MAX);
  await bed.reachable(0, 1, 5_000);
  await a.stop();
  assertEquals((await a.status).code, 0);
  assertEquals(await bed.state(0), before);
});
