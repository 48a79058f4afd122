/**
 * `deno task bench floods [--minutes N]`: two honest nodes exchange TCP while a
 * outsider floods one of them with everything that the tests know: forged
 * hellos and packets in the peers' names, junk, requests to its page.
 * `deno task bench handshakes [--minutes N]`: the same between nodes with keys,
 * flooded with handshakes from forged addresses and from a real one.
 * Undisturbed and disturbed rounds take turns; in the undisturbed ones the same
 * floods go to a host without tunnet, since their senders need the same processors.
 * Fails where a bound is broken.
 */

import type { LabProcess } from "../../src/tools/lab/process.ts";
import type { Status } from "../../src/status/model/types.ts";
import { Bed } from "../e2e/harness.ts";
import { floodHandshakes, giveKeys, keyedArgs } from "../e2e/keyed.ts";
import { helloOf } from "../fakes/peers.ts";
import { ipv4 } from "../fakes/packets.ts";

/** What is left of the throughput, at least. */
const THROUGHPUT_PART = 0.8;
const GROWTH_MAX_MB = 40;
const STATUS_MAX_MS = 1_000;
const ROUND_S = 10;
/** Datagrams a second of each kind. */
const RATE = 2_000;
/** The outsider, and a host without tunnet. */
const OUTSIDER = 3;
const SINK = 4;

const pause = (delay_ms: number) => new Promise<void>((resolve) => setTimeout(resolve, delay_ms));

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
}

const rss_mb = ({ pid }: LabProcess): number =>
  Number(/VmRSS:\s+(\d+)/.exec(Deno.readTextFileSync(`/proc/${pid}/status`))![1]) / 1024;

async function throughput_Gbps(bed: Bed): Promise<number> {
  const { end } = await bed.iperf3Server(1);
  const words = ["iperf3", "-J", "-t", `${ROUND_S - 1}`, "-c", bed.podAddress(1)];
  const { stdout } = await bed.inPod(0, ...words);
  await end;
  return JSON.parse(stdout).end.sum_received.bits_per_second / 1e9;
}

/** What is flooded, and with what. */
export interface Scene {
  /** Starts the nodes, the first one with its page. */
  readonly start: (bed: Bed) => Promise<readonly LabProcess[]>;
  /** All floods at once against node `to`; how many datagrams that was. */
  readonly flood: (bed: Bed, to: number) => Promise<number>;
}

const PAGE = ["--http", "127.0.0.1:9309"];

/** Nodes without keys. */
export const PLAIN: Scene = {
  start: (bed) => {
    const config = ["-c", `${bed.dir}/tunnet.yaml`];
    return Promise.all([bed.start(0, [...config, ...PAGE]), bed.start(1), bed.start(2)]);
  },
  flood: floodPlain,
};

/** Initiations a second, half of them from a real address. */
const HANDSHAKE_RATE = 10_000;

let publicKey = "";

/** Nodes with keys. */
export const KEYED: Scene = {
  start: (bed) => {
    publicKey = giveKeys(bed)[0]!.publicKey;
    const args = (i: number) => keyedArgs(bed, i, ...(i === 0 ? PAGE : []));
    return Promise.all([0, 1, 2].map((i) => bed.start(i, args(i))));
  },
  flood: (bed, to) =>
    floodHandshakes(bed, {
      ...{ from: OUTSIDER, as: 1, to, publicKey, rate: HANDSHAKE_RATE, seconds: ROUND_S },
    }).then(({ sent }) => sent),
};

