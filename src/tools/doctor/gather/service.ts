/** What of the service is on this host. */

import { readKernelFile } from "../../../host/sysctl.ts";
import { SERVICE } from "../../setup/systemd.ts";
import type { ServiceFacts } from "../facts.ts";

/** The link by which systemd starts it with the host (systemctl(1), enable). */
const WANTED = "/etc/systemd/system/multi-user.target.wants/tunnet.service";

const exists = (path: string) => readKernelFile(path, 1) !== undefined;

/** Looks at the files of the service. */
export function readService(): ServiceFacts {
  const unit = exists(WANTED) ? "enabled" : exists(SERVICE.unit) ? "disabled" : "none";
  return { unit, prepare: exists(SERVICE.prepare) };
}
