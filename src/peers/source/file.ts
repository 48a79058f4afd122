/** Members from a file, which is read again when somebody asks for it. */

import { ConfigError, EXIT, RunError, UsageError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { Endpoint, LoadedConfig, NodeConfig } from "../../config/types.ts";
import type { Mode } from "../../wire/mode.ts";
import { compareMembers, type Difference, differenceText, type FileMembers } from "./difference.ts";
import { membersDiff, type MemberSource, type OnChange, type ReloadOutcome } from "./source.ts";

/** A file that was read again. */
export interface Reread {
  readonly loaded: LoadedConfig;
  readonly self: NodeConfig;
  readonly endpoint: Endpoint;
}

/** Reads the file again and finds the running node in it. Throws a ConfigError or UsageError. */
export type LoadFile = (running: NodeConfig) => Promise<Reread>;

/** A file between two of its readings. */
export class FileSource implements MemberSource {
  #running: FileMembers;
  #onChange: OnChange = () => Promise.resolve();

  constructor(running: FileMembers, readonly load: LoadFile, readonly log: Log) {
    this.#running = running;
  }

  watch(onChange: OnChange): void {
    this.#onChange = onChange;
  }

  async reload(): Promise<ReloadOutcome> {
    try {
      const { loaded, self, endpoint } = await this.load(this.#running.self);
      this.#checkMode(loaded.config.mode);
      const difference = compareMembers(this.#running, { config: loaded.config, self, endpoint });
      const { device, mode, bridge } = this.#running.config;
      const wanted = { self, config: { ...loaded.config, device, mode, bridge } };
      await this.#onChange(membersDiff(this.#running, wanted));
      this.#running = { ...wanted, endpoint: this.#running.endpoint };
      return this.#report(loaded, difference);
    } catch (error) {
      return this.#failed(error);
    }
  }

  /** A config says other things in the other mode: none of it can be followed. */
  #checkMode(wanted: Mode): void {
    const { mode } = this.#running.config;
    if (mode === wanted) return;
    const why = `this node runs in mode ${mode}, and the mode cannot change while it runs`;
    throw new RunError({ what: `the config is for mode ${wanted}`, why, how: "a restart" });
  }

  #report({ source, warnings }: LoadedConfig, difference: Difference): ReloadOutcome {
    const { log } = this;
    const { left, ...fields } = difference;
    for (const warning of warnings) log.warn("config", warning);
    for (const line of left) log.warn("reload_left", line);
    const text = `reloaded ${source}: ${differenceText(difference)}`;
    log.info("reloaded", text, { ...fields });
    return { ok: true, exitCode: 0, lines: [text, ...left, ...warnings] };
  }

  /** A node that runs goes on whatever happens here. */
  #failed(error: unknown): ReloadOutcome {
    const message = error instanceof Error ? error.message : String(error);
    const known = error instanceof ConfigError || error instanceof UsageError ||
      error instanceof RunError;
    return known
      ? { ok: false, exitCode: error.exitCode, lines: message.split("\n") }
      : { ok: false, exitCode: EXIT.failed, lines: [`this is a bug in tunnet: ${message}`] };
  }
}
