/** `--trace` and `--pcap` on running nodes, judged by tshark and tcpdump. */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import { tsharkRows } from "../inspect/decode/tshark.ts";
import { ipv4 } from "../fakes/packets.ts";
import { type CapturedPacket, readCapture } from "../inspect/pcap/reader.ts";
import { Bed, until, Words } from "./harness.ts";
import { giveKeys, keyedArgs } from "./keyed.ts";

const lines = (text: string) => text.split("\n").filter((line) => line !== "");

/** Starts tunnet on node i with its standard output in a file. */
async function traced(bed: Bed, i: number, ...args: string[]) {
  const file = `${bed.dir}/trace${i}`;
  Deno.writeTextFileSync(file, "");
  const wrap = ["sh", "-c", `exec "$@" >${file}`, "sh"];
  const process = bed.launch(i, ["-c", `${bed.dir}/tunnet.yaml`, ...args], wrap);
  await process.ready();
  const said = () => lines(Deno.readTextFileSync(file));
  return { process, said };
}

Deno.test("trace: one ping's four steps across two nodes", async () => {
  await using bed = await Bed.create();
  const [a, b] = await Promise.all([
    traced(bed, 0, "--trace", "172.2.0.0/16,icmp"),
    traced(bed, 1, "--trace=icmp"),
  ]);
  await bed.inPod(0, ..."ping -n -c 1 -W 2 172.2.0.2".split(" "));
  const objects = (text: readonly string[]) => text.map((line) => JSON.parse(line));
  await until("four steps", 5_000, () => a.said().length >= 2 && b.said().length >= 2);
  // --json of the harness makes objects of the lines as well.
  const steps = [...objects(a.said()), ...objects(b.said())].map((one) =>
    `${one.device} ${one.direction} type ${one.layers[1].type} ${one.layers[0].source} > ` +
    `${one.layers[0].destination} ${one.to ? `to ${one.to}` : `from ${one.from}`} ${one.endpoint}`
  );
  const [atA, atB] = [`${bed.node(0).address}:3009`, `${bed.node(1).address}:3009`];
  assertEquals(steps, [
    `tunnet0 in type 8 172.1.0.2 > 172.2.0.2 to node-b ${atB}`,
    `tunnet0 out type 0 172.2.0.2 > 172.1.0.2 from node-b ${atB}`,
    `tunnet0 out type 8 172.1.0.2 > 172.2.0.2 from node-a ${atA}`,
    `tunnet0 in type 0 172.2.0.2 > 172.1.0.2 to node-a ${atA}`,
  ]);
});

