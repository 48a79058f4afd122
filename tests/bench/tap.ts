/**
 * What mode tap carries from pod to pod, side by side with others that carry
 * Ethernet frames: `deno run -A tests/bench/tap.ts [ROUNDS [SECONDS [NAME]]]`, as root,
 * on a quiet machine. All in namespaces; every way once per round, medians. Of
 * Debian's packages it takes iperf3, iputils-ping, and vtun and n2n where they are.
 */

import { Bed, until } from "../e2e/harness.ts";

/** MTU of the pods, the same for all: kernel VXLAN's over 1500 bytes, and n2n's where it runs. */
const MTU_BYTES = 1450;
const N2N_MTU_BYTES = 1363;

interface Way {
  readonly name: string;
  /** The program that has to be there. */
  readonly program?: string;
  readonly mtu_bytes?: number;
  /** Joins the two nodes' bridges. */
  readonly start: (bed: Bed) => Promise<void>;
}

async function onNode(bed: Bed, node: number, line: string): Promise<void> {
  const { code, stderr } = await bed.onNode(node, ...line.split(" "));
  if (code !== 0) throw new Error(`${line}: ${stderr}`);
}

/** Waits for a device that another program makes, and puts it into the bridge. */
async function bridge(bed: Bed, node: number, device: string): Promise<void> {
  await until(
    `${device} on node ${node}`,
    10_000,
    async () => (await bed.onNode(node, "ip", "link", "show", device)).code === 0,
  );
  await onNode(bed, node, `ip link set ${device} mtu ${MTU_BYTES}`);
  await onNode(bed, node, `ip link set ${device} master br0 up`);
}

const WAYS: readonly Way[] = [
  {
    name: "tunnet, mode tap",
    start: async (bed) => {
      await Promise.all([bed.start(0), bed.start(1)]);
    },
  },
  {
    name: "kernel VXLAN",
    start: async (bed) => {
      for (const [node, other] of [[0, 1], [1, 0]] as const) {
        const remote = `remote ${bed.node(other).address} dstport 4789 dev eth0`;
        await onNode(bed, node, `ip link add vx0 type vxlan id 7 ${remote}`);
        await bridge(bed, node, "vx0");
      }
    },
  },
  {
    name: "vtun, ether over UDP",
    program: "vtund",
    start: async (bed) => {
      const config = `${bed.dir}/vtund.conf`;
      const session = "type ether; device tap0; proto udp; compress no; encrypt no; speed 0; " +
        "keepalive yes; persist keep; stat no;";
      Deno.writeTextFileSync(
        config,
        `options { port 5000; syslog daemon; }\nbed { passwd bed; ${session} }\n`,
      );
      // It keeps its locks in /run: one of its own, in the namespace's own mounts.
      const run = 'mount -t tmpfs none /run && mkdir -p /run/lock && exec vtund -n -P 5000 "$@"';
      const spawn = (node: number, ...args: string[]) =>
        void bed.spawn(bed.node(node).namespace, ["sh", "-c", run, "sh", ...args, "-f", config]);
      spawn(1, "-s");
      await until(
        "vtund listens",
        10_000,
        async () => (await bed.onNode(1, "ss", "-Hltn")).stdout.includes(":5000"),
      );
      const client = ["-f", config, "bed", bed.node(1).address];
      void bed.spawn(bed.node(0).namespace, ["sh", "-c", run, "sh", ...client]);
      // Its first session may end at once; the next one makes the devices again.
      await until("vtun carries frames", 30_000, async () => {
        for (const node of [0, 1]) {
          await bed.onNode(node, ...`ip link set tap0 mtu ${MTU_BYTES}`.split(" "));
          await bed.onNode(node, ..."ip link set tap0 master br0 up".split(" "));
        }
        const words = ["ping", "-q", "-c", "1", "-W", "0.3", bed.podAddress(1)];
        return (await bed.inPod(0, ...words)).code === 0;
      });
    },
  },
  {
    name: "n2n v1",
    program: "edge",
    mtu_bytes: N2N_MTU_BYTES,
    start: async (bed) => {
      void bed.spawn(bed.node(1).namespace, ["supernode", "-l", "7654"]);
      for (const node of [0, 1]) {
        const line = `edge -d n2n0 -a 10.99.0.${node + 1} -s 255.255.255.0 -c bed -k bed -r ` +
          `-l ${bed.node(1).address}:7654`;
        void bed.spawn(bed.node(node).namespace, line.split(" "));
      }
      await Promise.all([bridge(bed, 0, "n2n0"), bridge(bed, 1, "n2n0")]);
    },
  },
];

