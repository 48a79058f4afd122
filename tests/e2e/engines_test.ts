/**
 * Every subset of what the engine can use of the kernel carries the same
 * traffic: towards the tutorial's C program, and towards a tunnet with all of it.
 */

import { assert, assertEquals, assertStringIncludes } from "../assert.ts";
import { FEATURES } from "../../src/base/features.ts";
import type { LabProcess } from "../../src/tools/lab/process.ts";
import { KERNEL_PATH } from "../kernel_path/possible.ts";
import { Bed } from "./harness.ts";
import { seedText, startSeed } from "./seed.ts";

/**
 * All, without the kernel path, each other feature alone left out, several at once, none at all,
 * the way through Deno, and numbers of lanes: one for both ways, one each, three queues for the way
 * out.
 */
const SUBSETS = [
  "auto",
  "auto,-kernel",
  ...FEATURES.filter((feature) => feature !== "kernel").map((feature) => `batch,-${feature}`),
  "batch,-tso",
  "batch,-tso,-uso",
  "batch,-gso,-gro",
  "batch,-csum,-gso",
  "batch,-vnet,-gso,-gro",
  "datagram",
  "batch,lanes=1",
  "batch,lanes=2",
  "batch,lanes=4",
];

const BYTES = 4_000_000;
/** The node under test, the C program's and the one with `--engine auto`. */
const TESTED = 0;
const SEED = 1;
const FULL = 2;
/** What no honest traffic may ever count. */
const FAULTS = ["malformed", "spoofed_source", "unknown_peer", "send_failed", "device_rejected"];

function engineLine({ log }: LabProcess): string {
  const line = log.split("\n").find((one) => one.includes('"event":"engine"'));
  assert(line, log);
  return JSON.parse(line).message;
}

/** The line says what was asked for, and that what was switched off is off. */
function checkLine(line: string, engine: string): void {
  const [name, ...words] = engine.split(",");
  const off = words.filter((word) => word.startsWith("-"));
  const lanes = words.map((word) => /^lanes=(.*)$/.exec(word)?.[1]).find((count) => count);
  if (lanes) assertStringIncludes(line, `, ${lanes} lane`);
  assertStringIncludes(line, name === "datagram" ? "engine datagram: " : "engine batch: ");
  const [inUse, notInUse] = line.split(" (");
  for (const word of off) {
    assertStringIncludes(notInUse ?? "", word.slice(1));
    assert(!inUse!.includes(` ${word.slice(1)} `), line);
  }
}

async function assertNoFaults(bed: Bed, process: LabProcess): Promise<void> {
  const { outbound, inbound } = await bed.counters(process);
  for (const fault of FAULTS) assertEquals([outbound[fault], inbound[fault]], [0, 0], fault);
}

/** The suite that every subset passes: ping, large pings, UDP echo, TCP both ways at once. */
async function suite(bed: Bed, peer: number, file: { path: string; sha256: string }) {
  await bed.ping(TESTED, peer);
  await bed.ping(peer, TESTED);
  await bed.ping(TESTED, peer, "-s", "4000");
  await bed.ping(peer, TESTED, "-s", "8000");
  // Sizes that fill, halve and fragment packets.
  await bed.udpEcho(TESTED, peer, [1, 700, 1444, 4000], 6000 + peer);
  const port = 5100 + 10 * peer;
  const arrived = await Promise.all([
    bed.transfer(TESTED, peer, file.path, 4, port),
    bed.transfer(peer, TESTED, file.path, 4, port + 1),
  ]);
  assertEquals(arrived, [file.sha256, file.sha256]);
}

Deno.test("every subset of the engine carries the same traffic", async (t) => {
  await using bed = await Bed.create({ nodes: 3, ipv6: true });
  if (seedText !== undefined) await startSeed(bed, seedText);
  const file = await bed.randomFile(BYTES);
  const full = await bed.start(FULL);
  for (const engine of SUBSETS) {
    await t.step(`--engine ${engine}`, async () => {
      const tested = await bed.start(TESTED, [
        ...["-c", `${bed.dir}/tunnet.yaml`, "--engine", engine],
      ]);
      try {
        checkLine(engineLine(tested), engine);
        const kernelPath = engine === "auto" && KERNEL_PATH;
        assertEquals(/ kernel, /.test(engineLine(tested)), kernelPath, engineLine(tested));
        const peers = seedText === undefined ? [FULL] : [SEED, FULL];
        await Promise.all(peers.map((peer) => suite(bed, peer, file)));
        await bed.ping(TESTED, FULL, bed.podAddress(FULL, 6), "-s", "1400");
        assertEquals(await bed.transfer(TESTED, FULL, file.path, 6, 5201), file.sha256);
        assertEquals(await bed.transfer(FULL, TESTED, file.path, 6, 5202), file.sha256);
        await assertNoFaults(bed, tested);
      } finally {
        await tested.stop();
      }
      assertEquals((await tested.status).code, 0);
    });
  }
  await assertNoFaults(bed, full);
});

Deno.test("frames take every engine's way as well (mode tap)", async (t) => {
  await using bed = await Bed.create({ mode: "tap" });
  const file = await bed.randomFile(BYTES);
  const full = await bed.start(1);
  for (const engine of ["auto", "batch,-vnet,-gso,-gro", "batch,lanes=2", "datagram"]) {
    await t.step(`--engine ${engine}`, async () => {
      const config = ["-c", `${bed.dir}/tunnet.yaml`];
      const tested = await bed.start(0, [...config, "--engine", engine]);
      try {
        checkLine(engineLine(tested), engine);
        await bed.reachable(0, 1, 5_000);
        await bed.ping(1, 0, "-s", "4000");
        const arrived = await Promise.all([
          bed.transfer(0, 1, file.path),
          bed.transfer(1, 0, file.path, 4, 5002),
        ]);
        assertEquals(arrived, [file.sha256, file.sha256]);
        await assertNoFaults(bed, tested);
      } finally {
        await tested.stop();
      }
    });
  }
  await assertNoFaults(bed, full);
});

/** Runs a program whose recvmmsg(2) fails as if the kernel did not have it. */
const WITHOUT_RECVMMSG = [
  ...["strace", "-D", "-f", "-qq", "--seccomp-bpf", "-o", "/dev/null"],
  ...["-e", "trace=recvmmsg", "-e", "inject=recvmmsg:error=ENOSYS"],
];

Deno.test("where the lanes' system calls do not work, auto takes Deno's way, and batch says so", async () => {
  await using bed = await Bed.create();
  const config = ["-c", `${bed.dir}/tunnet.yaml`];
  const refused = bed.launch(0, [...config, "--engine", "batch"], WITHOUT_RECVMMSG);
  assertEquals((await refused.status).code, 1);
  assertStringIncludes(
    refused.log,
    "tunnet: error: the engine batch does not work here (recvmmsg: ENOSYS); try: --engine auto",
  );
  const a = bed.launch(0, config, WITHOUT_RECVMMSG);
  await Promise.all([a.ready(), bed.start(1)]);
  assertStringIncludes(engineLine(a), "engine datagram");
  await bed.ping(0, 1);
  await bed.ping(1, 0, "-s", "4000");
});
