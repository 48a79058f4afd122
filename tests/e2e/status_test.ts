import { assert, assertEquals, assertMatch, assertStringIncludes } from "../assert.ts";
import { parseMetrics, valueOf } from "../status/format/prometheus.ts";
import type { LabProcess } from "../../src/tools/lab/process.ts";
import { type PeerStatus, type Status, STATUS_FORMAT } from "../../src/status/model/types.ts";
import { Bed, type Ran, until, Words } from "./harness.ts";

/** The bound that the status must keep. */
const TRUTH_MS = 15_000;
/** How long a loaded machine may take to show it. */
const PATIENCE_MS = 90_000;

/** `tunnet status ...` in the namespace of node i. */
const runStatus = (bed: Bed, i: number, ...args: string[]): Promise<Ran> =>
  bed.onNode(i, ...bed.command, "status", ...args);

/** A status in the format of this version. */
function parseStatus(text: string): Status {
  const status = JSON.parse(text);
  assertEquals(status.format, STATUS_FORMAT);
  return status;
}

async function statusOf(bed: Bed, i: number): Promise<Status> {
  const { code, stdout, stderr } = await runStatus(bed, i, "--json");
  assertEquals([code, stderr], [0, ""]);
  return parseStatus(stdout);
}

/** Path of a node's status socket, as its ready line tells. */
function socketOf({ log }: LabProcess): string {
  const ready = log.split("\n").find((line) => line.includes('"event":"ready"'))!;
  return JSON.parse(ready).status_socket;
}

/** What a node answers on its socket. */
async function get(node: LabProcess, path: string): Promise<string> {
  using client = Deno.createHttpClient({ proxy: { transport: "unix", path: socketOf(node) } });
  const response = await fetch(`http://localhost${path}`, { client });
  assertEquals(response.status, 200);
  return await response.text();
}

/** `tunnet status --watch --json` of node 0, read line by line. */
class Watch implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #reading: Promise<void>;
  readonly seen: Status[] = [];

  constructor(bed: Bed) {
    this.#child = bed.spawn(bed.node(0).namespace, [
      ...bed.command,
      ...["status", "--watch", "--json"],
    ]);
    this.#reading = this.#read();
  }

  /** Waits until the status says so of the first peer; it must not take longer than TRUTH_MS. */
  async truth(
    what: string,
    since_ms: number,
    holds: (peer: PeerStatus, status: Status) => boolean,
  ): Promise<PeerStatus> {
    let found: Status | undefined;
    await until(what, PATIENCE_MS, () => {
      found = this.seen.find((one) =>
        Date.parse(one.time) >= since_ms && holds(one.peers[0]!, one)
      );
      return found !== undefined;
    });
    const took_ms = Date.parse(found!.time) - since_ms;
    assert(took_ms < TRUTH_MS, `${what}: after ${took_ms} ms`);
    return found!.peers[0]!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGTERM");
    await this.#reading;
    const { code } = await this.#child.status;
    assertEquals(code, 0);
    await this.#child.stderr.cancel();
  }

  async #read(): Promise<void> {
    let text = "";
    for await (const chunk of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (text + chunk).split("\n");
      text = lines.pop()!;
      this.seen.push(...lines.map(parseStatus));
    }
  }
}

