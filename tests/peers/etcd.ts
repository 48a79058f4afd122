/** Debian's etcd, as tests start it: one member, or a cluster, on addresses of their own. */

import { assert } from "../assert.ts";

/** How members are started. */
export interface EtcdShape {
  /** The address of each member; on 127.0.0.1, each has ports of its own. */
  readonly hosts: readonly string[];
  /** Words in front of the program, such as those that enter a namespace, by member. */
  readonly wrap?: (member: number) => readonly string[];
  readonly args?: readonly string[];
  readonly scheme?: "http" | "https";
}

/** A port that nobody listens on. */
function freePort(hostname: string): number {
  using listener = Deno.listen({ hostname, port: 0 });
  return listener.addr.port;
}

/** etcd that runs until it is disposed of. */
export class RealEtcd implements AsyncDisposable {
  #members: Deno.ChildProcess[] = [];

  private constructor(
    readonly shape: EtcdShape,
    readonly dir: string,
    readonly ports: readonly { readonly client: number; readonly peer: number }[],
  ) {}

  /** Starts it; `isUp` is asked until it says so. */
  static async start(
    shape: Partial<EtcdShape> = {},
    isUp?: (etcd: RealEtcd) => Promise<boolean>,
  ): Promise<RealEtcd> {
    const full = { hosts: ["127.0.0.1"], ...shape };
    const local = full.hosts.every((host) => host === "127.0.0.1");
    const ports = full.hosts.map((host) =>
      local ? { client: freePort(host), peer: freePort(host) } : { client: 2379, peer: 2380 }
    );
    const dir = Deno.makeTempDirSync({ prefix: "tunnet-etcd-" });
    const etcd = new RealEtcd(full, dir, ports);
    try {
      full.hosts.forEach((_, i) => {
        Deno.writeTextFileSync(`${dir}/${i}.log`, "");
        etcd.#members.push(etcd.#launch(i));
      });
      const ready = isUp ?? ((one) => one.answers(0));
      for (let tries = 0; !await ready(etcd); tries++) {
        assert(tries < 300, `etcd is up: ${etcd.log(0)}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      return etcd;
    } catch (error) {
      await etcd[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The URL of each member. */
  get endpoints(): readonly string[] {
    const { hosts, scheme = "http" } = this.shape;
    return hosts.map((host, i) => `${scheme}://${host}:${this.ports[i]!.client}`);
  }

  /** What a member has logged. */
  log(member: number): string {
    return Deno.readTextFileSync(`${this.dir}/${member}.log`);
  }

  /** Whether a member answers this process. */
  async answers(member: number): Promise<boolean> {
    try {
      const response = await fetch(`${this.endpoints[member]}/health`, {
        signal: AbortSignal.timeout(1_000),
      });
      return (await response.text()).includes("true");
    } catch {
      return false;
    }
  }

  /** Asks the first member. */
  async post(path: string, body: unknown): Promise<Record<string, unknown>> {
    const response = await fetch(`${this.endpoints[0]}/v3/${path}`, {
      method: "POST",
      body: JSON.stringify(body),
    });
    return JSON.parse((await response.text()).split("\n")[0]!);
  }

  /** Writes a key. */
  async put(key: string, value: string): Promise<void> {
    await this.post("kv/put", { key: btoa(key), value: btoa(value) });
  }

  /** Sends a signal to a member. */
  signal(member: number, signal: Deno.Signal): void {
    this.#members[member]!.kill(signal);
  }

  /** Ends a member at once, and starts it again on what it has written. */
  async kill(member: number): Promise<() => void> {
    this.signal(member, "SIGKILL");
    await this.#members[member]!.status;
    return () => this.#members[member] = this.#launch(member);
  }

  #launch(member: number): Deno.ChildProcess {
    const { hosts, wrap, args = [], scheme = "http" } = this.shape;
    const host = hosts[member]!;
    const { client, peer } = this.ports[member]!;
    const peers = hosts.map((one, i) => `m${i}=http://${one}:${this.ports[i]!.peer}`);
    const words = [
      ...wrap?.(member) ?? [],
      ...["etcd", "--name", `m${member}`, "--data-dir", `${this.dir}/${member}`],
      ...["--listen-client-urls", `${scheme}://${host}:${client}`],
      ...["--advertise-client-urls", `${scheme}://${host}:${client}`],
      ...["--listen-peer-urls", `http://${host}:${peer}`],
      ...["--initial-advertise-peer-urls", `http://${host}:${peer}`],
      ...["--initial-cluster", peers.join(","), "--log-level", "warn", ...args],
    ];
    return new Deno.Command("sh", {
      args: ["-c", 'log=$1; shift; exec "$@" >>"$log" 2>&1', "sh", `${this.dir}/${member}.log`]
        .concat(words),
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const member of this.#members) {
      try {
        member.kill("SIGKILL");
      } catch {
        // It has ended already.
      }
      await member.status;
    }
    await Deno.remove(this.dir, { recursive: true });
  }
}
