/** A tiny program with the shape of tunnet, and running what the build makes of it. */

import { build, type BuildResult } from "../../../src/tools/build/build.ts";
import type { Target } from "../../../src/tools/build/options.ts";

const MAIN = `
import { EMBEDDED_CONFIG } from "./src/config/embedded.ts";
const say = (value: unknown) => console.log(typeof value === "string" ? value : JSON.stringify(value));
const [what, ...rest] = Deno.args;
if (what === "args") say(rest);
if (what === "stdin") say(await new Response(Deno.stdin.readable).text());
if (what === "exit") Deno.exit(Number(rest[0]));
if (what === "config") say(EMBEDDED_CONFIG ?? "none");
if (what === "self") say([Deno.env.get("TUNNET_EXE") ?? "", Deno.cwd(), Deno.execPath()]);
if (what === "env") {
  say(new TextDecoder().decode((await new Deno.Command("/usr/bin/env").output()).stdout));
}
if (what === "load") say(Deno.loadavg());
if (what === "wait") {
  const timer = setInterval(() => {}, 1_000);
  Deno.addSignalListener("SIGTERM", () => {
    clearInterval(timer);
    say("stopped");
    Deno.exit(7);
  });
  say(\`ready \${Deno.pid}\`);
}
if (what === "worker") {
  const url = new URL("./src/cli/worker.ts", import.meta.url).href;
  const worker = new Worker(url, { type: "module" });
  worker.onmessage = ({ data }) => {
    say(data);
    worker.terminate();
  };
  worker.postMessage("ping");
}
`;

const WORKER = `
/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />
self.onmessage = ({ data }: MessageEvent<string>) => {
  const libc = Deno.dlopen("libc.so.6", { getpid: { parameters: [], result: "i32" } });
  const same = libc.symbols.getpid() === Deno.pid;
  libc.close();
  self.postMessage(data + " pong " + same);
};
`;

/** What an ended process left. */
export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How to start a process. The environment holds `env` and nothing else. */
export interface Start {
  readonly env?: Record<string, string>;
  readonly cwd?: string;
  readonly uid?: number;
  readonly stdin?: string;
}

/** Writes the tiny program into a new directory below `parent`; its path. */
export async function writeProgram(parent: string): Promise<string> {
  const root = `${parent}/program`;
  await Deno.mkdir(`${root}/src/cli`, { recursive: true });
  await Deno.mkdir(`${root}/src/config`);
  await Deno.mkdir(`${root}/ffi`);
  await Deno.writeTextFile(`${root}/deno.json`, `{ "unstable": ["net"] }`);
  await Deno.writeTextFile(`${root}/main.ts`, MAIN);
  await Deno.writeTextFile(`${root}/src/cli/worker.ts`, WORKER);
  await Deno.writeTextFile(
    `${root}/src/config/embedded.ts`,
    "export const EMBEDDED_CONFIG: string | undefined = undefined;\n",
  );
  return root;
}

/** Builds the portable form of the program at `root`. */
export function buildPortable(root: string, output: string, config?: string): Promise<BuildResult> {
  const target: Target = Deno.build.arch;
  return build(root, { target, portable: true, output, config }, () => {});
}

/** Starts a program. */
export function start(program: string, args: readonly string[], options: Start = {}) {
  return new Deno.Command(program, {
    args: [...args],
    clearEnv: true,
    env: options.env ?? {},
    // Another user may not get at this checkout, below /root for example.
    cwd: options.cwd ?? (options.uid === undefined ? undefined : "/"),
    uid: options.uid,
    gid: options.uid,
    stdin: options.stdin === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Runs a program to its end. */
export async function run(
  program: string,
  args: readonly string[],
  options: Start = {},
): Promise<Ended> {
  const child = start(program, args, options);
  if (options.stdin !== undefined) {
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(options.stdin));
    await writer.close();
  }
  const { code, stdout, stderr } = await child.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}