Deno.test("status: the truth about a peer within 15 s", async (t) => {
  await using bed = await Bed.create();
  bed.helloInterval = "5s";
  const [, b] = await Promise.all([bed.start(0), bed.start(1)]);
  await using watch = new Watch(bed);
  const state = (wanted: string) => (peer: PeerStatus) => peer.state === wanted;

  await t.step("up, with what it says of itself", async () => {
    const peer = await watch.truth(
      "up",
      Date.now(),
      (one) => one.state === "up" && one.rtt_ms !== null,
    );
    assertEquals([peer.name, peer.mode, peer.protocol], ["node-b", "tun", 1]);
    assertEquals([peer.address, peer.port, peer.why], [bed.node(1).address, 3009, null]);
    assertMatch(peer.version ?? "", /^\d+\.\d+\.\d+/);
    assertEquals(peer.mtu_bytes, 1472);
    assert(peer.rtt_ms! >= 0 && peer.loss! < 1);
  });
  let restarted: LabProcess;
  await t.step("killed", async () => {
    Deno.kill(b.pid, "SIGKILL");
    await b.status;
    const peer = await watch.truth("killed", Date.now(), (one) => one.state !== "up");
    assert(peer.state === "silent" || peer.state === "down", peer.state);
    assert(peer.why !== null);
    await watch.truth(
      "and why",
      Date.now(),
      ({ state, why }) =>
        state === "down" && why === `nothing listens on UDP port 3009 of ${bed.node(1).address}`,
    );
  });
  await t.step("started again, over the socket that it had left", async () => {
    const now_ms = Date.now();
    restarted = await bed.start(1);
    assertEquals(socketOf(restarted), socketOf(b));
    await watch.truth("started again", now_ms, state("up"));
  });
  await t.step("stopped", async () => {
    const now_ms = Date.now();
    await restarted.stop();
    const peer = await watch.truth("stopped", now_ms, state("down"));
    assertMatch(peer.why ?? "", /it was stopped/);
  });
  await t.step("started with another address than the config says", async () => {
    const { address } = bed.node(1);
    const other = address.replace(/\.\d+$/, ".99");
    await bed.onNode(1, ..."ip addr add".split(" "), `${other}/32`, "dev", "eth0");
    const now_ms = Date.now();
    const moved = await bed.start(1, [
      "-c",
      `${bed.dir}/tunnet.yaml`,
      "--node",
      "node-b",
      "--listen",
      other,
    ]);
    await watch.truth("not up", now_ms, (one) => one.state !== "up");
    await moved.stop();
    const { inbound } = await statusOf(bed, 0);
    assertEquals(inbound.drops.unknown_peer! > 0, true, "its hellos are dropped, and counted");
  });
  await t.step("started where the config says, once more", async () => {
    const now_ms = Date.now();
    await bed.start(1);
    await watch.truth("back", now_ms, state("up"));
  });
});

/** IPv4, and TCP with timestamps; a SYN has more options. */
const HEADERS_BYTES = 52;
const SYN_MORE_BYTES = 8;
const TCP_BYTES = 50_000_000;

/** Segments that the kernel of pod 0 has sent again (RFC 1213, tcpRetransSegs). */
async function resentSegments(bed: Bed): Promise<number> {
  const [names, values] = (await bed.inPod(0, "grep", "^Tcp:", "/proc/net/snmp")).stdout
    .split("\n").map((line) => line.split(" "));
  return Number(values![names!.indexOf("RetransSegs")]);
}

/** The kernel's own counters of node i's device: out is what the kernel gave us. */
async function deviceCounters(bed: Bed, i: number) {
  const names = ["tx_packets", "tx_bytes", "rx_packets", "rx_bytes"];
  const files = names.map((name) => `/sys/class/net/tunnet0/statistics/${name}`);
  const { stdout } = await bed.onNode(i, "cat", ...files);
  const [txPackets, txBytes, rxPackets, rxBytes] = stdout.trim().split("\n").map(Number);
  return {
    outbound: { packets: txPackets!, bytes: txBytes! },
    inbound: { packets: rxPackets!, bytes: rxBytes! },
  };
}

/** Our counters and the device's at once, without traffic; ours as of a sample that is taken now. */
async function countersOf(bed: Bed, i: number, node: LabProcess) {
  await bed.counters(node);
  const [status, device] = await Promise.all([statusOf(bed, i), deviceCounters(bed, i)]);
  return { status, device };
}

