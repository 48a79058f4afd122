/** `tunnet dump` on real devices, judged by tshark and tcpdump. */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import { bytesOf } from "../inspect/decode/packets.ts";
import { comparable, expectedText, tsharkRows } from "../inspect/decode/tshark.ts";
import { type CapturedPacket, readCapture } from "../inspect/pcap/reader.ts";
import { Bed, type Ran, until } from "./harness.ts";

/** A running dump. */
interface Dump {
  readonly child: Deno.ChildProcess;
  readonly out: () => string;
  readonly err: () => string;
  /** Ctrl-C, and what came of it. */
  readonly end: (signal?: Deno.Signal) => Promise<number>;
}

/** Starts a dump on node 0, and waits until it reads. */
async function startDump(bed: Bed, args: readonly string[], reader = 'exec "$@" >"$out"') {
  const name = `${bed.dir}/dump${crypto.randomUUID()}`;
  const script = `out=${name}.out; exec 2>${name}.err; ${reader}`;
  const words = ["sh", "-c", script, "sh", ...bed.command, "dump", ...args];
  for (const file of [`${name}.out`, `${name}.err`]) Deno.writeTextFileSync(file, "");
  const child = bed.spawn(bed.node(0).namespace, words);
  const err = () => Deno.readTextFileSync(`${name}.err`);
  await until(`dump reads: ${args.join(" ")}`, 30_000, () => /reading/.test(err()));
  const dump: Dump = {
    child,
    out: () => Deno.readTextFileSync(`${name}.out`),
    err,
    end: async (signal = "SIGINT") => {
      child.kill(signal);
      return (await child.status).code;
    },
  };
  return dump;
}

const lines = (text: string) => text.split("\n").filter((line) => line !== "");

/** A listener's own chatter: it comes whenever the kernel feels like it. */
const CHATTER = /router solicitation|multicast listener|IGMP| :: > /;

const hex = ({ bytes }: CapturedPacket) =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** The same by bytes: router solicitations, multicast listener reports, IGMP, and sources of ::. */
function isChatter({ bytes }: CapturedPacket): boolean {
  const ip = bytes[0]! >> 4 === 6 || bytes[0]! === 0x45 || bytes[0] === 0x46 ? 0 : 14;
  if (bytes[ip]! >> 4 === 4) return bytes[ip + 9] === 2;
  if (bytes[ip]! >> 4 !== 6) return false;
  if (bytes.subarray(ip + 8, ip + 24).every((byte) => byte === 0)) return true;
  const next = bytes[ip + 6] === 0 ? ip + 48 : ip + 40;
  return bytes[ip + 6] === 0 && bytes[ip + 40] === 58 && bytes[next] === 143 ||
    bytes[ip + 6] === 58 && (bytes[next] === 133 || bytes[next] === 143);
}

/** Traffic to neighbours that are not there: requests are all that a dump ever sees. */
async function traffic(bed: Bed, v4: string, v6: string): Promise<void> {
  const commands = [
    `ping -n -c 3 -i 0.05 -W 0.1 ${v4}`,
    `ping -n -c 1 -W 0.1 -s 4000 ${v4}`,
    `ping -n -c 1 -W 0.1 -s 1400 -t 9 ${v4}`,
    `ping -n -c 2 -i 0.05 -W 0.1 ${v6}`,
    `ping -n -c 1 -W 0.1 -s 4000 ${v6}`,
    `curl -s -m 0.3 http://${v4}:8080/`,
    `curl -s -m 0.3 http://[${v6}]:8080/`,
    `bash -c echo\0hello>/dev/udp/${v4}/5353`,
    `bash -c echo\0hello>/dev/udp/${v6}/5353`,
  ];
  for (const command of commands) {
    await bed.onNode(0, ...command.split(" ").map((word) => word.replace("\0", " ")));
  }
}

async function countOf(file: string): Promise<number> {
  const bytes = await Deno.readFile(file);
  return bytes.length < 24 ? 0 : readCapture(bytes).packets.filter((one) => !isChatter(one)).length;
}