interface Figures {
  readonly tcp1_gbit: number;
  readonly tcp4_gbit: number;
  readonly udp_kpps: number;
  readonly rtt_us: number;
}

async function iperf(bed: Bed, seconds: number, ...options: string[]) {
  const words = ["iperf3", "-c", bed.podAddress(1), "-t", `${seconds}`, "-J", ...options];
  let complaint = "";
  // The server takes a moment to start, and between two tests.
  for (let i = 0; i < 40; i++) {
    const { stdout } = await bed.inPod(0, ...words);
    // With -J it ends with status 0 whatever happened.
    const { error, end } = JSON.parse(stdout);
    if (error === undefined) return end;
    complaint = error;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`iperf3: ${complaint}`);
}

async function measure(way: Way, seconds: number): Promise<Figures> {
  await using bed = await Bed.create({ mode: "tap" });
  for (const pod of [0, 1]) {
    await bed.inPod(pod, "ip", "link", "set", "eth0", "mtu", `${way.mtu_bytes ?? MTU_BYTES}`);
  }
  await way.start(bed);
  await bed.reachable(0, 1, 10_000);
  await bed.ping(0, 1, "-s", "1200");
  const { stdout } = await bed.inPod(
    0,
    "ping",
    "-q",
    "-c",
    "500",
    "-i",
    "0.002",
    bed.podAddress(1),
  );
  const rtt_us = 1000 * Number(/= [\d.]+\/([\d.]+)\//.exec(stdout)?.[1]);
  const server = ["sh", "-c", "exec iperf3 -s >/dev/null 2>&1"];
  void bed.spawn(bed.node(1).podNamespace, server);
  const tcp1 = await iperf(bed, seconds);
  const tcp4 = await iperf(bed, seconds, "-P", "4");
  const udp = await iperf(bed, seconds, "-u", "-b", "0", "-l", "64");
  const received = udp.sum.packets - udp.sum.lost_packets;
  return {
    tcp1_gbit: tcp1.sum_received.bits_per_second / 1e9,
    tcp4_gbit: tcp4.sum_received.bits_per_second / 1e9,
    udp_kpps: received / udp.sum.seconds / 1000,
    rtt_us,
  };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1]!;
}

function installed(program: string): boolean {
  const which = new Deno.Command("sh", { args: ["-c", `command -v ${program}`], stdout: "null" });
  return which.outputSync().success;
}

const rounds = Number(Deno.args[0] ?? 3);
const seconds = Number(Deno.args[1] ?? 4);
const found = new Map<string, Figures[]>();
const only = Deno.args[2];
const ways = WAYS.filter(({ name, program }) => {
  if (only !== undefined && !name.includes(only)) return false;
  const here = program === undefined || installed(program);
  if (!here) console.warn(`SKIPPED: ${name}: ${program} is not installed`);
  return here;
});
for (let round = 0; round < rounds; round++) {
  for (const way of ways) {
    try {
      const figures = await measure(way, seconds);
      found.set(way.name, [...found.get(way.name) ?? [], figures]);
      console.error(`# round ${round + 1}, ${way.name}: ${JSON.stringify(figures)}`);
    } catch (error) {
      console.warn(`SKIPPED: ${way.name}: ${error instanceof Error ? error.message : error}`);
    }
  }
}
console.log("| way | TCP 1 stream | TCP 4 | UDP 64 B | RTT |\n| --- | --- | --- | --- | --- |");
for (const [name, all] of found) {
  const of = (key: keyof Figures, digits: number) =>
    median(all.map((one) => one[key])).toFixed(digits);
  console.log(
    `| ${name} | ${of("tcp1_gbit", 2)} Gbit/s | ${of("tcp4_gbit", 2)} Gbit/s | ` +
      `${of("udp_kpps", 0)} kpps | ${of("rtt_us", 0)} us |`,
  );
}
