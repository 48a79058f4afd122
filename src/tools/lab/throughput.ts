/** How fast the pods of a lab are joined, and by which way their packets go. */

import type { Status } from "../../status/model/types.ts";
import { LabThread } from "./thread.ts";
import type { LabPods } from "./pods.ts";
import type { PodPair } from "./pings.ts";

/** Long enough for TCP to have found its speed. */
const DURATION_MS = 2_000;

/** One TCP connection between two pods. */
export interface Throughput {
  readonly from: string;
  readonly to: string;
  readonly address: string;
  readonly bytes: number;
  readonly seconds: number;
  readonly bits_per_second: number;
}

/** Which way packets go: inside the kernel, or through the program. */
export type Route = "kernel path" | "lanes";

/** Sends as much as gets through for two seconds, from a thread in one pod to one in the other. */
export async function measureThroughput(
  { from, to, address }: PodPair,
  pods: LabPods,
  workerUrl: string,
): Promise<Throughput> {
  using receiver = new LabThread(workerUrl);
  using sender = new LabThread(workerUrl);
  const port = await receiver.call("listen", pods.path(to), address);
  const [{ bytes, duration_ms }] = await Promise.all([
    receiver.call("received"),
    sender.call("send", pods.path(from), address, port, DURATION_MS),
  ]);
  const seconds = Math.round(duration_ms) / 1000;
  const bits_per_second = Math.round(bytes * 8000 / duration_ms);
  return { from: from.name, to: to.name, address, bytes, seconds, bits_per_second };
}

/** Why there is no kernel path, as the log of a node tells; undefined where there is one. */
export function noKernelPath(log: string): string | undefined {
  const line = log.split("\n").find((one) => one.includes('"event":"engine"'));
  return line === undefined ? undefined : JSON.parse(line).no_kernel_path ?? undefined;
}

/** Which way a node sends to a peer, as its status says. */
export function routeTo({ engine, peers }: Status, peer: string): Route {
  const other = peers.find(({ name }) => name === peer);
  const both = engine.features.includes("kernel") && other?.capabilities.includes("kernel_path");
  return both ? "kernel path" : "lanes";
}