Deno.test("trace: lines for people, with a spoofed packet's reason, a missing route and a filter", async () => {
  await using bed = await Bed.create({ nodes: 4, configured: 3 });
  const config = `${bed.dir}/tunnet.yaml`;
  const file = `${bed.dir}/lines`;
  const log = `${bed.dir}/log`;
  const run = async (...args: string[]) => {
    const script = `exec "$@" >${file} 2>${log}`;
    const words = [
      "sh",
      "-c",
      script,
      "sh",
      ...bed.command,
      ...bed.peerWords,
      "-c",
      config,
      ...args,
    ];
    for (const name of [file, log]) Deno.writeTextFileSync(name, "");
    const child = bed.spawn(bed.node(0).namespace, words);
    await until("node a is ready", 20_000, () => /ready/.test(Deno.readTextFileSync(log)));
    return {
      said: () => lines(Deno.readTextFileSync(file)),
      end: async () => {
        child.kill("SIGTERM");
        assertEquals((await child.status).code, 0, Deno.readTextFileSync(log));
      },
    };
  };
  await bed.start(1);
  const forged = ipv4("172.2.0.9", "172.1.0.2", [0, 7, 0, 9, 0, 8, 0, 0]);
  const all = await run("--trace");
  await bed.reachable(0, 1, 5_000);
  await bed.send(2, [forged]);
  await bed.send(3, [forged]);
  await bed.inPod(0, ..."ping -n -c 1 -W 1 172.9.0.1".split(" "));
  const find = (pattern: RegExp) => all.said().find((line) => pattern.test(line));
  await until("all is traced", 5_000, () => find(/answer of tunnet/) !== undefined);
  await all.end();
  const time = /^\d\d:\d\d:\d\d\.\d{3} /.source;
  const request = "tunnet0 in 84 B IPv4 hdrlen 20 total 84 ttl 63 ICMP echo request id \\d+ seq 1 ";
  assertMatch(
    find(/-> node-b/)!,
    new RegExp(
      `${time}${request}172\\.1\\.0\\.2 > 172\\.2\\.0\\.2 -> node-b 192\\.168\\.0\\.7:3009$`,
    ),
  );
  assertMatch(
    find(/<- node-b/)!,
    new RegExp(`${time}tunnet0 out 84 B .* 172\\.2\\.0\\.2 > 172\\.1\\.0\\.2 <- node-b$`),
  );
  assertMatch(
    find(/spoofed_source/)!,
    new RegExp(
      `${time}udp in 28 B .* UDP len 0 172\\.2\\.0\\.9:7 > 172\\.1\\.0\\.2:9 ` +
        "<- node-c dropped: spoofed_source$",
    ),
  );
  assertMatch(find(/unknown_peer/)!, / > 172\.1\.0\.2:9 dropped: unknown_peer$/);
  assertMatch(
    find(/172\.9\.0\.1 dropped/)!,
    /echo request .* 172\.1\.0\.2 > 172\.9\.0\.1 dropped: no_route$/,
  );
  assertMatch(
    find(/answer of tunnet/)!,
    /tunnet0 out 112 B .*\(network unreachable\) about ICMP 172\.1\.0\.2 > 172\.9\.0\.1 172\.1\.0\.0 > 172\.1\.0\.2 answer of tunnet$/,
  );

  const some = await run("--trace", "node-c,dropped");
  await bed.reachable(0, 1, 5_000);
  await bed.send(2, [forged, ipv4("172.3.0.2", "172.1.0.2")]);
  await until("the drop is traced", 5_000, () => some.said().length > 0);
  await some.end();
  assertEquals(some.said().length, 1);
  assertMatch(some.said()[0]!, /<- node-c dropped: spoofed_source$/);
});

Deno.test("trace: frames in mode tap, with their ARP, to each peer", async () => {
  await using bed = await Bed.create({ mode: "tap" });
  const [a] = await Promise.all([traced(bed, 0, "--trace", "arp"), bed.start(1)]);
  await bed.reachable(0, 1, 5_000);
  const asked = () =>
    a.said().map((line) => JSON.parse(line)).find(({ to, layers }) =>
      to === "node-b" && layers[1].kind === "arp" && layers[1].target === bed.podAddress(1)
    );
  await until("who-has of pod 1 is traced", 5_000, () => asked() !== undefined);
  const [frame, arp] = asked().layers;
  assertEquals([frame.kind, frame.etherType, arp.operation], ["ethernet", 0x806, 1]);
});

Deno.test("trace: a filter that means nothing is bad usage", async () => {
  await using bed = await Bed.create();
  const words = [
    ...bed.command,
    ...bed.peerWords,
    "-c",
    `${bed.dir}/tunnet.yaml`,
    "--trace",
    "icpm",
  ];
  const { code, stderr } = await bed.onNode(0, ...words);
  assertEquals(code, 2);
  assertMatch(
    stderr,
    /^tunnet: error: --trace: "icpm" is no filter \(did you mean "icmp"\?\); try:/m,
  );
});

