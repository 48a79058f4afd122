/** A Docker Engine of its own inside a lab's node: dockerd, containerd and their files. */

import { RunError } from "../../base/errors.ts";
import { type Ran, runIfThere, runProgram } from "../../base/run_program.ts";
import { netnsPath } from "../../host/netns.ts";
import type { LabNode } from "./topology.ts";

/** dockerd starts containerd, loads its plugins and writes firewall rules: seconds on a busy host. */
const READY_TIMEOUT_MS = 60_000;
/** dockerd ends its containers and containerd first. */
const END_TIMEOUT_MS = 20_000;
const READY_INTERVAL_MS = 100;

/**
 * Starts dockerd in the node's network, with directories of its own where it
 * insists on fixed ones: sockets in /run, containerd's in /opt, its key in /etc/docker.
 */
const START = `
log=$1; shift
for dir in /run /opt /etc/docker; do
  [ ! -d "$dir" ] || mount -t tmpfs tmpfs "$dir"
done
exec dockerd "$@" >"$log" 2>&1
`;

/** One node's engine. */
export class DockerEngine {
  readonly #dir: string;
  readonly #cgroup: string;
  #child: Deno.ChildProcess | undefined;
  #ended = false;

  /** `dir` is an empty directory with a short path; `cgroup` a name that nobody else has. */
  constructor(readonly node: LabNode, dir: string, cgroup: string) {
    this.#dir = dir;
    this.#cgroup = cgroup;
  }

  /** Variables that lead the docker program to this engine, as words of env(1). */
  get environment(): readonly string[] {
    return [`DOCKER_HOST=unix://${this.#dir}/docker.sock`, `DOCKER_CONFIG=${this.#dir}/cli`];
  }

  start(): void {
    Deno.mkdirSync(this.#dir, { recursive: true });
    Deno.writeTextFileSync(`${this.#dir}/daemon.json`, "{}\n");
    const options = [
      ["--config-file", `${this.#dir}/daemon.json`],
      ["--data-root", `${this.#dir}/data`],
      ["--exec-root", `${this.#dir}/exec`],
      ["--pidfile", `${this.#dir}/docker.pid`],
      ["--host", `unix://${this.#dir}/docker.sock`],
      // Without it, engines on the same host share a cgroup; systemd would have to be asked for one.
      ["--cgroup-parent", `/${this.#cgroup}`],
      ["--exec-opt", "native.cgroupdriver=cgroupfs"],
      ["--shutdown-timeout", "5"],
    ].flat();
    this.#child = new Deno.Command("nsenter", {
      // Only the network is the node's: in a /sys of its own there would be no cgroups.
      args: [`--net=${netnsPath(this.node.namespace)}`, "unshare", "--mount", "--propagation"]
        .concat("slave", "sh", "-c", START, "sh", this.#log, options),
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    this.#child.status.then(() => this.#ended = true);
  }

  get #log(): string {
    return `${this.#dir}/dockerd.log`;
  }

  /** Resolves when the engine answers; rejects with its last words otherwise. */
  async ready(): Promise<void> {
    const deadline_ms = performance.now() + READY_TIMEOUT_MS;
    while ((await this.docker("version")).code !== 0) {
      if (this.#ended || performance.now() > deadline_ms) {
        throw new RunError({
          what: `the Docker Engine of ${this.node.name} did not come up`,
          why: this.#lastWords(),
        });
      }
      await new Promise((resolve) => setTimeout(resolve, READY_INTERVAL_MS));
    }
  }

  #lastWords(): string {
    try {
      return Deno.readTextFileSync(this.#log).trim().split("\n").pop() || "it said nothing";
    } catch {
      return "it said nothing";
    }
  }

  /** Runs the docker program on this engine. */
  docker(...words: readonly string[]): Promise<Ran> {
    return runProgram("env", [...this.environment, "docker", ...words]);
  }

  /** The same, and throws a RunError with its complaint. */
  async must(...words: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.docker(...words);
    if (code === 0) return stdout;
    throw new RunError({
      what: `docker ${words.slice(0, 2).join(" ")} failed on ${this.node.name}`,
      why: stderr.trim().split("\n")[0],
    });
  }

  /** Runs a shell script on the node, with docker on this engine. */
  script(text: string): Promise<Ran> {
    return runProgram("nsenter", [
      ...[`--net=${netnsPath(this.node.namespace)}`, "env"],
      ...this.environment,
      ...["sh", "-c", text],
    ]);
  }

  /** Ends the engine with all its containers, and removes what it left behind in the system. */
  async stop(): Promise<void> {
    if (this.#child && !this.#ended) {
      const { stdout } = await this.docker("ps", "-aq");
      const containers = stdout.split("\n").filter((one) => one !== "");
      if (containers.length > 0) await this.docker("rm", "-f", ...containers);
      await this.#end(this.#child);
    }
    await removeEngine(this.#dir, this.#cgroup);
  }

  async #end(child: Deno.ChildProcess): Promise<void> {
    const signal = (name: Deno.Signal) => {
      try {
        child.kill(name);
      } catch {
        // It has ended in the meantime.
      }
    };
    signal("SIGTERM");
    const timer = setTimeout(() => signal("SIGKILL"), END_TIMEOUT_MS);
    await child.status;
    clearTimeout(timer);
  }
}

/** Removes what an engine leaves that was killed hard; `dir` is its directory, or one above. */
export async function removeEngine(dir: string, cgroup: string): Promise<void> {
  await runIfThere("sh", ["-c", SWEEP, "sh", dir, cgroup]);
}

/**
 * After an engine that was killed hard: ends its containerd and shims, which
 * have its directory on their command lines, and what is left in its cgroups.
 */
const SWEEP = `
for file in $(grep -lsF "$1/" /proc/[0-9]*/cmdline 2>/dev/null); do
  process=\${file%/cmdline}
  process=\${process#/proc/}
  [ "$process" = $$ ] || kill -9 "$process" 2>/dev/null
done
find /sys/fs/cgroup -path "*/$2/*" -name cgroup.procs -exec cat {} + 2>/dev/null |
  sort -u | while read -r process; do kill -9 "$process" 2>/dev/null; done
for attempt in 1 2 3 4 5 6 7 8 9 10; do
  find /sys/fs/cgroup -depth -type d \\( -name "$2" -o -path "*/$2/*" \\) -exec rmdir {} + 2>/dev/null
  [ -n "$(find /sys/fs/cgroup -type d -name "$2" 2>/dev/null)" ] || break
  sleep 0.2
done
`;
