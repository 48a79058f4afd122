/** `tunnet doctor`: what on this host would stop tunnet, and what mends it. */

import { findSelf } from "../config/self.ts";
import { gatherFacts } from "../tools/doctor/gather/facts.ts";
import { judge } from "../tools/doctor/judge.ts";
import { allWell, reportJson, reportText } from "../tools/doctor/report.ts";
import { EXIT } from "../base/errors.ts";
import type { DoctorOptions } from "./parse/args.ts";
import type { Here } from "./here.ts";
import { jsonText, type Output } from "./output.ts";

/** Looks at everything; exit status 1 if something must be mended. Throws UsageError as findSelf. */
export async function doctor({ loaded, view }: Here, options: DoctorOptions): Promise<Output> {
  const self = findSelf(loaded, view, options.node);
  const checks = judge(await gatherFacts(loaded, self));
  const colour = Deno.stdout.isTerminal() && !Deno.noColor;
  return {
    stdout: options.json ? jsonText(reportJson(self, checks)) : reportText(self, checks, colour),
    exitCode: allWell(checks) ? 0 : EXIT.failed,
  };
}
