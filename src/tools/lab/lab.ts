/** A standing lab: namespaces, and one tunnet process per node. */

import { RunError } from "../../base/errors.ts";
import { type Ran, runIfThere } from "../../base/run_program.ts";
import { type LabNode, type LabPlan, namespacePrefix } from "./topology.ts";

/** How long a node may take until it says that it is ready. */
const READY_TIMEOUT_MS = 15_000;
/** How long a node may take to end after SIGTERM. */
const END_TIMEOUT_MS = 5_000;
/** Where a kept lab's logs and process ids stand. */
export const LAB_STATE_DIR = "/run/tunnet-lab";

/** Runs a program to its end; its output as text. Throws a RunError where the program is missing. */
export async function runProgram(
  program: string,
  args: readonly string[],
): Promise<Ran> {
  const ran = await runIfThere(program, args);
  if (ran) return ran;
  const debian = program === "ping" ? "iputils-ping" : "iproute2";
  throw new RunError({
    what: `the lab needs the program ${program}`,
    why: "it is not on this host",
    how: `apt-get install ${debian}`,
  });
}

/** Runs `ip`; throws a RunError with its complaint. */
export async function ip(args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runProgram("ip", args);
  if (code !== 0) {
    throw new RunError({ what: `ip ${args.join(" ")} failed`, why: stderr.trim() });
  }
  return stdout;
}

/** Names of the namespaces of this host that start with `prefix`. */
export async function namespacesOf(prefix: string): Promise<readonly string[]> {
  const lines = (await ip(["netns", "list"])).split("\n");
  return lines.map((line) => line.split(" ")[0]!).filter((name) => name.startsWith(prefix));
}

/** Builds a plan's namespaces. On failure what was made is removed again. */
export async function buildLab(plan: LabPlan): Promise<void> {
  for (const args of plan.switchCommands) await ip(args);
  for (const node of plan.nodes) {
    for (const args of node.commands) await ip(args);
  }
}

/** Removes all namespaces of a lab, with everything in them. */
export async function removeLab(id: string): Promise<void> {
  for (const name of await namespacesOf(namespacePrefix(id))) await ip(["netns", "del", name]);
}

/** A tunnet process of a lab. */
export class LabProcess {
  readonly #child: Deno.ChildProcess;
  readonly #log: string;
  readonly status: Promise<Deno.CommandStatus>;
  #ended = false;

  /** Starts `command` in the node's namespace; standard error goes to the file `log`. */
  constructor(readonly node: LabNode, command: readonly string[], log: string) {
    this.#log = log;
    Deno.writeTextFileSync(log, "", { mode: 0o600 });
    this.#child = new Deno.Command("ip", {
      // The shell only redirects: `exec` makes the child tunnet itself.
      args: ["netns", "exec", node.namespace, "sh", "-c", 'log=$1; shift; exec "$@" 2>>"$log"']
        .concat("sh", log, command),
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    this.status = this.#child.status.then((status) => {
      this.#ended = true;
      return status;
    });
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** What the node has logged so far. */
  get log(): string {
    return Deno.readTextFileSync(this.#log);
  }

  /** Resolves when the node logs that it is ready; rejects with its last words otherwise. */
  async ready(): Promise<void> {
    const deadline_ms = performance.now() + READY_TIMEOUT_MS;
    while (!this.log.includes('"event":"ready"')) {
      if (this.#ended || performance.now() > deadline_ms) {
        const last = this.log.trim().split("\n").pop() ?? "";
        throw new RunError({
          what: `${this.node.name} did not come up`,
          why: last || `nothing was logged in ${READY_TIMEOUT_MS / 1000} s`,
        });
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Ends the process: SIGTERM, and SIGKILL if that is not heeded. */
  async stop(): Promise<void> {
    if (this.#ended) return;
    this.#signal("SIGTERM");
    const timer = setTimeout(() => this.#signal("SIGKILL"), END_TIMEOUT_MS);
    await this.status;
    clearTimeout(timer);
  }

  /** Lets the process outlive this one. */
  release(): void {
    this.#child.unref();
  }

  #signal(signal: Deno.Signal): void {
    try {
      this.#child.kill(signal);
    } catch {
      // It has ended in the meantime.
    }
  }
}
