/** `tunnet trace` and `tunnet pcap`: the packets of the running node, while it runs. */

import { RunError, UsageError } from "../base/errors.ts";
import { BlockReader } from "../inspect/pcap/block_reader.ts";
import { askPackets, type LiveRequest } from "../status/live.ts";
import type { Options } from "./commands.ts";
import { colourful, complain, say } from "./output.ts";
import { socketOf } from "./running.ts";

/** Runs `body` with a signal that Ctrl-C, SIGTERM or `body` itself gives. */
async function untilSignal(
  body: (signal: AbortSignal, stop: () => void) => Promise<void>,
): Promise<void> {
  const ended = new AbortController();
  const stop = () => ended.abort();
  const signals = ["SIGINT", "SIGTERM"] as const;
  for (const signal of signals) Deno.addSignalListener(signal, stop);
  try {
    await body(ended.signal, stop);
  } finally {
    for (const signal of signals) Deno.removeSignalListener(signal, stop);
  }
}

/** Hands over what the node sends until it is enough. Throws a RunError where the node ends before. */
async function follow(
  path: string,
  asked: Pick<LiveRequest, "what" | "filter" | "colour">,
  take: (chunk: Uint8Array<ArrayBuffer>, stop: () => void) => void | Promise<void>,
): Promise<void> {
  await untilSignal(async (signal, stop) => {
    for await (const chunk of askPackets(path, { ...asked, signal })) {
      await take(chunk, stop);
      if (signal.aborted) return;
    }
    if (!signal.aborted) throw new RunError({ what: "the node has ended" });
  });
}

/** Said once; how many, at the end. */
const TOO_FAST =
  "tunnet: warn: packets come faster than they can be shown or written: some are left out\n";

/** Says how many packets there were, and how many are missing, as tcpdump does at its end. */
function tell(verb: string, packets: number, lost: number): void {
  const noun = packets === 1 ? "packet" : "packets";
  complain(`tunnet: ${packets} ${noun} ${verb}, ${lost} left out\n`);
}

/** Prints the packets of a node; resolves to the exit status. */
export async function runTrace(options: Options["trace"]): Promise<number> {
  const { filter, json, count = Infinity } = options;
  const decoder = new TextDecoder();
  let rest = "";
  let packets = 0;
  let lost = 0;
  const take = (chunk: Uint8Array, stop: () => void) => {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop()!;
    let out = "";
    for (const line of lines) {
      const { text, ...object } = JSON.parse(line);
      if (text === undefined) {
        if (lost === 0 && object.lost > 0) complain(TOO_FAST);
        lost = object.lost ?? lost;
        continue;
      }
      out += `${json ? JSON.stringify(object) : text}\n`;
      if (++packets < count) continue;
      stop();
      break;
    }
    say(out);
  };
  try {
    const colour = !json && colourful();
    await follow(socketOf(options), { what: "trace", filter, colour }, take);
  } finally {
    tell("shown", packets, lost);
  }
  return 0;
}

function openOutput(path: string): Deno.FsFile | typeof Deno.stdout {
  if (path === "-") {
    if (!Deno.stdout.isTerminal()) return Deno.stdout;
    throw new UsageError({
      what: "a capture would write binary data to the terminal",
      how: "tunnet pcap -w FILE, or tunnet pcap | tshark -r -",
    });
  }
  try {
    return Deno.openSync(path, { write: true, create: true, truncate: true, mode: 0o600 });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new RunError({ what: `cannot write the capture ${path}`, why });
  }
}

/** Writes the packets of a node as pcapng; resolves to the exit status. */
export async function runPcap(options: Options["pcap"]): Promise<number> {
  const { filter, write, count = Infinity } = options;
  const path = socketOf(options);
  const output = openOutput(write);
  const reader = new BlockReader();
  const take = async (chunk: Uint8Array, stop: () => void) => {
    const missing = reader.lost > 0;
    const blocks = reader.take(chunk, count);
    if (!missing && reader.lost > 0) complain(TOO_FAST);
    for (let at = 0; at < blocks.length;) at += await output.write(blocks.subarray(at));
    if (reader.packets >= count) stop();
  };
  try {
    await follow(path, { what: "pcap", filter, colour: false }, take);
  } finally {
    if (output !== Deno.stdout) output.close();
    tell("captured", reader.packets, reader.lost);
  }
  return 0;
}
