/**
 * The kernel features that the engine can use, each on its own, and how
 * `--engine` chooses among them. Pure: who opens the device and the socket asks
 * the kernel.
 */

import { quote, type Result } from "../../config/values.ts";
import { LANES_MAX } from "../../base/limits.ts";
import { nearest } from "../../base/text.ts";
import { type Feature, FEATURES } from "../../io/features.ts";

/**
 * How packets are moved. `batch`: lanes with sendmmsg and recvmmsg; `datagram`:
 * Deno.listenDatagram's own receive() and send(); `auto`: the best that works here.
 */
const ENGINES = ["auto", "batch", "datagram"] as const;
/** One of ENGINES. */
export type Engine = typeof ENGINES[number];

/** Words for several features. */
const GROUPS: Readonly<Record<string, readonly Feature[]>> = { tso: ["tso4", "tso6"] };

/** What a feature is nothing without (drivers/net/tun.c, set_offload). */
const NEEDS: Readonly<Partial<Record<Feature, Feature>>> = {
  csum: "vnet",
  partial: "csum",
  tso4: "csum",
  tso6: "csum",
  uso: "csum",
};

/** What `--engine` asks for. */
export interface EngineChoice {
  readonly engine: Engine;
  /** Features that are switched off, those that need them included. */
  readonly off: ReadonlySet<Feature>;
  /** How many lanes to run, where that is asked for. */
  readonly lanes?: number;
}

/** Without `--engine`: everything that works here. */
export const ENGINE_AUTO: EngineChoice = { engine: "auto", off: new Set() };

/** What runs. */
export interface EngineUse {
  readonly engine: Exclude<Engine, "auto">;
  readonly features: ReadonlySet<Feature>;
  readonly lanes: number;
  /** Queues of the device (IFF_MULTI_QUEUE, Linux 3.8): one unless several lanes read it. */
  readonly queues: number;
}

/** How each engine uses the socket's descriptor. */
export const BATCH_USE = { auto: "preferred", batch: "required", datagram: "never" } as const;

/** The features that are to be asked of the kernel. */
export function wantedFeatures({ engine, off }: EngineChoice): ReadonlySet<Feature> {
  if (engine === "datagram") return new Set();
  return new Set(
    FEATURES.filter((feature) => !off.has(feature) && (feature !== "kernel" || engine === "auto")),
  );
}

function closure(off: ReadonlySet<Feature>): ReadonlySet<Feature> {
  const all = new Set(off);
  // FEATURES is in the order of need: one pass is enough.
  for (const feature of FEATURES) {
    const needed = NEEDS[feature];
    if (needed && all.has(needed)) all.add(feature);
  }
  return all;
}

/**
 * Reads `auto`, `batch` or `datagram`, with `,-FEATURE` for each feature to do
 * without and `,lanes=N` for the number of lanes.
 */
export function readEngine(text: string): Result<EngineChoice> {
  const how =
    `auto, batch or datagram; batch,-uso,-gro leaves features out, lanes=N sets the lanes`;
  const [first, ...rest] = text.split(",");
  const engine = ENGINES.find((one) => one === first);
  if (!engine) {
    const near = nearest(first!, ENGINES);
    const why = near && `did you mean ${quote(near)}?`;
    return { problem: { what: `${quote(first!)} is not an engine`, why, how } };
  }
  const names = [...FEATURES, ...Object.keys(GROUPS)];
  const off = new Set<Feature>();
  let lanes: number | undefined;
  for (const word of rest) {
    if (word.startsWith("lanes=") && engine !== "datagram") {
      const count = /^lanes=([1-9][0-9]?)$/.exec(word)?.[1];
      if (!count || Number(count) > LANES_MAX) {
        const why = `${quote(word.slice(6))} is no number of lanes`;
        return { problem: { what: quote(word), why, how: `lanes=1 to lanes=${LANES_MAX}` } };
      }
      lanes = Number(count);
      continue;
    }
    const name = names.find((one) => `-${one}` === word);
    if (!name) {
      const near = nearest(word.replace(/^[-+]/, ""), names);
      const why = near ? `did you mean ${quote(`-${near}`)}?` : `there are ${names.join(", ")}`;
      return { problem: { what: `${quote(word)} is not a feature to leave out`, why, how } };
    }
    if (engine === "datagram") {
      const why = "the engine datagram uses no feature of the kernel";
      return { problem: { what: `${quote(word)} has no effect`, why, how: "datagram" } };
    }
    for (const feature of GROUPS[name] ?? [name as Feature]) off.add(feature);
  }
  return { value: { engine, off: closure(off), ...(lanes ? { lanes } : {}) } };
}

/** The features in words, with both TSO as one. */
function words(features: readonly Feature[]): string {
  return features.join(" ").replace("tso4 tso6", "tso");
}

/** What is in use, and what is not and why, such as `engine batch: vnet csum tso gso gro, 2 lanes`. */
export function describeEngine(
  { engine, features, lanes, queues }: EngineUse,
  choice: EngineChoice,
): string {
  const count = `${lanes} ${lanes === 1 ? "lane" : "lanes"}` +
    (queues > 1 ? ` on ${queues} queues` : "");
  if (engine === "datagram") return `engine datagram: Deno's receive() and send(), ${count}`;
  const inUse = words(FEATURES.filter((feature) => features.has(feature))) || "no offloads";
  const off = words(FEATURES.filter((feature) => choice.off.has(feature)));
  const missing = words(
    FEATURES.filter((feature) => !features.has(feature) && wantedFeatures(choice).has(feature)),
  );
  const notes = [missing && `not to be had: ${missing}`, off && `switched off: ${off}`]
    .filter((note) => note !== "");
  return `engine batch: ${inUse}, ${count}${notes.length > 0 ? ` (${notes.join("; ")})` : ""}`;
}
