/** What hellos from a peer's address, sent by somebody else, can do to a node: nothing. */

import { assert, assertEquals, assertLess } from "../assert.ts";
import type { PeerStatus, Status } from "../../src/status/model/types.ts";
import { helloOf } from "../fakes/peers.ts";
import { Bed, until } from "./harness.ts";

const args = (bed: Bed, engine: string) => ["-c", `${bed.dir}/tunnet.yaml`, "--engine", engine];

async function statusOf(bed: Bed): Promise<Status> {
  const { stdout, stderr } = await bed.onNode(0, ...bed.command, "status", "--json");
  assert(stdout !== "", stderr);
  return JSON.parse(stdout);
}

const peerOf = async (bed: Bed, name: string): Promise<PeerStatus> =>
  (await statusOf(bed)).peers.find((peer) => peer.name === name)!;

const up = (bed: Bed, name: string) => async () => (await peerOf(bed, name)).state === "up";

/** Pings from node 0's pod that node 1's pod answered. */
async function answered(bed: Bed, count = 10): Promise<number> {
  const ping = ["ping", "-q", "-n", "-i", "0.05", "-W", "1", "-c", `${count}`];
  const { stdout } = await bed.inPod(0, ...ping, bed.podAddress(1));
  return Number(/(\d+) received/.exec(stdout)?.[1]);
}

const FORGED = [
  helloOf({ name: "node-b", mode: "tap", echoToken: 0n }),
  helloOf({ name: "node-b", leaving: true, echoToken: 1n }),
  helloOf({ name: "node-b", capabilities: 0, echoToken: 2n, token: 3n, number: 0xffff_ffff }),
  helloOf({ name: "node-b", capabilities: 0xffff_ffff, echoToken: 2n, number: 7 }),
  helloOf({ name: "somebody", echoToken: 4n, sent_us: 2 ** 52 }),
  // As an earlier version sends it: what it may say ends before any token.
  helloOf({ name: "node-b", mode: "tap" }).slice(0, 49),
];

for (const underlay6 of [false, true]) {
  for (const engine of ["auto", "batch", "datagram"]) {
    const what = `IPv${underlay6 ? 6 : 4} underlay, ${engine}`;
    Deno.test(`forged hellos change nothing between two tunnets (${what})`, async () => {
      // c is an outsider on the same network.
      await using bed = await Bed.create({ nodes: 3, configured: 2, underlay6 });
      await Promise.all([bed.start(0, args(bed, engine)), bed.start(1, args(bed, engine))]);
      await until("b is up", 5_000, up(bed, "node-b"));
      const before = await peerOf(bed, "node-b");
      const outsider = bed.node(2).namespace;
      const [sent, received] = await Promise.all([
        bed.forge(outsider, 1, FORGED, { rate: 60, seconds: 2 }),
        answered(bed, 40),
      ]);
      assertLess(60, sent);
      assertEquals(received, 40);
      const after = await peerOf(bed, "node-b");
      const told = ({ state, mode, capabilities, problems }: PeerStatus) => ({
        ...{ state, mode, capabilities, problems },
      });
      assertEquals(told(after), told(before));
      assertEquals(after.loss, 0);
    });
  }
}

const PLAIN = [["tun", false, "auto"], ["tun", true, "batch"], ["tap", false, "auto"]] as const;
for (const [mode, underlay6, engine] of PLAIN) {
  const what = `mode ${mode}, IPv${underlay6 ? 6 : 4} underlay, ${engine}`;
  Deno.test(`forged hellos do not end a plain peer's traffic (${what})`, async () => {
    await using bed = await Bed.create({ nodes: 3, configured: 2, mode, underlay6 });
    await bed.start(0, args(bed, engine));
    const other = mode === "tun" ? "tap" : "tun";
    const forged = FORGED.map((bytes) => {
      const copy = bytes.slice();
      copy[2] = other === "tap" ? 1 : 0;
      return copy;
    });
    await bed.forge(bed.node(2).namespace, 1, forged);
    const { mode: said, problems } = await peerOf(bed, "node-b");
    assertEquals([said, problems], [null, []]);
    const { inbound, outbound } = await statusOf(bed);
    assertEquals([inbound.drops.wrong_mode, outbound.drops.wrong_mode], [0, 0]);
    // What it carries goes on, both ways.
    await bed.inPod(0, "ping", "-q", "-n", "-c", "3", "-i", "0.05", "-W", "0.1", bed.podAddress(1));
    assertEquals((await statusOf(bed)).outbound.drops.wrong_mode, 0);
  });
}

