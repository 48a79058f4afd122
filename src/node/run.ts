/** Runs a node until a signal ends it. */

import { openRtnetlink } from "../link/linux.ts";
import { openUdp } from "../udp/datagram.ts";
import { Node } from "./node.ts";
import type { NodeOptions } from "./options.ts";

const STOP_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Runs a node until a signal ends it. Throws a RunError when it cannot run. */
export async function runNode(options: NodeOptions): Promise<void> {
  const { log, loaded, listen, engine } = options;
  for (const warning of loaded.warnings) log.warn("config", warning);
  using rt = openRtnetlink();
  const udp = openUdp(listen.host, listen.port, engine);
  const node = new Node(options, rt, udp);
  const stop = () => node.stop();
  const logCounters = () => node.logCounters();
  // Before the device is made: a signal must never leave it half configured.
  for (const signal of STOP_SIGNALS) Deno.addSignalListener(signal, stop);
  Deno.addSignalListener("SIGUSR2", logCounters);
  try {
    await node.up();
    await node.ended;
    log.info("stopping", "stopping");
    node.logCounters();
  } finally {
    await node.down();
    for (const signal of STOP_SIGNALS) Deno.removeSignalListener(signal, stop);
    Deno.removeSignalListener("SIGUSR2", logCounters);
    udp.connection.close();
  }
}
