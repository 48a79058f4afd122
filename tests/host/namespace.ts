/** Network namespaces for tests: made, entered through ip(8), removed whatever happens. */

import type { Calls } from "./driver.ts";

/** Whether this process may make namespaces. */
export const canMakeNamespaces = Deno.uid() === 0;

const decoder = new TextDecoder();

/** Runs a command to its end; throws what it says when it fails. */
async function run(args: readonly string[], input?: string): Promise<string> {
  const child = new Deno.Command(args[0]!, {
    args: args.slice(1),
    stdin: input === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  if (input !== undefined) {
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(input));
    await writer.close();
  }
  const { success, stdout, stderr } = await child.output();
  if (!success) throw new Error(`${args.join(" ")}: ${decoder.decode(stderr).trim()}`);
  return decoder.decode(stdout);
}

/** A call inside the namespace that failed. */
export class CallError extends Error {
  constructor(name: string, message: string, readonly errno: string | undefined) {
    super(message);
    this.name = name;
  }
}

/** driver.ts running in a namespace. */
export class Driver {
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reader: ReadableStreamDefaultReader<string>;
  #rest = "";

  constructor(command: readonly string[], buffer_bytes: number | undefined) {
    this.#child = new Deno.Command(command[0]!, {
      args: [
        ...command.slice(1),
        Deno.execPath(),
        "run",
        "-A",
        "--no-prompt",
        "--quiet",
        new URL("./driver.ts", import.meta.url).pathname,
        ...(buffer_bytes === undefined ? [] : [String(buffer_bytes)]),
      ],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    this.#writer = this.#child.stdin.getWriter();
    this.#reader = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** Makes a call of driver.ts. Throws a CallError when it failed there. */
  async call<K extends keyof Calls>(
    call: K,
    ...args: Parameters<Calls[K]>
  ): Promise<ReturnType<Calls[K]>> {
    await this.#writer.write(new TextEncoder().encode(JSON.stringify({ call, args }) + "\n"));
    while (!this.#rest.includes("\n")) {
      const { value, done } = await this.#reader.read();
      if (done) throw new Error("the driver has ended");
      this.#rest += value;
    }
    const end = this.#rest.indexOf("\n");
    const { value, error } = JSON.parse(this.#rest.slice(0, end));
    this.#rest = this.#rest.slice(end + 1);
    if (error) throw new CallError(error.name, error.message, error.errno);
    return value;
  }

  /** Makes a call that must fail, and returns how: the errno's name, or else the message. */
  async failure<K extends keyof Calls>(call: K, ...args: Parameters<Calls[K]>): Promise<string> {
    try {
      await this.call(call, ...args);
    } catch (error) {
      if (error instanceof CallError) return error.errno ?? `${error.name}: ${error.message}`;
      throw error;
    }
    throw new Error(`${call} did not fail`);
  }

  async end(): Promise<void> {
    await this.#writer.close();
    await this.#reader.cancel();
    await this.#child.status;
  }
}

/** A namespace with lo up, for the time of `use`. */
export class Namespace {
  readonly #drivers: Driver[] = [];

  private constructor(readonly name: string) {}

  static async with(use: (ns: Namespace) => Promise<void>): Promise<void> {
    const ns = new Namespace(`tnlink${Deno.pid}-${crypto.randomUUID().slice(0, 8)}`);
    await run(["ip", "netns", "add", ns.name]);
    try {
      await ns.ip("link set lo up");
      await use(ns);
    } finally {
      for (const driver of ns.#drivers) await driver.end();
      await run(["ip", "netns", "del", ns.name]);
    }
  }

  /** `ip` with these words in the namespace. */
  ip(words: string): Promise<string> {
    return run(["ip", "-n", this.name, ...words.split(" ")]);
  }

  /** `ip -j` with these words, its output read. */
  async json<T>(words: string): Promise<T> {
    return JSON.parse(await this.ip(`-j ${words}`) || "[]");
  }

  /** Many `ip` commands at once, one a line. */
  batch(lines: readonly string[]): Promise<string> {
    return run(["ip", "-n", this.name, "-batch", "-"], lines.join("\n") + "\n");
  }

  async sysctl(name: string, value: string): Promise<void> {
    await run(["ip", "netns", "exec", this.name, "sysctl", "-qw", `${name}=${value}`]);
  }

  /** rtnetlink in the namespace; `wrap` is before the command. */
  driver(buffer_bytes?: number, wrap: readonly string[] = []): Driver {
    const driver = new Driver(["ip", "netns", "exec", this.name, ...wrap], buffer_bytes);
    this.#drivers.push(driver);
    return driver;
  }
}