/** Every line agrees with tshark, and the capture with tcpdump's on the same device. */
async function compare(
  dump: Dump,
  files: { pcap: string; tcpdump: string; stop: () => Promise<void> },
  least: number,
): Promise<readonly string[]> {
  await until("tcpdump and dump have seen the same", 10_000, async () => {
    const seen = lines(dump.out()).filter((line) => !CHATTER.test(line)).length;
    return seen >= least && await countOf(files.tcpdump) === seen;
  });
  // The device goes with the dump.
  await files.stop();
  assertEquals(await dump.end(), 0, dump.err());
  const said = lines(dump.out());
  const rows = await tsharkRows(files.pcap);
  assertEquals(said.map(comparable), rows.map(expectedText));
  const ours = readCapture(Deno.readFileSync(files.pcap));
  const theirs = readCapture(Deno.readFileSync(files.tcpdump));
  const packets = (all: readonly CapturedPacket[]) => all.filter((one) => !isChatter(one)).map(hex);
  assertEquals(packets(ours.packets), packets(theirs.packets));
  assertEquals(ours.interfaces[0]!.received, BigInt(said.length));
  assertEquals(ours.interfaces[0]!.dropped, 0n);
  const bytes = ours.packets.reduce((sum, { length_bytes }) => sum + length_bytes, 0);
  const total = `${said.length} packets, ${bytes.toLocaleString("en-US")} B: `;
  assert(dump.err().includes(total), `${total} in ${dump.err()}`);
  return said;
}

Deno.test("dump: a TUN device under ping, curl, IPv6 and fragments agrees with tshark", async () => {
  await using bed = await Bed.create();
  const before = await bed.state(0);
  const pcap = `${bed.dir}/dump.pcapng`;
  const dump = await startDump(bed, [
    ...["tun0", "--address", "192.168.1.10/24", "--address", "fd09::10/64", "--pcap", pcap],
  ]);
  const { file, stop } = await bed.capture(bed.node(0).namespace, "tun0");
  await traffic(bed, "192.168.1.12", "fd09::12");
  const said = await compare(dump, { pcap, tcpdump: file, stop }, 16);
  assertEquals(await bed.state(0), before);
  // The line of the issue, to the letter.
  assertMatch(
    said.find((line) => line.includes("echo request"))!,
    /^\d\d:\d\d:\d\d\.\d{3} tun0 in 84 B IPv4 hdrlen 20 total 84 ttl 64 ICMP echo request id \d+ seq 1 192\.168\.1\.10 > 192\.168\.1\.12$/,
  );
  for (const word of ["fragment id", "[SYN] seq", "UDP len 6", "ICMPv6 echo request", "ttl 9"]) {
    assert(said.some((line) => line.includes(word)), word);
  }
  assert(!said.some((line) => line.includes("[checksum")), "the kernel's checksums are right");
});

const MACS = "ffffffffffff 020000000001";

/** One tag with a priority, and a service tag before another. */
const TAGGED = [
  `${MACS} 8100 600a 0806 0001080006040001 020000000001 0a000001 000000000000 0a000002`,
  `${MACS} 88a8 0014 8100 001e 0800 4500001c 00000000 4001hhhh 0a010001 0a010002 0800iiii00070001`,
];

