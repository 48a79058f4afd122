/** `tunnet status`: asks the running node for its state and shows it. */

import { STATUS_WATCH_INTERVAL_MS } from "../base/limits.ts";
import { askEvents, askStatus } from "../status/client.ts";
import { SPARKLINE_WIDTH } from "../status/format/peer_table.ts";
import { statusText } from "../status/format/text.ts";
import type { Status } from "../status/model/types.ts";
import { formatEndpoint } from "../net/prefix.ts";
import { forwardedBody, forwardedPackets } from "../status/forward.ts";
import { type HttpEndpoint, serveHttp, snapshotOf } from "../status/server.ts";
import type { Options } from "./commands.ts";
import { colourful, jsonText, say } from "./output.ts";
import { socketOf } from "./running.ts";
import { openLog } from "./up.ts";

const HIDE_CURSOR = "\x1b[?25l";
const SHOW_CURSOR = "\x1b[?25h";
const HOME = "\x1b[H";
/** Clears to the end of the line, and to the end of the screen. */
const CLEAR_LINE = "\x1b[K";
const CLEAR_REST = "\x1b[J";
const CLEAR_SCREEN = "\x1b[2J";

const NOTHING = new Uint8Array();

/** Traffic of each peer in the past. */
class History {
  readonly values = new Map<string, number[]>();

  add({ peers }: Status): void {
    for (const { name, outbound, inbound } of peers) {
      const values = this.values.get(name) ?? [];
      values.push(outbound.bits_per_second + inbound.bits_per_second);
      if (values.length > SPARKLINE_WIDTH) values.shift();
      this.values.set(name, values);
    }
  }
}

/** Text that takes the place of the one before, no larger than the terminal. */
function screen(text: string, columns: number, rows: number): string {
  const lines = text.trimEnd().split("\n").slice(0, rows - 1);
  return HOME + lines.map((line) => cutLine(line, columns) + CLEAR_LINE).join("\n") + CLEAR_REST;
}

/** Calls back when q is pressed; Ctrl-C stays what it is. The result gives the terminal back. */
function onQuit(quit: () => void): () => void {
  if (!Deno.stdin.isTerminal()) return () => {};
  Deno.stdin.setRaw(true, { cbreak: true });
  const listen = async () => {
    const keys = new Uint8Array(64);
    for (let size; (size = await Deno.stdin.read(keys)) !== null;) {
      if (/q/i.test(new TextDecoder().decode(keys.subarray(0, size)))) return quit();
    }
  };
  // The terminal may go away.
  listen().catch(() => {});
  return () => Deno.stdin.setRaw(false);
}

/** The line, cut to the width; its colours take no room. */
function cutLine(line: string, columns: number): string {
  let width = 0;
  // deno-lint-ignore no-control-regex
  const kept = line.split(/(\x1b\[\d+m)/).map((part, i) => {
    if (i % 2 === 1) return part;
    const shown = part.slice(0, Math.max(0, columns - width));
    width += part.length;
    return shown;
  });
  return kept.join("");
}

async function watch(path: string, json: boolean): Promise<number> {
  const terminal = Deno.stdout.isTerminal() && !json;
  const colour = terminal && !Deno.noColor;
  const history = new History();
  const ended = Promise.withResolvers<"ended">();
  const end = () => ended.resolve("ended");
  const signals = ["SIGINT", "SIGTERM"] as const;
  for (const signal of signals) Deno.addSignalListener(signal, end);
  if (terminal) say(HIDE_CURSOR + CLEAR_SCREEN);
  const letGo = terminal ? onQuit(end) : () => {};
  try {
    while (true) {
      const status = await Promise.race([askStatus(path), ended.promise]);
      if (status === "ended") return 0;
      history.add(status);
      if (json) say(JSON.stringify(status) + "\n");
      else {
        const past = { colour, history: history.values };
        if (terminal) {
          const { columns, rows } = Deno.consoleSize();
          const text = statusText(status, { ...past, width: columns, height: rows });
          say(screen(text, columns, rows));
        } else say(`${statusText(status, past)}\n`);
      }
      const tick = Promise.withResolvers<"tick">();
      const timer = setTimeout(() => tick.resolve("tick"), STATUS_WATCH_INTERVAL_MS);
      const next = await Promise.race([tick.promise, ended.promise]);
      clearTimeout(timer);
      if (next === "ended") return 0;
    }
  } finally {
    letGo();
    if (terminal) say(`\n${SHOW_CURSOR}`);
    for (const signal of signals) Deno.removeSignalListener(signal, end);
  }
}

/** Serves the node's page, its status and its metrics until a signal ends it. */
async function serve(path: string, endpoint: HttpEndpoint): Promise<number> {
  const { node } = await askStatus(path);
  const log = openLog({ level: "info", json: false });
  const packets = endpoint.trace ? forwardedPackets(path) : undefined;
  const server = serveHttp(endpoint, log, async (request) => {
    const events = request.path === "/events.json" ? await askEvents(path) : [];
    const body = await forwardedBody(path, request);
    const snapshots = snapshotOf(await askStatus(path));
    return {
      ...{ snapshots, events: () => events, packets },
      ...{ history: () => body, findings: () => body ?? NOTHING },
    };
  });
  const ended = Promise.withResolvers<void>();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => ended.resolve());
  }
  say(
    `http://${formatEndpoint(endpoint.host, endpoint.port)}/ shows ${node.name} (Ctrl-C ends it)\n`,
  );
  await ended.promise;
  await server.close();
  return 0;
}

/** Shows the status; resolves to the exit status. Throws a RunError when no node answers. */
export async function runStatus(options: Options["status"]): Promise<number> {
  const { json } = options;
  const path = socketOf(options);
  if (options.watch) return await watch(path, json);
  if (options.http) {
    return await serve(path, {
      ...options.http,
      names: options.httpHosts,
      trace: options.httpTrace,
    });
  }
  const status = await askStatus(path);
  const size = Deno.stdout.isTerminal() ? { width: Deno.consoleSize().columns } : {};
  say(json ? jsonText(status) : statusText(status, { colour: colourful(), ...size }));
  return 0;
}
