/**
 * Nodes and pods in real network namespaces, and the program as a user starts
 * it: $TUNNET_EXE (with an empty environment, from an empty directory) or else
 * main.ts. What is missing on the host fails the tests; `.ci/run` installs it.
 */

import { assert, assertEquals, fail } from "../assert.ts";
import { parseConfig } from "../../src/config/parse.ts";
import { runProgram } from "../../src/base/run_program.ts";
import { Lab } from "../../src/tools/lab/lab.ts";
import { LabProcess } from "../../src/tools/lab/process.ts";
import {
  type LabNode,
  type LabPlan,
  type LabShape,
  labYaml,
  planLab,
} from "../../src/tools/lab/topology.ts";
import { picture } from "./picture.ts";

/** Path of a file of the checkout. */
export function repoPath(path: string): string {
  return new URL(`../../${path}`, import.meta.url).pathname;
}

/**
 * The words that start tunnet; `dir` is an empty directory, `env` holds NAME=VALUE words. `source`
 * passes over the executable.
 */
export function tunnetCommand(
  dir: string,
  env: readonly string[] = [],
  source = false,
): readonly string[] {
  const executable = source ? undefined : Deno.env.get("TUNNET_EXE");
  return executable
    ? ["env", "-i", "-C", dir, ...env, executable]
    : ["env", ...env, Deno.execPath(), "run", "-A", "--no-prompt", repoPath("main.ts")];
}

/** What a command printed, and how it ended. */
export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Counters of both directions, as the program logs them. */
export type Counters = Record<"outbound" | "inbound", Record<string, number>>;

