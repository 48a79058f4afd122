/** A namespace with a real wireguard-go and wireguard_node.ts beside it; removed whatever happens. */

import { assert } from "../assert.ts";
import { until } from "../e2e/harness.ts";
import { formatKey } from "../../src/wire/keys.ts";
import { PrivateKey } from "../../src/wireguard/x25519.ts";
import type { NodePlan, Order, Report } from "./wireguard_node.ts";

const decoder = new TextDecoder();

/** Runs a command to its end; throws what it says when it fails. */
async function run(...words: readonly string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(words[0]!, {
    args: words.slice(1),
    stdin: "null",
  }).output();
  if (!success) throw new Error(`${words.join(" ")}: ${decoder.decode(stderr).trim()}`);
  return decoder.decode(stdout).trim();
}

/** What is missing here for such a test, or undefined. */
export function missing(): string | undefined {
  if (Deno.uid() !== 0) return "this needs root";
  for (const program of ["wireguard-go", "wg", "ip", "ping"]) {
    const found = new Deno.Command("sh", { args: ["-c", `command -v ${program}`] }).outputSync();
    if (!found.success) return `there is no ${program} here`;
  }
  return undefined;
}

/** What `wg show DEVICE dump` says of the one peer. */
export interface PeerDump {
  readonly endpoint: string;
  readonly handshake_s: number;
  readonly received_bytes: number;
  readonly sent_bytes: number;
}

let beds = 0;

/** See the head of the file. */
export class WireGuardBed {
  readonly #name = `tnwg${Deno.pid}x${beds}`;
  readonly device = `wg${Deno.pid % 100_000}x${beds++}`;
  readonly #files: string[] = [];
  readonly #children: Deno.ChildProcess[] = [];
  #orders: WritableStreamDefaultWriter<Uint8Array> | undefined;
  #lines: ReadableStreamDefaultReader<string> | undefined;
  #rest = "";

  /** `presharedKey`s: wireguard-go's, and the node's if it is another. */
  static async with(
    options: {
      readonly presharedKey?: string;
      readonly nodePresharedKey?: string;
      readonly libcrypto?: boolean;
      readonly times?: NodePlan["times"];
    },
    use: (bed: WireGuardBed) => Promise<void>,
  ): Promise<void> {
    const bed = new WireGuardBed();
    try {
      await bed.#start(options);
      await use(bed);
    } finally {
      await bed.#end();
    }
  }

  /** A command inside the namespace. */
  inside(...words: readonly string[]): Promise<string> {
    return run("ip", "netns", "exec", this.#name, ...words);
  }

  #file(text: string): string {
    const path = Deno.makeTempFileSync({ prefix: "tunnet-wg-" });
    Deno.writeTextFileSync(path, text);
    this.#files.push(path);
    return path;
  }

  async #start(
    { presharedKey, nodePresharedKey = presharedKey, libcrypto = true, times = {} }: Parameters<
      typeof WireGuardBed.with
    >[0],
  ): Promise<void> {
    const keys = [0, 1].map(() => {
      const bytes = crypto.getRandomValues(new Uint8Array(32));
      return { secret: formatKey(bytes), open: formatKey(new PrivateKey(bytes).publicKey) };
    });
    const [theirs, ours] = keys;
    await run("ip", "netns", "add", this.#name);
    await run("ip", "-n", this.#name, "link", "set", "lo", "up");
    this.#children.push(
      new Deno.Command("ip", {
        args: ["netns", "exec", this.#name, "wireguard-go", "-f", this.device],
        env: { WG_PROCESS_FOREGROUND: "1" },
        stdin: "null",
        stdout: "null",
        stderr: "null",
      }).spawn(),
    );
    const isUp = () => this.inside("wg", "show", this.device).then(() => true, () => false);
    await until("wireguard-go is up", 10_000, isUp);
    const psk = presharedKey === undefined ? [] : ["preshared-key", this.#file(presharedKey)];
    await this.inside(
      ...["wg", "set", this.device, "listen-port", "51820"],
      ...["private-key", this.#file(theirs!.secret), "peer", ours!.open, ...psk],
      ...["endpoint", "127.0.0.1:51821", "allowed-ips", "10.77.0.2/32"],
    );
    await run("ip", "-n", this.#name, "address", "add", "10.77.0.1/24", "dev", this.device);
    await run("ip", "-n", this.#name, "link", "set", this.device, "up", "mtu", "1420");
    const plan: NodePlan = {
      privateKey: ours!.secret,
      peerKey: theirs!.open,
      ...(nodePresharedKey === undefined ? {} : { presharedKey: nodePresharedKey }),
      port: 51821,
      peerPort: 51820,
      libcrypto,
      times,
    };
    const program = new URL("./wireguard_node.ts", import.meta.url).pathname;
    const node = new Deno.Command("ip", {
      args: [
        ...["netns", "exec", this.#name, Deno.execPath(), "run", "-A", "--no-prompt", "--quiet"],
        ...["--no-check", program, JSON.stringify(plan)],
      ],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    this.#children.push(node);
    this.#orders = node.stdin.getWriter();
    this.#lines = node.stdout.pipeThrough(new TextDecoderStream()).getReader();
    assert((await this.#line()).includes("ready"));
  }

  async #line(): Promise<string> {
    while (!this.#rest.includes("\n")) {
      const { value, done } = await this.#lines!.read();
      if (done) throw new Error("the node has ended");
      this.#rest += value;
    }
    const end = this.#rest.indexOf("\n");
    const line = this.#rest.slice(0, end);
    this.#rest = this.#rest.slice(end + 1);
    return line;
  }

  /** Tells the node what to do. */
  async order(order: Order): Promise<void> {
    await this.#orders!.write(new TextEncoder().encode(JSON.stringify(order) + "\n"));
  }

  /** What the node has counted. */
  async report(): Promise<Report> {
    await this.order({ order: "report" });
    return JSON.parse(await this.#line());
  }

  /** Waits until the node's counts are as wanted; fails with what they were. */
  async reports(timeout_ms: number, wanted: (report: Report) => boolean): Promise<Report> {
    let last: Report | undefined;
    try {
      await until("the node's counts", timeout_ms, async () => wanted(last = await this.report()));
    } catch {
      throw new Error(`the node's counts after ${timeout_ms} ms: ${JSON.stringify(last)}`);
    }
    return last!;
  }

  /** wireguard-go's view of the node. */
  async dump(): Promise<PeerDump> {
    const [, line] = (await this.inside("wg", "show", this.device, "dump")).split("\n");
    const fields = line!.split("\t");
    return {
      endpoint: fields[2]!,
      handshake_s: Number(fields[4]),
      received_bytes: Number(fields[5]),
      sent_bytes: Number(fields[6]),
    };
  }

  async #end(): Promise<void> {
    await this.#orders?.close().catch(() => {});
    await this.#lines?.cancel().catch(() => {});
    for (const child of this.#children) {
      try {
        child.kill("SIGTERM");
      } catch {
        // It has ended by itself.
      }
      await child.status;
    }
    for (const path of this.#files) Deno.removeSync(path);
    await run("ip", "netns", "del", this.#name).catch(() => {});
  }
}
