/** Runs a node until a signal ends it. */

import { BATCH_USE, wantedFeatures } from "../dataplane/lanes/features.ts";
import { openRtnetlink } from "../host/netlink/linux.ts";
import { Service } from "../service/service.ts";
import { bufferWarnings } from "../io/socket_buffers.ts";
import { openUdp } from "../io/udp_open.ts";
import { Node } from "./node.ts";
import type { NodeOptions } from "./options.ts";

/** Runs a node until a signal ends it; SIGHUP reloads its config. Throws a RunError when it cannot run. */
export async function runNode(options: NodeOptions): Promise<void> {
  const { log, loaded, listen, engine } = options;
  for (const warning of loaded.warnings) log.warn("config", warning);
  using rt = openRtnetlink();
  const udp = openUdp(listen.host, listen.port, {
    batch: BATCH_USE[engine.engine],
    features: wantedFeatures(engine),
  });
  for (const warning of bufferWarnings(udp.buffers)) log.warn("buffers", warning);
  const node = new Node(options, rt, udp);
  const service = new Service(node.served());
  const handlers = {
    SIGINT: () => node.stop(),
    SIGTERM: () => node.stop(),
    SIGHUP: () => service.reload(),
    SIGUSR2: () => node.logCounters(),
  } as const;
  const signals = Object.entries(handlers) as [keyof typeof handlers, () => void][];
  // Before the device is made: a signal must never leave it half configured.
  for (const [signal, handler] of signals) Deno.addSignalListener(signal, handler);
  try {
    await node.up();
    service.start();
    await node.ended;
    log.info("stopping", "stopping");
    service.stopping();
    node.logCounters();
  } finally {
    service.close();
    await node.down();
    for (const [signal, handler] of signals) Deno.removeSignalListener(signal, handler);
    udp.connection.close();
  }
}