async function floodPlain(bed: Bed, to: number): Promise<number> {
  const { namespace } = bed.node(OUTSIDER);
  const at = { rate: RATE, seconds: ROUND_S };
  const hellos = ["tun", "tap"].flatMap((mode) =>
    [0, 1].map((capabilities) => helloOf({ mode: mode as "tun", capabilities, echoToken: 1n }))
  );
  const packets = [ipv4("172.9.9.9", "172.1.0.2"), ipv4("172.2.0.2", "172.1.0.2")];
  const junk = [Uint8Array.of(0xf1), Uint8Array.of(0), new Uint8Array(1400).fill(0x45)];
  const requests = `for i in $(seq ${ROUND_S * 20}); do
    curl -s -o /dev/null -m 1 http://127.0.0.1:9309/status.json; sleep 0.05; done`;
  const page = bed.spawn(bed.node(to).namespace, ["sh", "-c", requests]);
  const sent = await Promise.all([
    bed.forge(namespace, 1, hellos, at, to),
    bed.forge(namespace, 2, [...hellos, ...packets], at, to),
    bed.forge(namespace, OUTSIDER, junk, at, to),
  ]);
  page.kill("SIGTERM");
  await page.output();
  return sent.reduce((sum, one) => sum + one);
}

/** Runs it. True if every bound held. */
export async function floods(minutes: number, { start, flood }: Scene): Promise<boolean> {
  await using bed = await Bed.create({ nodes: 5, configured: 3 });
  const [a] = await start(bed);
  await bed.ping(0, 1);
  // By a small program: one that takes a core to start is a flood of its own.
  const statusOf = async (): Promise<Status> => {
    const { stdout } = await bed.onNode(0, "curl", "-s", "http://127.0.0.1:9309/status.json");
    return JSON.parse(stdout);
  };
  const quiet: number[] = [];
  const disturbed: number[] = [];
  const answers_ms: number[] = [];
  let down = 0;
  let sent = 0;
  /** One round of each: what was carried, and how many hostile datagrams came. */
  const round = async (to: number) => {
    let flooding = true;
    const watch = async () => {
      while (flooding) {
        const asked_ms = performance.now();
        const { peers } = await statusOf();
        if (to !== SINK) answers_ms.push(performance.now() - asked_ms);
        down += peers.filter(({ state }) => state !== "up").length;
        await pause(1_000);
      }
    };
    const watching = watch();
    const [rate, count] = await Promise.all([throughput_Gbps(bed), flood(bed, to)]);
    flooding = false;
    await watching;
    return { rate, count };
  };
  // What the first floods make the compiler and the collector need is no leak.
  let before_mb = 0;
  const start_ms = performance.now();
  while (performance.now() - start_ms < minutes * 60_000) {
    quiet.push((await round(SINK)).rate);
    const { rate, count } = await round(0);
    disturbed.push(rate);
    before_mb ||= rss_mb(a!);
    sent += count;
  }
  const after_mb = rss_mb(a!);
  const { inbound } = await statusOf();
  const dropped = Object.values(inbound.drops).reduce((sum, count) => sum + (count ?? 0), 0);

  let good = true;
  const line = (name: string, value: string, ok: boolean) => {
    good &&= ok;
    console.log(`${ok ? "ok  " : "FAIL"} ${name.padEnd(48)} ${value}`);
  };
  const ratio = median(disturbed) / median(quiet);
  console.log(`${minutes} min, ${quiet.length} rounds of each, ${sent} hostile datagrams`);
  const rates = `${median(quiet).toFixed(2)} and ${median(disturbed).toFixed(2)} Gbit/s`;
  line(
    "throughput, floods elsewhere and here",
    `${rates}: ${ratio.toFixed(2)}`,
    ratio >= THROUGHPUT_PART,
  );
  line(
    "memory after the first round, at the end",
    `${before_mb.toFixed(1)} and ${after_mb.toFixed(1)} MB`,
    after_mb - before_mb <= GROWTH_MAX_MB,
  );
  const slow_ms = answers_ms.toSorted((x, y) => x - y)[Math.floor(answers_ms.length * 0.95)] ?? 0;
  line("status answered within, 95 of 100", `${slow_ms.toFixed(0)} ms`, slow_ms <= STATUS_MAX_MS);
  line("peers that were not up at a look", `${down}`, down === 0);
  line("dropped under a name, of what was sent", `${dropped} of ${sent}`, dropped > 0.9 * sent);
  console.log(`     ${JSON.stringify(inbound.drops)}`);
  return good;
}
