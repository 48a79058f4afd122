/** Peers of a test, from text. */

import { createLog, type Log } from "../../src/base/log.ts";
import { type Timers, timersOf } from "../../src/base/time.ts";
import { parseConfig } from "../../src/config/parse.ts";
import { encodeHello, type Hello } from "../../src/wire/hello.ts";
import { Registry } from "../../src/peers/registry.ts";
import type { Members } from "../../src/peers/source/source.ts";

/** Members whose first node is this one; `nodes` maps names to addresses, `more` are other keys. */
export function membersOf(nodes: Readonly<Record<string, string>>, more = ""): Members {
  const lines = Object.entries({ self: "10.0.0.1", ...nodes }).map(([name, address], i) =>
    `  - {name: ${name}, address: "${address}", subnets: [172.${16 + (i >> 8)}.${i & 255}.0/24]}`
  );
  const { config } = parseConfig(`${more}nodes:\n${lines.join("\n")}\n`, "test");
  return { config, self: config.nodes[0]! };
}

/** What every peer of a test has to echo. */
export const TOKEN = 0x0123_4567_89ab_cdefn;

export function registryOf(
  nodes: Readonly<Record<string, string>>,
  more = "",
  timers: Timers = timersOf(),
): Registry {
  return new Registry(membersOf(nodes, more), 4, timers, () => TOKEN);
}

/** A log, and the lines that it has got. */
export function logged(): { readonly log: Log; readonly lines: string[] } {
  const lines: string[] = [];
  const write = (line: string) => void lines.push(line.trimEnd());
  const log = createLog({
    ...{ level: "info", json: false, untimed: true, now: () => new Date(0), write },
  });
  return { log, lines };
}

/** A hello, with what a test says of it. */
export function helloOf(change: Partial<Hello> = {}): Uint8Array<ArrayBuffer> {
  return encodeHello({
    ...{ version: 1, mode: "tun", capabilities: 0, sent_us: 1, echo_us: 0, held_us: 0 },
    ...{ mtu_bytes: 1472, name: "b", number: 1, answer: false, leaving: false, probe: false },
    ...{ program: "1.2.3", token: 5n, echoToken: TOKEN, burst: 3, peerBurst: 4, largest_bytes: 0 },
    ...change,
  });
}
