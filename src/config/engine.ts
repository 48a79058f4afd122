/** How packets are to be moved: `engine` of a config, and `--engine`. Pure. */

import { type Feature, FEATURES } from "../base/features.ts";
import { LANES_MAX } from "../base/limits.ts";
import { nearest } from "../base/text.ts";
import { quote, type Result } from "./values.ts";

/**
 * How packets are moved. `batch`: lanes with sendmmsg and recvmmsg; `datagram`:
 * Deno.listenDatagram's own receive() and send(); `auto`: the best that works here.
 */
const ENGINES = ["auto", "batch", "datagram"] as const;
/** One of ENGINES. */
export type Engine = typeof ENGINES[number];

/** Not the kernel's: a library of the host that seals long packets (aead/choose.ts). */
const LIBRARY = "libcrypto";

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
  /** Packets are sealed by what is inside, though the host has libcrypto. */
  readonly noLibcrypto?: true;
}

/** Without `--engine`: everything that works here. */
export const ENGINE_AUTO: EngineChoice = { engine: "auto", off: new Set() };

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
  const names = [...FEATURES, ...Object.keys(GROUPS), LIBRARY];
  const off = new Set<Feature>();
  let lanes: number | undefined;
  let noLibcrypto = false;
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
    if (name === LIBRARY) {
      noLibcrypto = true;
      continue;
    }
    if (engine === "datagram") {
      const why = "the engine datagram uses no feature of the kernel";
      return { problem: { what: `${quote(word)} has no effect`, why, how: "datagram" } };
    }
    for (const feature of GROUPS[name] ?? [name as Feature]) off.add(feature);
  }
  const value: EngineChoice = { engine, off: closure(off), ...(lanes ? { lanes } : {}) };
  return { value: noLibcrypto ? { ...value, noLibcrypto } : value };
}