Deno.test("dump: a TAP device under ARP, VLANs, neighbour discovery and IP agrees with tshark", async () => {
  await using bed = await Bed.create();
  const before = await bed.state(0);
  const pcap = `${bed.dir}/dump.pcapng`;
  const dump = await startDump(bed, [
    ...["tap0", "--mode", "tap", "--address=192.168.2.10/24", "--address=fd08::10/64"],
    ...["--pcap", pcap],
  ]);
  const { file, stop } = await bed.capture(bed.node(0).namespace, "tap0");
  const ip = (words: string) => bed.onNode(0, "ip", ...words.split(" "));
  // Nobody answers: who-has and neighbour solicitations, then nothing.
  await bed.onNode(0, ..."ping -n -c 1 -W 1 192.168.2.12".split(" "));
  await bed.onNode(0, ..."ping -n -c 1 -W 1 fd08::12".split(" "));
  await ip("neigh replace 192.168.2.13 lladdr 02:00:00:00:00:13 dev tap0");
  await ip("neigh replace fd08::13 lladdr 02:00:00:00:00:13 dev tap0");
  await traffic(bed, "192.168.2.13", "fd08::13");
  // Frames as a VLAN device would make them (not every kernel has those).
  for (const frame of TAGGED) {
    Deno.writeFileSync(`${bed.dir}/frame`, bytesOf(frame));
    const { code, stderr } = await bed.onNode(
      0,
      "socat",
      "-u",
      `${bed.dir}/frame`,
      "INTERFACE:tap0",
    );
    assertEquals(code, 0, stderr);
  }
  const said = await compare(dump, { pcap, tcpdump: file, stop }, 21);
  assertEquals(await bed.state(0), before);
  const expected = [
    "ARP who-has 192.168.2.12 tell 192.168.2.10",
    "ICMPv6 neighbor solicitation who-has fd08::12 from",
    "vlan 10 prio 3 ARP who-has 10.0.0.2 tell 10.0.0.1",
    "vlan 20 vlan 30 IPv4 hdrlen 20 total 28 ttl 64 ICMP echo request id 7 seq 1",
  ];
  for (const text of expected) assert(said.some((line) => line.includes(text)), text);
});

Deno.test("dump: --json says the same, --count ends it, a present device stays as it was", async () => {
  await using bed = await Bed.create();
  await bed.onNode(0, ..."ip tuntap add dev tun7 mode tun".split(" "));
  await bed.onNode(0, ..."ip addr add 192.168.7.1/24 dev tun7".split(" "));
  const before = await bed.state(0);
  const dump = await startDump(bed, ["tun7", "--json", "--count", "4"]);
  await bed.onNode(0, ..."ping -n -c 5 -i 0.05 -W 0.1 192.168.7.2".split(" "));
  assertEquals((await dump.child.status).code, 0);
  const packets = lines(dump.out()).map((line) => JSON.parse(line));
  assertEquals(packets.length, 4);
  const echo = packets.find(({ protocol }) => protocol === "ICMP");
  assert(Math.abs(Date.parse(echo.time) - Date.now()) < 60_000);
  assertEquals(
    { ...echo, time: "", layers: echo.layers.map(({ kind }: { kind: string }) => kind) },
    {
      time: "",
      device: "tun7",
      direction: "in",
      length_bytes: 84,
      protocol: "ICMP",
      layers: ["ipv4", "icmp"],
      notes: [],
    },
  );
  const summary = JSON.parse(lines(dump.err()).pop()!);
  assertEquals([summary.event, summary.packets], ["summary", 4]);
  assertEquals(await bed.state(0), before);
});

Deno.test("dump: --pcap - is a stream that tshark reads", async () => {
  await using bed = await Bed.create();
  const reader = '("$@" | tshark -l -n -r - >"$out"); exit 0';
  const args = ["tun0", "--address", "192.168.1.10/24", "--pcap", "-", "--count", "3"];
  const dump = await startDump(bed, args, reader);
  await bed.onNode(0, ..."ping -n -c 5 -i 0.05 -W 0.1 192.168.1.12".split(" "));
  await dump.child.status;
  assertEquals(lines(dump.out()).length, 3);
  assertMatch(dump.out(), /192\.168\.1\.10 → 192\.168\.1\.12 ICMP 84 Echo \(ping\) request/);
});