/** More nodes, which nobody runs, with 50 subnets each. */
function manySubnets(nodes: number): string {
  const line = (node: number) => {
    const subnets = Array.from({ length: 50 }, (_, i) => {
      const number = 50 * node + i;
      return `172.${64 + (number >> 12)}.${(number >> 4) & 255}.${(number & 15) << 4}/28`;
    });
    return `  - {name: n${node}, address: "fd00:9::${node + 1}", subnets: [${
      subnets.join(", ")
    }]}\n`;
  };
  return Array.from({ length: nodes }, (_, node) => line(node)).join("");
}

/** A flood in c's name, with b beside it; a has `more` in its config. */
async function endureFlood(underlay6: boolean, engine: string, more = ""): Promise<void> {
  await using bed = await Bed.create({ nodes: 4, configured: 3, underlay6 });
  Deno.writeTextFileSync(`${bed.dir}/tunnet.yaml`, bed.yaml + more);
  const [a] = await Promise.all([0, 1, 2].map((i) => bed.start(i, args(bed, engine))));
  await until(
    "both are up",
    5_000,
    async () => await up(bed, "node-b")() && await up(bed, "node-c")(),
  );
  const junk = [Uint8Array.of(0xf1, 9, 9), ...FORGED];
  const memory_kB = () => {
    const text = Deno.readTextFileSync(`/proc/${a!.pid}/status`);
    return Number(/VmRSS:\s+(\d+)/.exec(text)![1]);
  };
  const before_kB = memory_kB();
  let slowest_ms = 0;
  const flood = bed.forge(bed.node(3).namespace, 2, junk, { rate: 20_000, seconds: 4 });
  let flooding = true;
  void flood.catch(() => {}).finally(() => flooding = false);
  while (flooding) {
    const asked_ms = performance.now();
    const peers = (await statusOf(bed)).peers.slice(0, 2);
    slowest_ms = Math.max(slowest_ms, performance.now() - asked_ms);
    assertEquals(peers.map(({ state }) => state), ["up", "up"]);
    // With many subnets a busy host may be too slow to empty the socket in time.
    if (more === "") assertEquals(peers.map(({ loss }) => loss), [0, 0]);
  }
  const sent = await flood;
  assertLess(10_000, sent);
  const { inbound } = await statusOf(bed);
  assertLess(sent / 2, inbound.drops.control_flood!);
  assertLess(memory_kB() - before_kB, 40_000, "nothing has grown");
  assertEquals(await answered(bed), 10);
  assertLess(slowest_ms, 5_000, "the status is answered meanwhile");
}

const FLOODS = [
  ["an IPv4 underlay", false, "auto", ""],
  ["an IPv6 underlay, lanes only, 10,000 subnets", true, "batch", manySubnets(200)],
] as const;
for (const [what, underlay6, engine, more] of FLOODS) {
  Deno.test(`a flood in one peer's name costs the others nothing (${what})`, () =>
    endureFlood(underlay6, engine, more));
}

Deno.test("a node that starts again comes back at once, in the middle of a flood of its hellos", async () => {
  await using bed = await Bed.create({ nodes: 3, configured: 2 });
  const [, b] = await Promise.all([
    bed.start(0, args(bed, "auto")),
    bed.start(1, args(bed, "auto")),
  ]);
  await until("b is up", 5_000, up(bed, "node-b"));
  const flood = bed.forge(bed.node(2).namespace, 1, FORGED, { rate: 200, seconds: 6 });
  Deno.kill(b!.pid, "SIGKILL");
  await b!.status;
  await bed.start(1, args(bed, "auto"));
  await until("b is up again", 4_000, async () => {
    return await up(bed, "node-b")() && await answered(bed, 1) === 1;
  });
  await flood;
});
