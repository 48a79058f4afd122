/**
 * The config parser and the inline parser on random and mutated texts: each
 * ends in a Config that holds together or in a ConfigError, and soon.
 */

import { STARTER_CONFIG } from "../../src/cli/init.ts";
import { parseInline } from "../../src/config/inline.ts";
import { parseConfig } from "../../src/config/parse.ts";
import { CONFIG_PROBLEMS_MAX } from "../../src/base/limits.ts";
import type { LoadedConfig } from "../../src/config/types.ts";
import { ConfigError } from "../../src/base/errors.ts";
import { formatMac } from "../../src/net/ethernet.ts";
import { formatPrefix, parsePrefix } from "../../src/net/prefix.ts";
import { assert, assertEquals, assertLess } from "../assert.ts";
import { cpuTime_ms } from "../cpu_time.ts";
import { fuzzMultiplier, type Random, random } from "./random.ts";

const SEEDS: readonly string[] = [
  STARTER_CONFIG,
  "network: [172.0.0.0/8, 'fd00::/16']\nport: 4000\ndevice: x\nmode: tun\nmtu: 1400\ndefault: b\n" +
  "nodes:\n  - {name: a, address: '[2001:db8::1]:1', subnets: ['fd00:1::/64', 172.1.0.1/16]}\n" +
  "  - {name: b, address: host.example:9, subnets: []}\n",
  "mode: tap\nbridge: br0\nnodes:\n  - {name: a, address: 10.0.0.1, macs: ['02:42:ac:01:00:02']}\n" +
  "  - name: b\n    address: 10.0.0.2\n    macs:\n      - 02:42:ac:01:00:03\n",
  'a: &a [1, 2]\nb: *a\nnodes: !!seq\n- ? x\n  : |\n   text\n- >-\n  folded\n- "\\x41\\u0041"\n',
  "%YAML 1.2\n---\nnodes: {<<: {name: a}}\n...\n",
];

// deno-fmt-ignore
const TOKENS: readonly string[] = [
  "nodes:", "network:", "port:", "mtu:", "default:", "name:", "address:", "subnets:", "mode: tap",
  "- ", "\n", "\n  ", "\n    ", "\t", " ", ": ", ",", "[", "]", "{", "}", "&a ", "*a", "!!str ",
  "!!binary ", "? ", "| ", ">", "'", '"', "\\", "#", "---", "...", "%", "<<", "~", "null", "no",
  "__proto__", "constructor", "toString", "\0", "\ufeff", "\u2028", "\ud800", "\u{1f600}", "\r",
  "172.1.0.0/16", "10.0.0.1", "fd00::/64", "::", "::ffff:1.2.3.4", "[::1]:1", "1e999", "0x10",
  "mode: tap", "bridge: br0", "macs:", "02:42:ac:01:00:02",
  "22:22", "-1", "65536", "99999999999999999999", "a".repeat(300), "/", "=", "2001-01-01",
];

function mutate(rng: Random, text: string): string {
  let out = text;
  for (let edits = 1 + rng.below(4); edits > 0; edits--) {
    const at = rng.below(out.length + 1);
    const length = rng.below(12);
    switch (rng.below(5)) {
      case 0:
        out = out.slice(0, at) + out.slice(at + length);
        break;
      case 1:
        out = out.slice(0, at) + rng.pick(TOKENS) + out.slice(at);
        break;
      case 2:
        out = out.slice(0, at) + String.fromCharCode(rng.below(256)) + out.slice(at + 1);
        break;
      case 3: {
        const from = rng.below(out.length + 1);
        out = out.slice(0, at) + out.slice(from, from + length * 4) + out.slice(at);
        break;
      }
      default:
        out = out.slice(0, at);
    }
  }
  return out;
}

function tokens(rng: Random): string {
  let out = "";
  for (let count = rng.below(30); count > 0; count--) out += rng.pick(TOKENS);
  return out;
}

const decoder = new TextDecoder();

function input(rng: Random): string {
  switch (rng.below(8)) {
    case 0:
      return decoder.decode(rng.bytes(rng.below(80)));
    case 1:
    case 2:
      return tokens(rng);
    default:
      return mutate(rng, rng.pick(SEEDS));
  }
}

/** What every accepted config promises. */
function checkConfig({ config }: LoadedConfig): void {
  assert(Object.isFrozen(config) && Object.isFrozen(config.nodes));
  assert(config.nodes.length > 0);
  assert(config.port >= 1 && config.port <= 65_535);
  assert(config.mode === "tun" || config.mode === "tap");
  if (config.mode === "tun") assertEquals(config.bridge, undefined);
  else for (const node of config.nodes) assertEquals(node.subnets, []);
  const macs = config.nodes.flatMap((node) => (node.macs ?? []).map(formatMac));
  assertEquals(new Set(macs).size, macs.length);
  const names = config.nodes.map(({ name }) => name);
  assertEquals(new Set(names).size, names.length);
  if (config.defaultNode !== undefined) assert(names.includes(config.defaultNode));
  const subnets = config.nodes.flatMap((node) => node.subnets).map(formatPrefix);
  assertEquals(new Set(subnets).size, subnets.length);
  for (const subnet of subnets) assertEquals(parsePrefix(subnet)?.hostBits, false);
}

