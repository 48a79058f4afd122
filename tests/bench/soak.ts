/**
 * `deno task bench soak [--minutes N]`: two nodes under full load both ways, in
 * namespaces. Every byte is checked by SHA-256 at the receiver's end; memory and
 * descriptors of both nodes are compared with those of the first minute, and the
 * traffic is watched for stalls. Fails where a bound is broken.
 * `deno task bench sessions [--minutes N]`: the same between nodes with keys, through a new session
 * every few seconds.
 */

import { Bed } from "../e2e/harness.ts";
import { giveKeys, keyedArgs } from "../e2e/keyed.ts";
import type { LabProcess } from "../../src/tools/lab/process.ts";

/** Growth of resident memory between the first minute and the end that is still no leak. */
const GROWTH_MAX_MB = 10;
const STALL_MAX_MS = 1_000;
/** Ten minutes have to carry as much. */
const TEN_MINUTES_BYTES = 10_000_000_000;
/** One transfer; transfers follow each other until the time is over. */
const FILE_BYTES = 500_000_000;
/** Transfers at a time in each direction: while one ends, another carries on. */
const STREAMS = 2;
const SAMPLE_MS = 200;
/** A window counts as a stall when it carries less than this part of the median one. */
const STALL_PART = 0.01;
const MARK_MS = 60_000;

const pause = (delay_ms: number) => new Promise<void>((resolve) => setTimeout(resolve, delay_ms));

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
}

/** Memory and descriptors of a node, the median of a few looks (a collection comes at any time). */
async function look(node: LabProcess): Promise<{ rss_mb: number; descriptors: number }> {
  const looks: { rss_mb: number; descriptors: number }[] = [];
  for (let i = 0; i < 5; i++) {
    const status = Deno.readTextFileSync(`/proc/${node.pid}/status`);
    looks.push({
      rss_mb: Number(/VmRSS:\s+(\d+)/.exec(status)![1]) / 1024,
      descriptors: [...Deno.readDirSync(`/proc/${node.pid}/fd`)].length,
    });
    await pause(500);
  }
  return {
    rss_mb: median(looks.map(({ rss_mb }) => rss_mb)),
    descriptors: median(looks.map(({ descriptors }) => descriptors)),
  };
}

/** Prints time (s) and bytes received through the device, until it is ended. */
const SAMPLER = `while read -r rx </sys/class/net/tunnet0/statistics/rx_bytes; do
  echo "$EPOCHREALTIME $rx"; sleep ${SAMPLE_MS / 1000}; done`;

/** The longest time in which next to nothing arrived, in milliseconds. */
function longestStall(samples: string): number {
  const points = samples.trim().split("\n").map((line) => line.split(" ").map(Number));
  const windows = points.slice(1).map(([end, bytes], i) => {
    const [start, before] = points[i]!;
    return { time_ms: (end! - start!) * 1000, rate: (bytes! - before!) / (end! - start!) };
  });
  const little = STALL_PART * median(windows.map(({ rate }) => rate));
  let longest_ms = 0;
  let current_ms = 0;
  for (const { time_ms, rate } of windows) {
    current_ms = rate < little ? current_ms + time_ms : 0;
    longest_ms = Math.max(longest_ms, current_ms);
  }
  return longest_ms;
}

/** How often sessions are replaced, in seconds. */
const REKEY_S = 5;
const HTTP = "127.0.0.1:9309";

/** The session that node 0 sends by: how old it is; undefined: there is none. */
async function sessionAge_s(bed: Bed): Promise<number | undefined> {
  const { stdout } = await bed.onNode(0, "curl", "-s", `http://${HTTP}/status.json`);
  return JSON.parse(stdout).peers[0].session_age_seconds ?? undefined;
}

