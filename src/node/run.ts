/** Runs a node until a signal ends it. */

import { BATCH_USE, wantedFeatures } from "../dataplane/lanes/features.ts";
import { lockDevice } from "../host/device_lock.ts";
import { ForwardGuard } from "../host/forward_guard.ts";
import { openRtnetlink } from "../host/netlink/linux.ts";
import { Service } from "../service/service.ts";
import { bufferWarnings } from "../io/socket_buffers.ts";
import { openUdp } from "../io/udp_open.ts";
import { guardedTime, systemTime } from "../base/time.ts";
import { Guard, runAll } from "./guard.ts";
import { Node } from "./node.ts";
import { OwnAddress } from "./own_address.ts";
import type { NodeOptions } from "./options.ts";

/** Runs a node until a signal ends it; SIGHUP reloads its config. Throws a RunError when it cannot run. */
export async function runNode(options: NodeOptions): Promise<void> {
  const { log, loaded, listen, engine } = options;
  for (const warning of loaded.warnings) log.warn("config", warning);
  using rt = openRtnetlink();
  const { device } = loaded.config;
  using lock = lockDevice(device, () => rt.getLink(device) !== undefined);
  if (!lock) log.warn("lock", `somebody without rights has the name of ${device}'s lock`);
  const ownAddress = new OwnAddress(rt, listen.host, log);
  await ownAddress.untilUsable(systemTime);
  const udp = openUdp(listen.host, listen.port, {
    batch: BATCH_USE[engine.engine],
    features: wantedFeatures(engine),
  });
  for (const warning of bufferWarnings(udp.buffers)) log.warn("buffers", warning);
  const now_ms = () => systemTime.now_ms();
  const guard = new Guard({ log, now_ms, end: (error) => node.fail(error) });
  const time = guardedTime(systemTime, (error) => guard.inTimer(error));
  const forwardGuard = new ForwardGuard(device, log);
  const node = new Node(options, { rt, udp, ownAddress, forwardGuard }, time);
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
  const removeGuard = guard.install();
  try {
    await node.up();
    service.start();
    await node.ended;
    log.info("stopping", "stopping");
    service.stopping();
    node.logCounters();
  } finally {
    await runAll([() => service.close(), () => node.down()]);
    for (const [signal, handler] of signals) Deno.removeSignalListener(signal, handler);
    udp.connection.close();
    removeGuard();
  }
}