/** Polls until `ready` holds; fails with `what` after the bound, as it is then. */
export async function until(
  what: string | (() => string),
  timeout_ms: number,
  ready: () => boolean | Promise<boolean>,
): Promise<void> {
  const deadline_ms = performance.now() + timeout_ms;
  while (!await ready()) {
    if (performance.now() > deadline_ms) {
      fail(`${typeof what === "string" ? what : what()}: not within ${timeout_ms} ms`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Runs `body` while processes are stopped. */
export async function stopped(
  processes: readonly LabProcess[],
  body: () => Promise<void>,
): Promise<void> {
  for (const { pid } of processes) Deno.kill(pid, "SIGSTOP");
  try {
    await body();
  } finally {
    for (const { pid } of processes) Deno.kill(pid, "SIGCONT");
  }
}

/** What a program prints on one of its outputs, gathered while it runs. */
export class Words {
  #text = "";
  #heard = () => {};
  /** All of it, once the program has closed the output. */
  readonly all: Promise<string>;

  constructor(output: ReadableStream<Uint8Array>) {
    this.all = this.#gather(output);
  }

  /** What was printed up to now. */
  get text(): string {
    return this.#text;
  }

  /** Resolves when `words` are printed after the first `from` characters; fails if they never are. */
  async heard(words: string, from = 0): Promise<void> {
    let ended = false;
    this.all.then(() => {
      ended = true;
      this.#heard();
    });
    while (!this.#text.includes(words, from)) {
      assert(!ended, `${words}: not printed, but ${this.#text}`);
      await new Promise<void>((resolve) => this.#heard = resolve);
    }
  }

  async #gather(output: ReadableStream<Uint8Array>): Promise<string> {
    for await (const chunk of output.pipeThrough(new TextDecoderStream())) {
      this.#text += chunk;
      this.#heard();
    }
    return this.#text;
  }
}

/** How long a node may take until it is ready, on a host that others use as well. */
const READY_TIMEOUT_MS = 15_000;

/** A test bed: a lab's namespaces without any tunnet yet. Always removed at the end. */
export class Bed implements AsyncDisposable {
  readonly #processes: LabProcess[] = [];
  readonly #children: Deno.ChildProcess[] = [];
  readonly #namespaces: string[] = [];
  /** A tenth of the default, so that what follows from it takes a tenth of the time. */
  helloInterval = "500ms";

  private constructor(
    readonly lab: Lab,
    readonly dir: string,
    readonly yaml: string,
    readonly source: boolean,
  ) {}

  get plan(): LabPlan {
    return this.lab.plan;
  }

  /**
   * Builds the namespaces; tunnet.yaml describes the first `configured` nodes (default: all).
   * `bare` leaves out bridges and pods; `source` starts nodes from source.
   */
  static async create(
    shape: Partial<LabShape> & { configured?: number; bare?: boolean; source?: boolean } = {},
  ): Promise<Bed> {
    const full = { nodes: 2, ipv6: false, underlay6: false, ...shape };
    // Test files may run beside each other in one process.
    const id = `e${crypto.randomUUID().slice(0, 8)}`;
    const { config } = parseConfig(labYaml(full), "lab");
    const plan = planLab(config, id, shape.bare);
    const yaml = labYaml({ ...full, nodes: shape.configured ?? full.nodes });
    const dir = Deno.makeTempDirSync({ prefix: "tunnet-e2e-" });
    Deno.mkdirSync(`${dir}/empty`);
    Deno.writeTextFileSync(`${dir}/tunnet.yaml`, yaml);
    const { device } = config;
    const workerUrl = `file://${repoPath("src/cli/worker.ts")}`;
    const lab = new Lab({ id, plan, device, directories: [dir], down: "", workerUrl });
    const bed = new Bed(lab, dir, yaml, shape.source ?? false);
    try {
      await bed.lab.build();
      return bed;
    } catch (error) {
      await bed[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Makes one more network namespace, which goes with the bed. */
  async addNamespace(name: string): Promise<void> {
    await runProgram("ip", ["netns", "add", name]);
    this.#namespaces.push(name);
  }

  node(i: number): LabNode {
    return this.plan.nodes[i]!;
  }

  /** The first address of pod i, IPv4 or IPv6. */
  podAddress(i: number, version: 4 | 6 = 4): string {
    return this.node(i).podAddresses.find((one) => one.includes(":") === (version === 6))!;
  }

  /** What makes tunnet a node of this bed. */
  get peerWords(): readonly string[] {
    return ["--peer", "--hello-interval", this.helloInterval];
  }

  get command(): readonly string[] {
    return tunnetCommand(`${this.dir}/empty`, [], this.source);
  }

  /** Starts tunnet on node i, by default from the file; resolves when it is ready. */
  async start(i: number, args?: readonly string[]): Promise<LabProcess> {
    const started = this.launch(i, args);
    await started.ready();
    return started;
  }

  /** Starts tunnet on node i without waiting. */
  launch(
    i: number,
    args?: readonly string[],
    wrap: readonly string[] = [],
    env: readonly string[] = [],
  ): LabProcess {
    const words = args ?? ["-c", `${this.dir}/tunnet.yaml`];
    const tunnet = tunnetCommand(`${this.dir}/empty`, env, this.source);
    return this.launchWords(i, [...wrap, ...tunnet, ...this.peerWords, "--json", ...words]);
  }

  /** Starts a command on node i whose log is tunnet's. */
  launchWords(i: number, command: readonly string[]): LabProcess {
    const log = `${this.dir}/node${i}.${this.#processes.length}.log`;
    // The shell only redirects: `exec` makes the child tunnet itself.
    const logged = ["sh", "-c", 'log=$1; shift; exec "$@" 2>>"$log"', "sh", log, ...command];
    const { name, namespace } = this.node(i);
    const child = new Deno.Command("ip", {
      args: ["netns", "exec", namespace, ...logged],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const started = new LabProcess(name, child, log, READY_TIMEOUT_MS);
    this.#processes.push(started);
    return started;
  }

  onNode(i: number, ...words: string[]): Promise<Ran> {
    return runProgram("ip", ["netns", "exec", this.node(i).namespace, ...words]);
  }

  /** Sets how many descriptors a node's process may have, now and at most. */
  async limitFiles(i: number, { pid }: LabProcess, now: number, most: number): Promise<void> {
    const words = ["prlimit", `--nofile=${now}:${most}`, `--pid=${pid}`];
    // As its own user, since root may not everywhere (CAP_SYS_RESOURCE); which changes a moment
    // after it is ready.
    await until("its descriptors are limited", 5_000, async () => {
      const status = Deno.readTextFileSync(`/proc/${pid}/status`);
      const id = (name: string) => new RegExp(`^${name}:\\s*(\\d+)`, "m").exec(status)![1];
      const user = ["setpriv", `--reuid=${id("Uid")}`, `--regid=${id("Gid")}`, "--clear-groups"];
      return (await this.onNode(i, ...user, ...words)).code === 0;
    });
  }

  inPod(i: number, ...words: string[]): Promise<Ran> {
    return runProgram("ip", ["netns", "exec", this.node(i).podNamespace, ...words]);
  }

  /** Starts a program in a namespace that is ended with the bed at the latest. */
  spawn(namespace: string, words: readonly string[], stdin?: "piped"): Deno.ChildProcess {
    const child = new Deno.Command("ip", {
      args: ["netns", "exec", namespace, ...words],
      stdin: stdin ?? "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#children.push(child);
    return child;
  }

  /** Sends datagrams to a port of node 0, with node `from`'s underlay address and tunnet's port. */
  async send(from: number, datagrams: readonly Uint8Array[], port = 3009): Promise<void> {
    const { namespace, address } = this.node(from);
    const words = [address, "3009", this.node(0).address, `${port}`];
    await this.#sendBy(namespace, "send.ts", words, datagrams);
  }

  /**
   * Sends datagrams to the port of node `to` from a namespace, by a raw socket, with the underlay
   * address of node `as`; in turn at a rate for some seconds, or each once; as lanes send or, with
   * `unsummed`, as the kernel path does. Tells how many were sent.
   */
  async forge(
    namespace: string,
    as: number,
    datagrams: readonly Uint8Array[],
    flood?: { readonly rate: number; readonly seconds: number },
    to = 0,
    unsummed = false,
  ): Promise<number> {
    const words = [this.node(as).address, "3009", this.node(to).address, "3009"];
    if (flood) words.push(`${flood.rate}`, `${flood.seconds}`);
    const mark = unsummed ? "-" : "";
    return Number(await this.#sendBy(namespace, "forge.ts", words, datagrams, mark));
  }

  /** Runs a script that sends what it is given; resolves to what it prints. */
  async #sendBy(
    namespace: string,
    script: string,
    words: readonly string[],
    datagrams: readonly Uint8Array[],
    mark = "",
  ): Promise<string> {
    const child = this.spawn(namespace, [
      ...[Deno.execPath(), "run", "-A", "--no-config", "--unstable-net"],
      ...[repoPath(`tests/e2e/${script}`), ...words],
    ], "piped");
    const lines = datagrams.map((datagram) =>
      mark + Array.from(datagram, (byte) => byte.toString(16).padStart(2, "0")).join("") + "\n"
    );
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(lines.join("")));
    await writer.close();
    const { code, stdout, stderr } = await child.output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
    return new TextDecoder().decode(stdout);
  }

  /** Captures what crosses a device with tcpdump, from now until `stop`; `file` grows meanwhile. */
  async capture(
    namespace: string,
    device: string,
  ): Promise<{ file: string; stop: () => Promise<void> }> {
    const file = `${this.dir}/${crypto.randomUUID()}.pcap`;
    const words = ["tcpdump", "-i", device, "-n", "-U", "--immediate-mode", "-Z", "root"];
    // The buffer (KiB) has a slot of this size (bytes) for each packet: long ones are cut.
    const child = this.spawn(namespace, [...words, "-B", "32768", "-s", "2048", "-w", file]);
    const printed = new Words(child.stderr);
    await printed.heard("listening on");
    const stop = async () => {
      // The signal that ends tcpdump also discards the packets that it has not read yet.
      await until("all captured packets are in the file", 10_000, async () => {
        const from = printed.text.length;
        child.kill("SIGUSR1");
        await printed.heard("by kernel", from);
        const counts = /(\d+) packets? captured, (\d+) packets? received/;
        const [, captured, received] = counts.exec(printed.text.slice(from))!;
        return captured === received;
      });
      child.kill("SIGINT");
      await child.status;
    };
    return { file, stop };
  }

  /** Pings from pod to pod; fails unless every packet comes back. */
  async ping(from: number, to: number, ...options: string[]): Promise<string> {
    const address = options.find((one) => /^[0-9a-f]*[:.]/.test(one)) ?? this.podAddress(to);
    const rest = options.filter((one) => one !== address);
    // All at once; the interval is how long a busy host's last replies are waited for.
    const words = ["ping", "-n", "-c", "3", "-l", "3", "-i", "3", "-W", "3", ...rest, address];
    const { stdout, stderr } = await this.inPod(from, ...words);
    assert(/ 0% packet loss/.test(stdout), `${words.join(" ")}:\n${stdout}${stderr}`);
    return stdout;
  }

  /** Waits until pings get through again. */
  async reachable(from: number, to: number, timeout_ms: number): Promise<void> {
    const words = ["ping", "-n", "-q", "-c", "1", "-W", "0.2", this.podAddress(to)];
    await until(
      `pod ${from} reaches pod ${to}`,
      timeout_ms,
      async () => (await this.inPod(from, ...words)).code === 0,
    );
  }

  /** Whether a ping gets through while processes are stopped: by the kernel path alone. */
  async reachesFrozen(from: number, to: number, frozen: readonly LabProcess[]): Promise<boolean> {
    let code = 1;
    const words = ["ping", "-n", "-q", "-c", "1", "-W", "0.5", this.podAddress(to)];
    await stopped(frozen, async () => void ({ code } = await this.inPod(from, ...words)));
    return code === 0;
  }

  /** Sends a file over TCP between pods; resolves to the SHA-256 of what arrived. */
  async transfer(
    from: number,
    to: number,
    file: string,
    version: 4 | 6 = 4,
    port = 5001,
    address = this.podAddress(to, version),
  ): Promise<string> {
    const listen = version === 4 ? "TCP4-LISTEN" : "TCP6-LISTEN";
    const target = version === 4 ? `TCP4:${address}:${port}` : `TCP6:[${address}]:${port}`;
    const receiver = this.spawn(this.node(to).podNamespace, [
      ...["bash", "-o", "pipefail", "-c"],
      `timeout 120 socat -d -d -u ${listen}:${port},reuseaddr STDOUT | sha256sum`,
    ]);
    const [sum, notices] = [new Words(receiver.stdout), new Words(receiver.stderr)];
    await notices.heard("listening on");
    const sent = await this.inPod(
      from,
      ...["timeout", "120", "socat", "-u", `FILE:${file}`, target],
    );
    assertEquals(sent.code, 0, sent.stderr);
    const { code } = await receiver.status;
    assertEquals(code, 0, await notices.all);
    return (await sum.all).split(" ")[0]!;
  }

  /** UDP of these sizes from pod to pod, where it is sent back; it must come as it was. */
  async udpEcho(from: number, to: number, sizes: readonly number[], port = 6000): Promise<void> {
    const socat = ["socat", "-d", "-d", "-b", "65536"];
    const echo = [...socat, `UDP4-RECVFROM:${port},fork,reuseaddr`, "EXEC:cat"];
    const server = this.spawn(this.node(to).podNamespace, echo);
    await new Words(server.stderr).heard("receiving on");
    const file = `${this.dir}/udp${port}`;
    for (const size of sizes) {
      // It ends with the last byte; the time is for an answer that does not come.
      const target = `UDP4:${this.podAddress(to)}:${port},readbytes=${size}`;
      const script = `head -c ${size} /dev/urandom > ${file}; ` +
        `socat -b 65536 -t 5 - ${target} < ${file} | cmp - ${file}`;
      const { code, stderr } = await this.inPod(from, "sh", "-c", script);
      assertEquals(
        code,
        0,
        `${size} bytes of UDP from pod ${from} to pod ${to} and back: ${stderr}`,
      );
    }
  }

  /** An iperf3 server in pod i that listens, for one test; it resolves to its end. */
  async iperf3Server(i: number): Promise<{ end: Promise<unknown> }> {
    const words = ["iperf3", "--server", "--one-off", "--forceflush"];
    const server = this.spawn(this.node(i).podNamespace, words);
    const said = new Words(server.stdout);
    await said.heard("Server listening");
    return { end: Promise.all([said.all, new Words(server.stderr).all, server.status]) };
  }

  /** A file of random bytes, and its SHA-256. */
  async randomFile(size: number): Promise<{ path: string; sha256: string }> {
    const path = `${this.dir}/random`;
    await runProgram("sh", ["-c", `head -c ${size} /dev/urandom > ${path}`]);
    const { stdout } = await runProgram("sha256sum", [path]);
    return { path, sha256: stdout.split(" ")[0]! };
  }

  /** Asks a node for its counters and waits for the answer. */
  async counters(process: LabProcess): Promise<Counters> {
    const events = () =>
      process.log.split("\n").filter((line) => line.includes('"event":"counters"'));
    const before = events().length;
    Deno.kill(process.pid, "SIGUSR2");
    await until("counters are logged", 5_000, () => events().length > before);
    return JSON.parse(events().pop()!);
  }

  /** The picture of a node's network, to compare before and after. */
  state(i: number): Promise<string> {
    return picture(this.node(i).namespace);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#processes.map((process) => process.stop()));
    for (const child of this.#children) {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended already.
      }
      await child.status;
    }
    await this.lab.remove();
    for (const name of this.#namespaces) await runProgram("ip", ["netns", "del", name]);
  }
}