Deno.test("trace: a reader that has stopped reading holds up neither packets nor Ctrl-C", async () => {
  await using bed = await Bed.create();
  const fifo = `${bed.dir}/fifo`;
  const script = `mkfifo ${fifo}; sleep 60 <${fifo} & echo $! >${fifo}.pid; exec "$@" >${fifo}`;
  const config = ["-c", `${bed.dir}/tunnet.yaml`, "--trace"];
  const a = bed.launch(0, config, ["sh", "-c", script, "sh"]);
  await Promise.all([a.ready(), bed.start(1)]);
  await bed.reachable(0, 1, 5_000);
  const { path, sha256 } = await bed.randomFile(30_000_000);
  assertEquals(await bed.transfer(0, 1, path), sha256);
  await bed.ping(0, 1);
  const started_ms = performance.now();
  await a.stop();
  assert(performance.now() - started_ms < 5_000, "it ends, whatever the reader does");
  assertEquals((await a.status).code, 0);
  assertMatch(a.log, /"event":"trace_lost","message":"left out: \d+/);
  Deno.kill(Number(Deno.readTextFileSync(`${fifo}.pid`)), "SIGKILL");
});

const hex = (bytes: Uint8Array) =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** Fails unless both hold the same packets, in whatever order; names the first few that differ. */
function assertSamePackets(got: readonly CapturedPacket[], want: readonly CapturedPacket[]): void {
  const count = (packets: readonly CapturedPacket[]) => {
    const counts = new Map<string, number>();
    for (const { bytes } of packets) counts.set(hex(bytes), (counts.get(hex(bytes)) ?? 0) + 1);
    return counts;
  };
  const [ours, theirs] = [count(got), count(want)];
  const different = [...new Set([...ours.keys(), ...theirs.keys()])]
    .filter((packet) => ours.get(packet) !== theirs.get(packet))
    .map((packet) =>
      `${ours.get(packet) ?? 0} for ${theirs.get(packet) ?? 0} of ${packet.slice(0, 160)}`
    );
  const total = `${different.length} differ of ${got.length} here and ${want.length} there`;
  assertEquals([...different.slice(0, 3), ...different.slice(-3)], [], total);
}

const isTcp = ({ bytes }: CapturedPacket) => bytes[0]! >> 4 === 4 ? bytes[9] === 6 : bytes[6] === 6;
const payload = (packets: readonly CapturedPacket[], source: string) =>
  packets.filter((one) => isTcp(one) && hex(one.bytes.subarray(12, 16)) === source)
    .reduce((sum, { bytes, length_bytes }) => sum + length_bytes - 20 - (bytes[32]! >> 4) * 4, 0);

for (
  const [name, engine] of [
    ["with every offload", "batch"],
    ["packet by packet", "batch,-vnet"],
    ["by the datagram engine", "datagram"],
  ] as const
) {
  Deno.test(`pcap: a node's capture holds what crossed its device, ${name}`, async () => {
    await using bed = await Bed.create({ ipv6: true });
    const file = `${bed.dir}/node.pcapng`;
    const args = ["-c", `${bed.dir}/tunnet.yaml`, "--pcap", file, "--engine", engine];
    const [a] = await Promise.all([bed.start(0, args), bed.start(1)]);
    const theirs = await bed.capture(bed.node(0).namespace, "tunnet0");
    await bed.ping(0, 1);
    await bed.ping(1, 0, bed.podAddress(0, 6));
    await bed.ping(0, 1, "-s", "4000");
    const { path, sha256 } = await bed.randomFile(3_000_000);
    assertEquals(await bed.transfer(0, 1, path), sha256);
    assertEquals(await bed.transfer(1, 0, path, 4, 5002), sha256);
    await bed.inPod(0, "bash", "-c", `echo hello >/dev/udp/${bed.podAddress(1)}/9`);
    await bed.inPod(0, ..."ping -n -c 1 -W 1 172.9.0.1".split(" "));
    // The last packet is the answer to that; then both have seen everything.
    const complete = () => {
      const { packets } = readCapture(Deno.readFileSync(theirs.file));
      // From the node's own address, 172.1.0.0: destination unreachable.
      return packets.some(({ bytes }) =>
        hex(bytes.subarray(12, 16)) === "ac010000" && bytes[9] === 1 && bytes[20] === 3
      );
    };
    await until("tcpdump has seen the last packet", 10_000, complete);
    await theirs.stop();
    await a.stop();
    assertEquals((await a.status).code, 0);

    const expected = readCapture(Deno.readFileSync(theirs.file)).packets;
    const ours = readCapture(Deno.readFileSync(file));
    assertEquals(ours.interfaces.map(({ name }) => name), ["tunnet0", "udp"]);
    assertEquals(ours.interfaces.map(({ dropped }) => dropped), [0n, 0n]);
    // tcpdump came a little later: what the kernel says by itself at the start is not compared.
    const first = expected.findIndex(({ bytes }) => bytes[9] === 1);
    const start = hex(expected[first]!.bytes);
    const from = ours.packets.findIndex(({ bytes }) => hex(bytes) === start);
    assert(from >= 0, "the first ping is there");
    // What the kernel says to groups of IPv6 on any link goes to no peer, and is not looked at.
    const unicast = ({ bytes }: CapturedPacket) => bytes[0]! >> 4 !== 6 || bytes[24] !== 0xff;
    const got = ours.packets.slice(from).filter(unicast);
    const want = expected.slice(first).filter(unicast);
    if (engine === "batch") {
      // tcpdump sees super-packets, and checksums that are still to be completed.
      const plain = (packets: readonly CapturedPacket[]) =>
        packets.filter(({ bytes }) => bytes[0]! >> 4 === 4 ? bytes[9] === 1 : bytes[6] === 58);
      assertSamePackets(plain(got), plain(want));
      for (const source of ["ac010002", "ac020002"]) {
        assertEquals(payload(got, source), payload(want, source), source);
      }
    } else assertSamePackets(got, want);

    // tshark finds no fault with the file, nor with any checksum in it.
    const rows = await tsharkRows(file);
    assertEquals(rows.length, ours.packets.length);
    const comments = new Set(rows.map((row) => row.text("frame.comment")));
    for (const comment of ["-> node-b 192.168.0.7:3009", "<- node-b", "dropped: no_route"]) {
      assert(comments.has(comment), `${comment} in ${[...comments].join()}`);
    }
    const wrong = await tsharkRows(
      file,
      // What an ICMP error quotes is as partial as the kernel had it.
      "!(icmp.type == 3) && (tcp.checksum.status == 0 || udp.checksum.status == 0 || " +
        "ip.checksum.status == 0 || icmp.checksum.status == 0 || icmpv6.checksum.status == 0)",
      ["tcp.check_checksum:TRUE", "udp.check_checksum:TRUE", "ip.check_checksum:TRUE"],
    );
    assertEquals(wrong.length, 0);
  });
}

/** Starts a command of the node i that goes on until it is ended; what it prints is gathered. */
function ask(bed: Bed, i: number, ...args: string[]) {
  const child = bed.spawn(bed.node(i).namespace, [...bed.command, ...args]);
  return { child, out: new Words(child.stdout), said: new Words(child.stderr) };
}

Deno.test("trace: attaches to running nodes, ends as it should, and the kernel path comes back", async () => {
  await using bed = await Bed.create();
  const yaml = `${Deno.readTextFileSync(`${bed.dir}/tunnet.yaml`)}
http: 9310
http_hosts: ["*.lan"]
http_trace: true
log: debug
`;
  Deno.writeTextFileSync(`${bed.dir}/served.yaml`, yaml, { mode: 0o644 });
  const [a, b] = await Promise.all([bed.start(0), bed.start(1, ["-c", `${bed.dir}/served.yaml`])]);
  await bed.reachable(0, 1, 10_000);
  const kernelPath = async () => {
    const { stdout } = await bed.onNode(0, ...bed.command, "status", "--json");
    return JSON.parse(stdout).engine.features.includes("kernel");
  };
  assert(await kernelPath(), "there is a kernel path to take away");
  const filter = "172.2.0.0/16,icmp";
  const one = ask(bed, 0, "trace", filter, "--json");
  const ping = () => bed.inPod(0, ..."ping -n -c 1 -W 2 172.2.0.2".split(" "));
  await until("the kernel path waits", 10_000, async () => !await kernelPath());
  await until("it is traced", 10_000, async () => {
    await ping();
    return one.out.text.includes("\n");
  });
  const first = JSON.parse(one.out.text.split("\n")[0]!);
  assertEquals([first.to ?? first.from, first.protocol, first.text], ["node-b", "ICMP", undefined]);

  // A second one beside it, which ends by itself, and a capture.
  const two = ask(bed, 0, "trace", "node-b", "--count", "2");
  const file = `${bed.dir}/live.pcapng`;
  const captured = ask(bed, 0, "pcap", "icmp", "-w", file, "-c", "2");
  await until("all have seen two", 10_000, async () => {
    await ping();
    return /2 packets/.test(two.said.text) && /2 packets/.test(captured.said.text);
  });
  assertEquals([(await two.child.status).code, (await captured.child.status).code], [0, 0]);
  assertMatch(await two.said.all, /^tunnet: 2 packets shown, 0 left out\n$/);
  assertMatch(
    await two.out.all,
    /^\d\d:\d\d:\d\d\.\d{3} tunnet0 .*-> node-b 192\.168\.0\.7:3009\n/,
  );
  assertMatch(await captured.said.all, /^tunnet: 2 packets captured, 0 left out\n$/);
  const packets = readCapture(Deno.readFileSync(file)).packets;
  assertEquals(packets.length, 2);
  assertEquals((await tsharkRows(file)).map((row) => row.text("icmp.type")), ["8", "0"]);

  const wrong = await bed.onNode(0, ...bed.command, "trace", "icpm");
  assertEquals([wrong.code, wrong.stdout], [2, ""]);
  assertMatch(wrong.stderr, /"icpm" is no filter \(did you mean "icmp"\?\)/);

  // Ctrl-C: the capture is whole, and its counts are told.
  const cut = ask(bed, 0, "pcap", "-w", file);
  await until("it is captured", 10_000, async () => {
    await ping();
    return Deno.statSync(file).size > 1000;
  });
  cut.child.kill("SIGINT");
  assertEquals((await cut.child.status).code, 0);
  const [, counted] = /^tunnet: (\d+) packets captured, 0 left out\n$/.exec(await cut.said.all) ??
    [];
  assertEquals((await tsharkRows(file)).length, Number(counted));

  // The same over HTTP, where the config says so, by a name of ours.
  assertMatch(b.log, /"level":"debug"/);
  const curl = (...words: string[]) =>
    bed.spawn(bed.node(1).namespace, ["curl", "-sN", "-H", "host: b.lan", ...words]);
  const page = curl("-H", "x-tunnet: 1", "http://127.0.0.1:9310/trace?filter=icmp");
  const shown = new Words(page.stdout);
  await until("it is shown", 10_000, async () => {
    await ping();
    return /"from":"node-a".*"text":/.test(shown.text);
  });
  page.kill();
  const unasked = curl("-w", "%{http_code}", "http://127.0.0.1:9310/trace");
  assertMatch(await new Words(unasked.stdout).all, /403$/);
  const events = curl("http://127.0.0.1:9310/events.json");
  assertMatch(await new Words(events.stdout).all, /"event":"ready"/);

  // Killed: nobody says goodbye.
  one.child.kill("SIGKILL");
  await one.child.status;
  await until("the kernel path is back", 10_000, kernelPath);
  await bed.reachable(0, 1, 10_000);
  const last = ask(bed, 0, "trace");
  await until("it attaches", 10_000, async () => {
    await ping();
    return last.out.text.includes("\n");
  });
  await a.stop();
  assertEquals((await last.child.status).code, 1);
  assertMatch(await last.said.all, /the node has ended/);
  for (const { out, said } of [one, two, captured, cut, last]) {
    await Promise.all([out.all, said.all]);
  }
});

Deno.test("trace: who attaches and reads no more misses packets, and holds up nobody", async () => {
  await using bed = await Bed.create();
  await Promise.all([bed.start(0), bed.start(1)]);
  await bed.reachable(0, 1, 10_000);
  const watching = [ask(bed, 0, "trace", "--json"), ask(bed, 0, "pcap")];
  for (const { out } of watching) {
    await until("it attaches", 10_000, async () => {
      await bed.inPod(0, ..."ping -n -c 1 -W 2 172.2.0.2".split(" "));
      return out.text.length > 500;
    });
  }
  const file = await bed.randomFile(60_000_000);
  for (const { child } of watching) child.kill("SIGSTOP");
  assertEquals(await bed.transfer(0, 1, file.path), file.sha256);
  for (const { child } of watching) child.kill("SIGCONT");
  for (const { child, said, out } of watching) {
    await said.heard("some are left out");
    child.kill("SIGINT");
    assertEquals((await child.status).code, 0);
    assertMatch(await said.all, /^tunnet: \d+ packets \w+, [1-9]\d* left out$/m);
    await out.all;
  }
});

Deno.test("trace: of nodes with keys, the packets inside", async () => {
  await using bed = await Bed.create();
  giveKeys(bed);
  await Promise.all([0, 1].map((i) => bed.start(i, keyedArgs(bed, i))));
  await bed.reachable(0, 1, 10_000);
  const { stdout } = await bed.onNode(0, ...bed.command, "status", "--json");
  assertEquals(JSON.parse(stdout).peers[0].transport, "sealed");
  const { child, out, said } = ask(bed, 0, "trace", "icmp", "--json", "-c", "2");
  await until("two are traced", 10_000, async () => {
    await bed.inPod(0, ..."ping -n -c 1 -W 2 172.2.0.2".split(" "));
    return /2 packets/.test(said.text);
  });
  assertEquals((await child.status).code, 0);
  const shown = lines(await out.all).map((line) => JSON.parse(line));
  assertEquals(
    shown.map((one) => `${one.layers[1].type} ${one.to ?? "-"} ${one.from ?? "-"}`),
    ["8 node-b -", "0 - node-b"],
  );
  await said.all;
});
