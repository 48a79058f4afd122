/** What a lab's pods are made of: namespaces, or containers. */

import type { Ran } from "../../base/run_program.ts";
import { runProgram } from "./lab.ts";
import type { LabNode } from "./topology.ts";

/** The pods of a lab, one behind each node. */
export interface LabPods {
  /** The bridge that they hang on. */
  readonly bridge: string;
  /** Words of a ping that sends so many and prints their summary; the address follows. */
  ping(count: number): readonly string[];
  /** Makes them; the nodes stand. */
  up(): Promise<void>;
  /** Runs a program in a node's pod. */
  run(node: LabNode, words: readonly string[]): Promise<Ran>;
  /** Ends what keeps running; namespaces are removed afterwards. */
  down(): Promise<void>;
}

/**
 * All pings leave at once (-l), and the last replies are waited for as long as
 * the interval that is then of no other use: ping gives up two round trips after
 * its last packet otherwise, which a busy host takes for a loss.
 */
function pingAtOnce(count: number): readonly string[] {
  return ["ping", "-n", "-q", "-c", `${count}`, "-l", `${count}`, "-i", "2", "-W", "2"];
}

/** Pods that are network namespaces: they come and go with the nodes' own. */
export const namespacePods: LabPods = {
  bridge: "br0",
  ping: pingAtOnce,
  up: () => Promise.resolve(),
  run: (node, words) => runProgram("ip", ["netns", "exec", node.podNamespace, ...words]),
  down: () => Promise.resolve(),
};