/** Runs it, between nodes with keys where that is asked for. True if every bound held. */
export async function soak(minutes: number, keyed: boolean): Promise<boolean> {
  await using bed = await Bed.create();
  if (keyed) giveKeys(bed);
  const start = (i: number) =>
    keyed
      ? bed.start(i, keyedArgs(bed, i, "--rekey-after", `${REKEY_S}s`, "--http", HTTP))
      : bed.start(i);
  const nodes = await Promise.all([start(0), start(1)]);
  await bed.ping(0, 1);
  const { path, sha256 } = await bed.randomFile(FILE_BYTES);

  const duration_ms = minutes * 60_000;
  const start_ms = performance.now();
  const elapsed_ms = () => performance.now() - start_ms;
  const carried = [0, 0];
  let wrong = 0;
  const load = async (from: number, stream: number) => {
    const port = 5001 + 2 * stream + from;
    // The first transfers start apart, so that they do not end together.
    await pause(stream * 1_000);
    while (elapsed_ms() < duration_ms) {
      const arrived = await bed.transfer(from, 1 - from, path, 4, port);
      if (arrived !== sha256) wrong++;
      carried[from]! += FILE_BYTES;
    }
  };
  let sessions = 0;
  const count = async () => {
    for (let last_s = Infinity; elapsed_ms() < duration_ms;) {
      const age_s = await sessionAge_s(bed);
      if (age_s !== undefined && age_s < last_s) sessions++;
      last_s = age_s ?? Infinity;
      await pause(1_000);
    }
  };
  const counting = keyed ? count() : undefined;
  const samplers = [0, 1].map((i) => bed.spawn(bed.node(i).namespace, ["bash", "-c", SAMPLER]));
  const sampled = samplers.map((sampler) => sampler.output());
  const streams = [0, 1].flatMap((from) =>
    Array.from({ length: STREAMS }, (_, stream) => load(from, stream))
  );
  const loads = Promise.all(streams);
  // A load that fails ends the whole at once; it is awaited below.
  loads.catch(() => {});

  const mark_ms = Math.min(MARK_MS, duration_ms / 2);
  const untilThen = (time_ms: number) => Promise.race([loads, pause(time_ms - elapsed_ms())]);
  await untilThen(mark_ms);
  const first = await Promise.all(nodes.map(look));
  await untilThen(duration_ms);
  for (const sampler of samplers) sampler.kill("SIGTERM");
  const last = await Promise.all(nodes.map(look));
  await loads;
  await counting;
  const stalls_ms = (await Promise.all(sampled)).map(({ stdout }) =>
    longestStall(new TextDecoder().decode(stdout))
  );

  const total = carried[0]! + carried[1]!;
  let good = true;
  const line = (name: string, value: string, ok: boolean) => {
    good &&= ok;
    console.log(`${ok ? "ok  " : "FAIL"} ${name.padEnd(44)} ${value}`);
  };
  const rate = (total * 8 / elapsed_ms() / 1e6).toFixed(2);
  console.log(`${minutes} min of TCP both ways, ${STREAMS} streams each: ${rate} Gbit/s in sum`);
  const enough = minutes < 10 || total >= TEN_MINUTES_BYTES;
  line("carried, a to b and b to a", carried.map((n) => `${n / 1e9} GB`).join(", "), enough);
  line("transfers with a wrong SHA-256", `${wrong}`, wrong === 0);
  if (keyed) {
    const wanted = Math.floor(duration_ms / 1_000 / REKEY_S / 2);
    line("sessions, one after the other", `${sessions}`, sessions >= wanted);
    for (const node of nodes) {
      const { inbound } = await bed.counters(node);
      const { bad_tag, replayed, no_session, packets } = inbound;
      const lost =
        `no_session ${no_session} of ${packets}, bad_tag ${bad_tag}, replayed ${replayed}`;
      line(`${node.name}: dropped`, lost, bad_tag === 0 && replayed === 0);
    }
  }
  nodes.forEach(({ name }, i) => {
    const [before, after] = [first[i]!, last[i]!];
    const mb = `${before.rss_mb.toFixed(1)} MB -> ${after.rss_mb.toFixed(1)} MB`;
    const seconds = `${(mark_ms / 1000).toFixed(0)} s`;
    const grown_mb = after.rss_mb - before.rss_mb;
    line(`${name}: memory after ${seconds}, at the end`, mb, grown_mb <= GROWTH_MAX_MB);
    const descriptors = `${before.descriptors} -> ${after.descriptors}`;
    line(`${name}: descriptors`, descriptors, after.descriptors <= before.descriptors);
    const stall = `${stalls_ms[i]!.toFixed(0)} ms`;
    line(`${name}: longest time without traffic`, stall, stalls_ms[i]! <= STALL_MAX_MS);
  });
  return good;
}
