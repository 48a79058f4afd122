/** Members that are given once: on the command line, or inside the executable. Pure. */

import { EXIT } from "../../base/errors.ts";
import type { MemberSource, ReloadOutcome } from "./source.ts";

/** A source that never changes. `name` says where the members come from. */
export class InlineSource implements MemberSource {
  constructor(readonly name: string) {}

  watch(): void {}

  close(): void {}

  reload(): Promise<ReloadOutcome> {
    return Promise.resolve({
      ok: false,
      exitCode: EXIT.failed,
      lines: [`there is nothing to reload (the config: ${this.name})`],
    });
  }
}