/** Pings of 1,000 bytes from pod 0 to pod 1, none of which may be lost. */
async function pings(bed: Bed, count: number): Promise<void> {
  const words = ["ping", "-n", "-q", "-c", `${count}`, "-i", "0.002", "-s", "1000", "-W", "5"];
  const { stdout, stderr } = await bed.inPod(0, ...words, bed.podAddress(1));
  assertMatch(stdout, / 0% packet loss/, stderr);
}

const WAYS = ["outbound", "inbound"] as const;

/** Tries the counters of nodes whose packets go by the lanes alone, or by the kernel path as well. */
async function countersAreTrue(t: Deno.TestContext, engine: "batch" | "auto"): Promise<void> {
  await using bed = await Bed.create();
  // What the kernel path carries, the kernel does not count for the device.
  const devices = engine === "batch";
  for (const i of [0, 1]) {
    // No neighbour discovery and the like on the devices: only what the test sends.
    await bed.onNode(i, "sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1");
  }
  const args = ["-c", `${bed.dir}/tunnet.yaml`, "--engine", engine];
  const nodes = await Promise.all([bed.start(0, args), bed.start(1, args)]);
  await bed.reachable(0, 1, 10_000);

  await t.step("pings: to the packet and to the byte, on both nodes", async () => {
    const before = await Promise.all(nodes.map((node, i) => countersOf(bed, i, node)));
    await pings(bed, 100);
    const after = await Promise.all(nodes.map((node, i) => countersOf(bed, i, node)));
    const expected = { packets: 100, bytes: 100 * (20 + 8 + 1000) };
    for (const i of [0, 1]) {
      for (const way of WAYS) {
        const ours = (one: { status: Status }) => one.status[way];
        const peer = (one: { status: Status }) => one.status.peers[0]![way];
        const device = (one: typeof before[0]) => one.device[way];
        for (const of of devices ? [ours, peer, device] : [ours, peer]) {
          const [from, to] = [of(before[i]!), of(after[i]!)];
          const got = { packets: to.packets - from.packets, bytes: to.bytes - from.bytes };
          assertEquals(got, expected, `node ${i}, ${way}, ${of.name}`);
        }
      }
    }
  });

  await t.step("TCP: the payload, to the byte", async () => {
    const { path, sha256 } = await bed.randomFile(TCP_BYTES);
    const before = await Promise.all(nodes.map((node, i) => countersOf(bed, i, node)));
    const resentBefore = await resentSegments(bed);
    assertEquals(await bed.transfer(0, 1, path), sha256);
    const resent = await resentSegments(bed) - resentBefore;
    const after = await Promise.all(nodes.map((node, i) => countersOf(bed, i, node)));

    // A device counts super-packets, we count the packets that they become: the
    // same payload under more headers, all of one length but for the first ones.
    const payload = (one: { packets: number; bytes: number }) =>
      one.bytes - HEADERS_BYTES * one.packets;
    const moved = (i: number, of: (one: typeof before[0]) => { packets: number; bytes: number }) =>
      payload(of(after[i]!)) - payload(of(before[i]!));
    for (const i of [0, 1]) {
      for (const way of WAYS) {
        const ours = moved(i, ({ status }) => status[way]);
        if (devices) {
          const theirs = moved(i, ({ device }) => device[way]);
          assertEquals(ours, theirs, `node ${i}, ${way}: the device`);
        }
        assertEquals(ours, moved(i, ({ status }) => status.peers[0]![way]), `node ${i}: the peer`);
      }
    }
    const sent = moved(0, ({ status }) => status.outbound);
    assertEquals(
      sent,
      moved(1, ({ status }) => status.inbound),
      "what one sent the other received",
    );
    // Every byte of the file, the longer header of each SYN, and what TCP says it sent again.
    const beside = sent - TCP_BYTES - SYN_MORE_BYTES;
    assert(
      beside >= 0 && beside <= resent * 1472,
      `${sent} B counted of ${TCP_BYTES} B, ${resent} segments sent again`,
    );
  });

  await t.step("/metrics parses, and says the same as /status.json", async () => {
    for (const node of nodes) {
      const status = parseStatus(await get(node, "/status.json"));
      const series = parseMetrics(await get(node, "/metrics"));
      for (const direction of WAYS) {
        for (const unit of ["packets", "bytes"] as const) {
          const name = `${unit}_total`;
          assertEquals(valueOf(series, `tunnet_${name}`, { direction }), status[direction][unit]);
          const peer = status.peers[0]!;
          const labels = { direction, peer: peer.name };
          assertEquals(valueOf(series, `tunnet_peer_${name}`, labels), peer[direction][unit]);
        }
      }
      const { name: peer } = status.peers[0]!;
      assertEquals(valueOf(series, "tunnet_peer_up", { peer }), 1);
      const transport = devices ? "lanes" : "kernel";
      assertEquals(valueOf(series, "tunnet_peer_transport", { peer, transport }), 1);
      assertEquals(valueOf(series, "tunnet_peer_path_mtu_bytes", { peer }), 1472);
      for (const name of ["cpu_seconds_total", "resident_memory_bytes", "max_fds"]) {
        assert(valueOf(series, `process_${name}`, {})! > 0, name);
      }
    }
  });

  await t.step("/metrics tells of a config that was not taken over", async () => {
    const file = `${bed.dir}/tunnet.yaml`;
    const config = Deno.readTextFileSync(file);
    const reloaded = async (yaml: string) => {
      Deno.writeTextFileSync(file, yaml);
      const { code } = await bed.onNode(0, ...bed.command, "reload");
      const series = parseMetrics(await get(nodes[0]!, "/metrics"));
      return [code, valueOf(series, "tunnet_config_last_reload_successful", {})];
    };
    assertEquals(await reloaded("nodes: 7\n"), [2, 0]);
    assertEquals(await reloaded(config), [0, 1]);
  });
}

