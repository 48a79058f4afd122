/** A Worker that works inside network namespaces: both of its sides, and what can be asked of it. */

import { RunError } from "../../base/errors.ts";
import {
  Builder,
  HeldProcess,
  type Ping,
  pingPods,
  type Received,
  Receiver,
  type RoundTrips,
  sendFor,
} from "./inside.ts";
import type { Step } from "./topology.ts";

/** Name of these Workers: the program's one Worker module tells them by it. */
export const LAB_THREAD = "lab";

/** What can be asked; arguments and results are copied. */
interface Calls {
  build(steps: readonly Step[], mark: string): void;
  remove(names: readonly string[], mark: string): readonly string[];
  ping(pings: readonly Ping[], count: number): readonly RoundTrips[];
  /** Listens; the port. */
  listen(path: string, address: string): number;
  received(): Promise<Received>;
  send(path: string, address: string, port: number, duration_ms: number): Promise<void>;
  /** Makes a HeldProcess; its id. */
  start(path: string, command: readonly string[], log: string): number;
  release(pid: number): Promise<void>;
  /** Resolves when a process that was started has ended. */
  ended(pid: number): Promise<Deno.CommandStatus>;
}

interface Request {
  readonly id: number;
  readonly call: keyof Calls;
  readonly args: readonly unknown[];
}

interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: { readonly message: string; readonly parts?: RunError["parts"] };
}

/** The Worker's side: answers what the main thread asks, until it is terminated. */
export function serveLabThread(
  scope: { onmessage: unknown; postMessage(message: unknown): void },
): void {
  const builder = new Builder();
  const processes = new Map<number, HeldProcess>();
  let receiver: Receiver | undefined;
  const calls: Calls = {
    build: (steps, mark) => builder.build(steps, mark),
    remove: (names, mark) => builder.remove(names, mark),
    ping: pingPods,
    listen: (path, address) => (receiver = new Receiver(path, address)).port,
    received: () => receiver!.received(),
    send: sendFor,
    start(path, command, log) {
      const process = new HeldProcess(path, command, log);
      processes.set(process.pid, process);
      return process.pid;
    },
    release: (pid) => processes.get(pid)!.release(),
    ended: (pid) => processes.get(pid)!.status,
  };
  scope.onmessage = async ({ data: { id, call, args } }: MessageEvent<Request>) => {
    let answer: Answer;
    try {
      const run = calls[call] as (...args: readonly unknown[]) => unknown;
      answer = { id, value: await run(...args) };
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      answer = {
        id,
        error: error instanceof RunError ? { message, parts: error.parts } : { message },
      };
    }
    scope.postMessage(answer);
  };
}

/** The main thread's side of such a Worker. */
export class LabThread implements Disposable {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #last = 0;

  /** `url` is that of the program's Worker module. */
  constructor(url: string) {
    this.#worker = new Worker(url, { type: "module", name: LAB_THREAD });
    this.#worker.onmessage = ({ data: { id, value, error } }: MessageEvent<Answer>) => {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (!error) waiting?.resolve(value);
      else waiting?.reject(error.parts ? new RunError(error.parts) : new Error(error.message));
    };
    this.#worker.onerror = (event) => {
      event.preventDefault();
      for (const waiting of this.#waiting.values()) waiting.reject(new Error(event.message));
      this.#waiting.clear();
    };
  }

  /** Asks, and waits for the answer. Throws a RunError where a user can do something about it. */
  async call<K extends keyof Calls>(
    call: K,
    ...args: Parameters<Calls[K]>
  ): Promise<Awaited<ReturnType<Calls[K]>>> {
    const waiting = Promise.withResolvers<unknown>();
    const id = ++this.#last;
    this.#waiting.set(id, waiting);
    this.#worker.postMessage({ id, call, args } satisfies Request);
    return await waiting.promise as Awaited<ReturnType<Calls[K]>>;
  }

  /** Ends the thread; what it has started goes on. */
  [Symbol.dispose](): void {
    this.#worker.terminate();
  }
}
