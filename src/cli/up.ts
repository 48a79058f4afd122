/** `tunnet --peer`: this node, in the foreground. */

import { EMBEDDED_CONFIG } from "../config/embedded.ts";
import { resolveConfig, systemAccess } from "../config/load.ts";
import { findSelf, hostNames, listenEndpoint } from "../config/self.ts";
import { createLog } from "../log.ts";
import { formatAddress } from "../net/prefix.ts";
import { runNode } from "../node/run.ts";
import { resolveHost } from "../peers/resolve.ts";
import { VERSION } from "../version.ts";
import type { UpOptions } from "./args.ts";

/** Runs the node until a signal ends it; resolves to the exit status. Throws the errors of errors.ts. */
export async function runUp(options: UpOptions, workerUrl: string): Promise<number> {
  const loaded = resolveConfig(options, systemAccess, EMBEDDED_CONFIG);
  const hosts = new Map<string, readonly string[]>();
  for (const host of hostNames(loaded.config)) {
    hosts.set(host, (await resolveHost(host)).map(({ bytes }) => formatAddress(bytes)));
  }
  const addresses = Deno.networkInterfaces().map(({ address }) => address);
  const self = findSelf(loaded, { addresses, hosts }, options.node);
  const { host, port } = listenEndpoint(self, options.listen);
  const encoder = new TextEncoder();
  await runNode({
    loaded,
    self,
    listen: { host: hosts.get(host)?.[0] ?? host, port },
    sysctl: options.sysctl,
    log: createLog({
      level: options.logLevel,
      json: options.json,
      write: (line) => void Deno.stderr.writeSync(encoder.encode(line)),
      now: () => new Date(),
    }),
    workerUrl,
    version: VERSION,
  });
  return 0;
}
