/** Members from a file, which is read again when somebody asks for it. */

import { ConfigError, EXIT, RunError, UsageError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { equalBytes } from "../../wire/keys.ts";
import type { Config, Endpoint, LoadedConfig, NodeConfig } from "../../config/types.ts";
import type { Mode } from "../../wire/mode.ts";
import {
  type ChangedNames,
  changedNames,
  changedSettings,
  changesText,
  type FileMembers,
  leftAsIs,
} from "./difference.ts";
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

  close(): void {}

  async reload(): Promise<ReloadOutcome> {
    const running = this.#running;
    try {
      const { loaded, self, endpoint } = await this.load(running.self);
      this.#checkMode(loaded.config.mode);
      this.#checkPort(loaded.config.port);
      this.#checkKeys(loaded.config, self);
      const { device, mode, bridge, service } = running.config;
      const wanted = { self, config: { ...loaded.config, device, mode, bridge, service } };
      const diff = membersDiff(running, wanted);
      await this.#onChange(diff);
      this.#running = { ...wanted, endpoint: running.endpoint };
      const left = leftAsIs(running, { config: loaded.config, self, endpoint });
      return this.#report(loaded, changedNames(diff, changedSettings(running, wanted)), left);
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

  /** The peers would be expected where none of them listens. */
  #checkPort(wanted: number): void {
    const { port } = this.#running.config;
    if (port === wanted) return;
    const why = `this node listens on ${port}, and the port cannot change while it runs`;
    throw new RunError({ what: `the config says port ${wanted}`, why, how: "a restart" });
  }

  /** Peers' keys come and go; what this node itself is known by does not. */
  #checkKeys({ keys }: Config, { keys: own }: NodeConfig): void {
    const { config, self } = this.#running;
    const how = "a restart";
    if ((config.keys === undefined) !== (keys === undefined)) {
      const what = keys ? "the config has keys now" : "the config has no keys any more";
      throw new RunError({ what, why: "a node seals or does not for as long as it runs", how });
    }
    if (!own || !self.keys || equalBytes(own.publicKey, self.keys.publicKey)) return;
    const why = "its key cannot change while it runs";
    throw new RunError({ what: "the config has another public_key for this node", why, how });
  }

  #report(
    { source, warnings }: LoadedConfig,
    changes: ChangedNames,
    left: readonly string[],
  ): ReloadOutcome {
    const { log } = this;
    for (const warning of warnings) log.warn("config", warning);
    for (const line of left) log.warn("reload_left", line);
    const text = `reloaded ${source}: ${changesText(changes)}`;
    log.info("reloaded", text, { ...changes });
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