Deno.test("status: counters equal the devices' and TCP's", (t) => countersAreTrue(t, "batch"));

Deno.test("status: counters equal TCP's on the kernel path", (t) => countersAreTrue(t, "auto"));

Deno.test("status: the table, once and watched, on a terminal and not", async (t) => {
  await using bed = await Bed.create();
  const [a] = await Promise.all([bed.start(0), bed.start(1)]);
  await bed.reachable(0, 1, 10_000);

  await t.step("once", async () => {
    const { code, stdout, stderr } = await runStatus(bed, 0);
    assertEquals([code, stderr], [0, ""]);
    assertMatch(stdout, /^node-a: up .*\ndevice {4}tunnet0, tun, MTU 1472\n/);
    assertMatch(stdout, /^PEER +STATE +SINCE +RTT /m);
    assertMatch(stdout, /^node-b +(up|plain) /m);
    assert(!stdout.includes("\x1b"));
  });
  await t.step("in the namespace of a node only", async () => {
    const { code, stdout, stderr } = await bed.inPod(0, ...bed.command, "status");
    assertEquals([code, stdout], [1, ""]);
    assertMatch(stderr, /^tunnet: error: no node runs here \(.*\); try: [^\n]+\n$/);
  });
  await t.step("by its socket, from anywhere", async () => {
    const { code, stdout } = await bed.inPod(0, ...bed.command, "status", "--socket", socketOf(a));
    assertEquals(code, 0);
    assertMatch(stdout, /^node-a: up /);
  });
  await t.step("by its device", async () => {
    assertEquals((await runStatus(bed, 0, "--device", "tunnet0")).code, 0);
    const { code, stderr } = await runStatus(bed, 0, "--device", "tunnet9");
    assertEquals(code, 1);
    assertMatch(stderr, /^tunnet: error: no node runs here \(none with the device tunnet9;/);
  });
  /** Output of `status --watch` once it has shown the state three times and what is waited for. */
  const watched = async (words: readonly string[], wanted = /node-a/) => {
    const states = (text: string) => text.split("node-a").length;
    const child = bed.spawn(bed.node(0).namespace, words);
    let text = "";
    for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      if (states(text) > 4 && wanted.test(text) || states(text) > 30) {
        Deno.kill(child.pid, "SIGINT");
        break;
      }
    }
    await child.stderr.cancel();
    await child.status;
    return text;
  };
  await t.step("watched by a program: blocks without escapes", async () => {
    const text = await watched([...bed.command, "status", "--watch"]);
    assert(!text.includes("\x1b"));
    assertStringIncludes(text, "TRAFFIC");
  });
  await t.step("watched on a terminal: drawn over, with colours and a sparkline", async () => {
    let over = false;
    const ping = ["ping", "-n", "-q", "-c", "20", "-i", "0.002", bed.podAddress(1)];
    // Nothing is asked of it but that it is there: on a busy host a reply may come late.
    const traffic = async () => {
      for (let i = 0; !over && i < 10_000; i++) await bed.inPod(0, ...ping);
    };
    // script(1) is the terminal; it passes the interrupt on.
    const command = ["env", "-u", "NO_COLOR", ...bed.command, "status", "--watch"].join(" ");
    const words = ["script", "-qec", `stty cols 150 rows 40; ${command}`, "/dev/null"];
    const watching = watched(words, /[▁-█]/).finally(() => over = true);
    const [text] = await Promise.all([watching, traffic()]);
    assertStringIncludes(text, "\x1b[?25l");
    assertStringIncludes(text, "\x1b[H");
    assertStringIncludes(text, "\x1b[32mup\x1b[0m");
    assertMatch(text, /[▁-█]/);
  });
  await t.step("watched at 80 columns: whole, until q is pressed", async () => {
    const command = [...bed.command, "status", "--watch"].join(" ");
    const words = ["script", "-qec", `stty cols 80 rows 24; ${command}; stty -a`, "/dev/null"];
    const child = bed.spawn(bed.node(0).namespace, words, "piped");
    const out = new Words(child.stdout);
    await out.heard("TRAFFIC");
    const keys = child.stdin.getWriter();
    await keys.write(new TextEncoder().encode("q"));
    const text = await out.all;
    await keys.close();
    assertEquals((await child.status).code, 0);
    const plain = text.replaceAll("\x1b", "^").replaceAll(/\^\[\d+m/g, "");
    assertMatch(plain, /PEER +STATE +SINCE +RTT +LOSS +OUT +IN +TRAFFIC\^\[K/);
    // As it was found: lines are edited, and shown as they are typed.
    assertMatch(text, / icanon .* echo /s);
    await child.stderr.cancel();
  });
  await t.step("no node any more", async () => {
    await a.stop();
    assertEquals((await a.status).code, 0);
    const { code, stderr } = await runStatus(bed, 0);
    assertEquals(code, 1);
    assertMatch(stderr, /^tunnet: error: no node runs here \([^\n]*\); try: [^\n]+\n$/);
  });
});

Deno.test("status: a socket of one's own, and one that is taken", async () => {
  await using bed = await Bed.create();
  const path = `${bed.dir}/own.sock`;
  const own = ["-c", `${bed.dir}/tunnet.yaml`, "--status-socket", path];
  const a = await bed.start(0, own);
  assertEquals(socketOf(a), path);
  assertEquals(Deno.statSync(path).mode! & 0o777, 0o600);
  assertEquals((await runStatus(bed, 1, "--socket", path)).code, 0);

  const before = await bed.state(1);
  const second = bed.launch(1, own);
  assertEquals((await second.status).code, 1);
  assertMatch(
    second.log.trim().split("\n").pop()!,
    /^tunnet: error: cannot open the status socket .*own\.sock \(another node serves it\); try: /,
  );
  assertEquals(await bed.state(1), before, "it took back what it had made");
  await a.stop();
  assert(![...Deno.readDirSync(bed.dir)].some(({ name }) => name === "own.sock"));
});
