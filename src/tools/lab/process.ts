/** A tunnet process of a lab, and how it is ended. */

import { RunError } from "../../base/errors.ts";
import { isRunning, type ProcessId } from "./record.ts";

/** How long a process may take to end after SIGTERM. */
const END_TIMEOUT_MS = 5_000;
const LOOK_INTERVAL_MS = 20;

const pause = () => new Promise((resolve) => setTimeout(resolve, LOOK_INTERVAL_MS));

/** What of a child process a lab needs; Deno.ChildProcess is one. */
export interface Child {
  readonly pid: number;
  readonly status: Promise<Deno.CommandStatus>;
}

function signal(pid: number, name: Deno.Signal): void {
  try {
    Deno.kill(pid, name);
  } catch {
    // It has ended in the meantime.
  }
}

/** A tunnet process whose log is a file. */
export class LabProcess {
  readonly pid: number;
  readonly status: Promise<Deno.CommandStatus>;
  #ended = false;

  /**
   * `name` is the node's; the child writes its log, as JSON, to the file `logFile`, and has
   * `ready_ms` to get ready. However slow the host is, a lab waits for a node that runs.
   */
  constructor(
    readonly name: string,
    child: Child,
    readonly logFile: string,
    readonly ready_ms = Infinity,
  ) {
    this.pid = child.pid;
    this.status = child.status.then((status) => {
      this.#ended = true;
      return status;
    });
    // Whoever waits for it hears of it; nobody has to.
    this.status.catch(() => {});
  }

  /** What the node has logged so far. */
  get log(): string {
    try {
      return Deno.readTextFileSync(this.logFile);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return "";
      throw error;
    }
  }

  /** Resolves when the node logs that it is ready; throws a RunError with its last words otherwise. */
  async ready(): Promise<void> {
    const deadline_ms = performance.now() + this.ready_ms;
    while (!this.log.includes('"event":"ready"')) {
      if (this.#ended || performance.now() > deadline_ms) {
        const last = this.log.trim().split("\n").pop() ?? "";
        const silent = this.#ended ? "it ended without a word" : `not within ${this.ready_ms} ms`;
        throw new RunError({ what: `${this.name} did not come up`, why: last || silent });
      }
      await pause();
    }
  }

  /** Resolves when something listens on a TCP port of 127.0.0.1; throws if the process ends first. */
  async listens(port: number): Promise<void> {
    while (!this.#ended) {
      try {
        (await Deno.connect({ hostname: "127.0.0.1", port })).close();
        return;
      } catch (error) {
        if (!(error instanceof Deno.errors.ConnectionRefused)) throw error;
      }
      await pause();
    }
    throw new RunError({ what: `the ${this.name} did not come up`, why: this.log.trim() });
  }

  /** Ends the process: SIGTERM, and SIGKILL if that is not heeded. */
  async stop(): Promise<void> {
    if (this.#ended) return;
    signal(this.pid, "SIGTERM");
    const timer = setTimeout(() => signal(this.pid, "SIGKILL"), END_TIMEOUT_MS);
    await this.status;
    clearTimeout(timer);
  }
}

/** Ends processes of an earlier lab, which are nobody's children any more. */
export async function endAll(processes: readonly ProcessId[]): Promise<void> {
  const running = () => processes.filter(isRunning);
  for (const { pid } of running()) signal(pid, "SIGTERM");
  const start_ms = performance.now();
  while (running().length > 0) {
    const waited_ms = performance.now() - start_ms;
    if (waited_ms > 2 * END_TIMEOUT_MS) {
      const pids = running().map(({ pid }) => pid).join(", ");
      throw new RunError({ what: `processes of an earlier lab do not end: ${pids}` });
    }
    if (waited_ms > END_TIMEOUT_MS) { for (const { pid } of running()) signal(pid, "SIGKILL"); }
    await pause();
  }
}