/** Whether the text was accepted; throws what only a bug can throw. */
function accepts(parse: () => LoadedConfig): boolean {
  try {
    checkConfig(parse());
    return true;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    assert(error.problems.length > 0 && error.problems.length <= CONFIG_PROBLEMS_MAX + 1);
    // One line per problem, whatever the text holds.
    assertEquals(error.message.split("\n").length, error.problems.length);
    return false;
  }
}

Deno.test("fuzz: 60,000 random and mutated configs end in a Config or a ConfigError", () => {
  const count = Math.ceil(60_000 * fuzzMultiplier());
  const rng = random(0xc0f1);
  let accepted = 0;
  let slowest_ms = 0;
  for (let i = 0; i < count; i++) {
    const text = input(rng);
    const started = cpuTime_ms();
    try {
      if (accepts(() => parseConfig(text, "fuzz.yaml"))) accepted++;
    } catch (error) {
      throw new Error(`input ${i}: ${JSON.stringify(text)}`, { cause: error });
    }
    slowest_ms = Math.max(slowest_ms, cpuTime_ms() - started);
  }
  // Both outcomes were met, or the inputs are worth nothing.
  assert(accepted > count / 100 && accepted < count / 2, `${accepted} of ${count} accepted`);
  assertLess(slowest_ms, 2_000);
});

Deno.test("fuzz: 20,000 random and mutated inline peers", () => {
  const count = Math.ceil(20_000 * fuzzMultiplier());
  const rng = random(0x1a11);
  const seeds = ["172.2.0.0/16=10.0.0.2", "fd00::/64,172.3.0.0/16=[2001:db8::1]:9", "10.0.0.0/8=b"];
  let accepted = 0;
  for (let i = 0; i < count; i++) {
    const some = () => Array.from({ length: rng.below(3) }, () => mutate(rng, rng.pick(seeds)));
    const options = {
      specs: [...some(), rng.pick(seeds)],
      local: rng.below(4) === 0 ? some() : ["172.1.0.0/16"],
      listen: rng.below(4) === 0 ? some()[0] : undefined,
    };
    try {
      if (accepts(() => parseInline(options))) accepted++;
    } catch (error) {
      throw new Error(`input ${i}: ${JSON.stringify(options)}`, { cause: error });
    }
  }
  assert(accepted > count / 100, `${accepted} of ${count} accepted`);
});

/** Shapes that make careless parsers slow or overflow the stack, each about 0.5 MB. */
const HOSTILE: readonly (readonly [name: string, text: string])[] = [
  ["open brackets", "[".repeat(500_000)],
  ["open braces", "{".repeat(500_000)],
  ["nested dashes", "- ".repeat(250_000)],
  ["explicit keys", "? ".repeat(250_000)],
  ["deep indentation", Array.from({ length: 900 }, (_, i) => `${" ".repeat(i)}a:\n`).join("")],
  ["unknown keys", Array.from({ length: 50_000 }, (_, i) => `key${i}: x\n`).join("")],
  ["one long line", `device: ${"a".repeat(500_000)}\n`],
  ["one long string", `device: "${"a\\n".repeat(150_000)}"\n`],
  ["blank lines", `device: a${"\n".repeat(500_000)}`],
  ["comments", "# comment\n".repeat(50_000)],
  ["directives", "%FOO bar\n".repeat(50_000)],
  ["anchors", Array.from({ length: 30_000 }, (_, i) => `- &a${i} x\n`).join("")],
  ["aliases", `a: &a [x]\nnodes:\n${"  - *a\n".repeat(4_000)}`],
  ["flow pairs", `nodes: [${"{a: b}, ".repeat(60_000)}]\n`],
  ["block text", `device: |\n${"  line\n".repeat(70_000)}`],
  ["empty nodes", `nodes:\n${"  -\n".repeat(100_000)}`],
  ["colons", ":".repeat(500_000)],
  ["dots", `nodes: [{name: a, address: "${".".repeat(400_000)}", subnets: []}]\n`],
  ["commas", `nodes: [{name: a, address: b, subnets: ["${",".repeat(400_000)}"]}]\n`],
];

for (const [name, text] of HOSTILE) {
  Deno.test(`hostile config: ${name}`, () => {
    const started = cpuTime_ms();
    accepts(() => parseConfig(text, "hostile.yaml"));
    assertLess(cpuTime_ms() - started, 3_000);
  });
}
