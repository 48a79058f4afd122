/** `tunnet doctor`: what on this host would stop tunnet, and what fixes it. */

import { EXIT } from "../base/errors.ts";
import { findSelf } from "../config/self.ts";
import { lookAtEtcd } from "../tools/doctor/gather/etcd.ts";
import { gatherFacts } from "../tools/doctor/gather/facts.ts";
import { judge } from "../tools/doctor/judge.ts";
import { allWell, reportJson, reportText } from "../tools/doctor/report.ts";
import type { Options } from "./commands.ts";
import { loadHere, warnOf } from "./here.ts";
import { colourful, jsonText, say } from "./output.ts";

/** Looks at everything; exit status 1 if something must be fixed. Throws UsageError as findSelf. */
export async function runDoctor(options: Options["doctor"]): Promise<number> {
  const here = await loadHere(options);
  warnOf(here);
  const { etcd } = here.loaded.config;
  const look = etcd && await lookAtEtcd(here.loaded, etcd, options.privateKeyFile);
  const self = look?.self ?? findSelf(here.loaded, here.view, options.node);
  const loaded = look?.loaded ?? here.loaded;
  const checks = judge(await gatherFacts(loaded, self, options.privateKeyFile, look?.facts));
  say(options.json ? jsonText(reportJson(self, checks)) : reportText(self, checks, colourful()));
  return allWell(checks) ? 0 : EXIT.failed;
}