Deno.test("dump: a reader that has stopped reading never blocks the device", async () => {
  await using bed = await Bed.create();
  // The reader takes nothing until the dump has ended.
  const fifo = `${bed.dir}/fifo`;
  const reader = `mkfifo ${fifo}; sleep 60 <${fifo} & echo $! >${fifo}.pid; exec "$@" >${fifo}`;
  const dump = await startDump(bed, ["tun0", "--json", "--address=192.168.1.10/24"], reader);
  const datagrams = 60_000;
  const flood = `head -c ${
    1024 * datagrams
  } /dev/zero | socat -u -b 1024 STDIN UDP4-SENDTO:192.168.1.12:9`;
  await bed.onNode(0, "timeout", "60", "sh", "-c", flood);
  const statistic = async (name: string) =>
    Number((await bed.onNode(0, "cat", `/sys/class/net/tun0/statistics/${name}`)).stdout);
  let refused = 0;
  await until("the device is read to its end", 30_000, async () => {
    refused = await statistic("tx_dropped");
    return await statistic("tx_packets") + refused >= datagrams;
  });
  const started_ms = performance.now();
  assertEquals(await dump.end(), 0, dump.err());
  assert(performance.now() - started_ms < 10_000, "it ends, whatever the reader does");
  Deno.kill(Number(Deno.readTextFileSync(`${fifo}.pid`)), "SIGKILL");
  const events = lines(dump.err()).map((line) => JSON.parse(line));
  const { packets, protocols, dropped } = events.find(({ event }) => event === "summary");
  // What the kernel took was read, all of it; what it refused, it counts itself.
  const missing = datagrams - protocols.UDP - refused;
  assert(missing <= 0 && missing >= -5, `${missing} missing, ${refused} refused: ${dump.err()}`);
  assert(dropped.lines > 0 && dropped.lines < packets, dump.err());
  const warning = events.find(({ event }) => event === "dropped");
  assertEquals(warning.message, `${dropped.lines} lines were dropped: the reader is too slow`);
});

Deno.test("dump: a reader that goes away ends it quietly", async () => {
  await using bed = await Bed.create();
  const before = await bed.state(0);
  const reader = '"$@" | head -n 1 >"$out"; exit 0';
  const dump = await startDump(bed, ["tun0", "--address", "192.168.1.10/24"], reader);
  const ping = bed.spawn(
    bed.node(0).namespace,
    "ping -q -n -c 100 -i 0.05 -W 0.1 192.168.1.12".split(" "),
  );
  await dump.child.status;
  ping.kill("SIGKILL");
  assertEquals(lines(dump.out()).length, 1);
  assert(!dump.err().includes("error"), dump.err());
  assertEquals(await bed.state(0), before);
});

Deno.test("dump: an obstacle is said in one line", async (t) => {
  await using bed = await Bed.create();
  const run = (...args: string[]): Promise<Ran> => bed.onNode(0, ...bed.command, "dump", ...args);
  await bed.onNode(0, ..."ip tuntap add dev tap3 mode tap".split(" "));
  const cases: readonly (readonly [string, readonly string[], RegExp, number])[] = [
    [
      "the other kind",
      ["tap3", "--mode", "tun"],
      /^tunnet: error: cannot use the device tap3 \(.*not a tun/,
      1,
    ],
    ["no tun device", ["br0"], /^tunnet: error: cannot use the device br0 \(.*not a tun/, 1],
    [
      "a capture nowhere",
      ["tun0", "--pcap", "/nonexistent/x"],
      /^tunnet: error: cannot write the capture \/nonexistent\/x/,
      1,
    ],
    ["no device named", [], /^tunnet: error: dump needs a device/, 2],
  ];
  for (const [name, args, expected, status] of cases) {
    await t.step(name, async () => {
      const { code, stderr, stdout } = await run(...args);
      assertMatch(stderr, expected);
      assertEquals([code, stdout, lines(stderr).length], [status, "", 1]);
    });
  }
  await t.step("a present tap device is known as one", async () => {
    const dump = await startDump(bed, ["tap3"]);
    assertMatch(dump.err(), /reading tap3 \(tap\); Ctrl-C ends it$/m);
    assertEquals(await dump.end(), 0);
  });
  await t.step("the device is removed", async () => {
    const dump = await startDump(bed, ["tun0"]);
    await bed.onNode(0, ..."ip link del tun0".split(" "));
    assertEquals((await dump.child.status).code, 1);
    assertMatch(dump.err(), /^tunnet: error: the device tun0 was removed$/m);
  });
});
