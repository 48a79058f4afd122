/** `tunnet doctor`: what on this host would stop tunnet, and what fixes it. */

import { EXIT } from "../base/errors.ts";
import { NoConfigError } from "../config/load.ts";
import { findSelf } from "../config/self.ts";
import { lookAtEtcd } from "../tools/doctor/gather/etcd.ts";
import { gatherFacts } from "../tools/doctor/gather/facts.ts";
import type { Check } from "../tools/doctor/check.ts";
import { hasNetAdmin, tryTunDevice } from "../tools/doctor/gather/host.ts";
import { judge, judgeHost } from "../tools/doctor/judge.ts";
import { allWell, reportJson, reportText } from "../tools/doctor/report.ts";
import type { Options } from "./commands.ts";
import { loadHere, warnOf } from "./here.ts";
import { colourful, jsonText, say } from "./output.ts";

/** Looks at everything; exit status 1 if something must be fixed. Throws UsageError as findSelf. */
export async function runDoctor(options: Options["doctor"]): Promise<number> {
  const here = await loadHere(options).catch((error) => {
    if (error instanceof NoConfigError) return undefined;
    throw error;
  });
  if (!here) {
    const checks = judgeHost({ netAdmin: hasNetAdmin(), tunDevice: tryTunDevice() });
    return tell({ name: "this host" }, checks, options.json);
  }
  warnOf(here);
  const { etcd } = here.loaded.config;
  const look = etcd && await lookAtEtcd(here.loaded, etcd, options.privateKeyFile);
  const self = look?.self ?? findSelf(here.loaded, here.view, options.node);
  const loaded = look?.loaded ?? here.loaded;
  const checks = judge(await gatherFacts(loaded, self, options.privateKeyFile, look?.facts));
  return tell(self, checks, options.json);
}

function tell(self: { readonly name: string }, checks: readonly Check[], json: boolean): number {
  say(json ? jsonText(reportJson(self, checks)) : reportText(self, checks, colourful()));
  return allWell(checks) ? 0 : EXIT.failed;
}
