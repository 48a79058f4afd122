/**
 * The kernel features that the engine uses, by what was asked for (config/engine.ts). Pure: who
 * opens the device and the socket asks the kernel.
 */

import type { Engine, EngineChoice } from "../../config/engine.ts";
import { type Feature, FEATURES } from "../../base/features.ts";

/** What runs. */
export interface EngineUse {
  readonly engine: Exclude<Engine, "auto">;
  readonly features: ReadonlySet<Feature>;
  readonly lanes: number;
  /** What packets are sealed by, where a node has a key. */
  readonly aead?: string | undefined;
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

/** The features in words, with both TSO as one. */
function words(features: readonly Feature[]): string {
  return features.join(" ").replace("tso4 tso6", "tso");
}

/**
 * What is in use, and what is not and why, such as `engine batch: vnet csum tso gso gro, 2 lanes`,
 * with `, sealing by wasm and libcrypto 3.0.19` where there are keys.
 * `noKernelPath` is why there is to be none.
 */
export function describeEngine(
  { engine, features, lanes, queues, aead }: EngineUse,
  choice: EngineChoice,
  noKernelPath?: string,
): string {
  const count = `${lanes} ${lanes === 1 ? "lane" : "lanes"}` +
    (queues > 1 ? ` on ${queues} queues` : "") + (aead ? `, sealing by ${aead}` : "");
  if (engine === "datagram") return `engine datagram: Deno's receive() and send(), ${count}`;
  const inUse = words(FEATURES.filter((feature) => features.has(feature))) || "no offloads";
  const off = words(FEATURES.filter((feature) => choice.off.has(feature)));
  const offNames = [off, choice.noLibcrypto && aead ? "libcrypto" : ""].filter((one) => one).join(
    " ",
  );
  const missing = FEATURES.filter((feature) =>
    !features.has(feature) && wantedFeatures(choice).has(feature)
  );
  const why = missing.includes("kernel") ? noKernelPath : undefined;
  const unexplained = words(missing.filter((feature) => feature !== "kernel" || !why));
  const notes = [
    unexplained && `not available: ${unexplained}`,
    why && `no kernel path: ${why}`,
    offNames && `switched off: ${offNames}`,
  ].filter((note) => note);
  return `engine batch: ${inUse}, ${count}${notes.length > 0 ? ` (${notes.join("; ")})` : ""}`;
}
