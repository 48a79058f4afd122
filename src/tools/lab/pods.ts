/** What a lab's pods are made of: namespaces, or containers. */

import { netnsPath } from "../../host/netns.ts";
import type { LabNode } from "./topology.ts";

/** The pods of a lab, one behind each node. */
export interface LabPods {
  /** The bridge that they hang on. */
  readonly bridge: string;
  /** Makes them; the nodes' namespaces exist. */
  up(): Promise<void>;
  /** Where the network namespace of a node's pod is found. */
  path(node: LabNode): string;
  /** Ends what keeps running; namespaces are removed afterwards. */
  down(): Promise<void>;
}

/** Pods that are network namespaces: they come and go with the nodes' own. */
export function namespacePods(bridge: string): LabPods {
  return {
    bridge,
    up: () => Promise.resolve(),
    path: ({ podNamespace }) => netnsPath(podNamespace),
    down: () => Promise.resolve(),
  };
}
