/** `tunnet --peer`: this node, in the foreground. */

import { findSelf, listenEndpoint } from "../config/self.ts";
import { createLog } from "../log.ts";
import { runNode } from "../node/run.ts";
import { VERSION } from "../version.ts";
import type { UpOptions } from "./args.ts";
import { loadHere } from "./here.ts";

/** Runs the node until a signal ends it; resolves to the exit status. Throws the errors of errors.ts. */
export async function runUp(options: UpOptions, workerUrl: string): Promise<number> {
  const { loaded, view } = await loadHere(options);
  const self = findSelf(loaded, view, options.node);
  const { host, port } = listenEndpoint(self, options.listen);
  const encoder = new TextEncoder();
  await runNode({
    loaded,
    self,
    listen: { host: view.hosts.get(host)?.[0] ?? host, port },
    engine: options.engine,
    status: { socket: options.statusSocket, http: options.http },
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
