/** Goes over to a new config while the node runs. */

import type { Mode } from "../wire/mode.ts";
import { ConfigError, EXIT, RunError, UsageError } from "../base/errors.ts";
import { resolveHost } from "../peers/resolve.ts";
import type { ReloadOutcome } from "../status/reload.ts";
import { compareSetups, type Difference, differenceText, type Setup } from "../peers/difference.ts";
import { resolveHosts } from "../peers/resolve_loop.ts";
import { enableForwarding } from "../host/ip_forward.ts";
import type { Lanes } from "../dataplane/lanes/lanes.ts";
import type { Liveness } from "../peers/liveness.ts";
import type { Publisher } from "../peers/publish.ts";
import type { Follower } from "../peers/resolve_loop.ts";
import type { Roster } from "../peers/roster.ts";
import type { NodeOptions } from "./options.ts";
import type { TunnelDevice } from "./tunnel_device.ts";

/** The parts of a node that a reload changes. */
export interface ReloadParts {
  readonly options: NodeOptions;
  readonly roster: Roster;
  readonly device: TunnelDevice;
  readonly supervisor: Lanes;
  readonly publisher: Publisher;
  readonly follower: Follower;
  readonly liveness: Liveness;
}

/** Hears when a reload begins and ends. */
export interface ReloadListener {
  began(): void;
  ended(): void;
}

const failed = (exitCode: number, ...lines: string[]): ReloadOutcome => ({
  ok: false,
  exitCode,
  lines,
});

/** Reloads a node's config, one time after the other. */
export class Reloader {
  /** What the node runs by. */
  #running: Setup;
  listener: ReloadListener | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #waiting: Promise<ReloadOutcome> | undefined;

  constructor(readonly node: ReloadParts) {
    const { loaded: { config }, self, endpoint } = node.options;
    this.#running = { config, self, endpoint };
  }

  /**
   * Reads the config again and goes over to it, and logs what came of it. Runs
   * after a reload that is under way; several that wait are one.
   */
  reload(): Promise<ReloadOutcome> {
    if (this.#waiting) return this.#waiting;
    const next = this.#last.then(() => {
      this.#waiting = undefined;
      return this.#once();
    });
    this.#waiting = next;
    this.#last = next.catch(() => {});
    return next;
  }

  async #once(): Promise<ReloadOutcome> {
    const { log } = this.node.options;
    this.listener?.began();
    const outcome = await this.#attempt();
    this.listener?.ended();
    if (!outcome.ok) {
      for (const line of outcome.lines) log.error("reload_failed", line);
      log.error("reload_failed", "the config was not reloaded: nothing has changed");
    }
    return outcome;
  }

  async #attempt(): Promise<ReloadOutcome> {
    const { load, loaded: { source } } = this.node.options;
    if (!load) return failed(EXIT.failed, `there is nothing to reload (the config: ${source})`);
    try {
      const { loaded, ...wanted } = await load(this.#running.self);
      this.#checkMode(loaded.config.mode);
      const difference = compareSetups(this.#running, { ...wanted, config: loaded.config });
      await this.#apply({ ...wanted, config: loaded.config });
      return this.#report(loaded.source, loaded.warnings, difference);
    } catch (error) {
      const known = error instanceof ConfigError || error instanceof UsageError ||
        error instanceof RunError;
      if (known) return failed(error.exitCode, ...error.message.split("\n"));
      // A node that runs goes on whatever happens here.
      const message = error instanceof Error ? error.message : String(error);
      return failed(EXIT.failed, `this is a bug in tunnet: ${message}`);
    }
  }

  /** A config says other things in the other mode: none of it can be followed. */
  #checkMode(wanted: Mode): void {
    const { mode } = this.#running.config;
    if (mode === wanted) return;
    const why = `this node runs in mode ${mode}, and the mode cannot change while it runs`;
    throw new RunError({ what: `the config is for mode ${wanted}`, why, how: "a restart" });
  }

  #report(source: string, warnings: readonly string[], difference: Difference): ReloadOutcome {
    const { log } = this.node.options;
    const { left, ...fields } = difference;
    for (const warning of warnings) log.warn("config", warning);
    for (const line of left) log.warn("reload_left", line);
    const text = `reloaded ${source}: ${differenceText(difference)}`;
    log.info("reloaded", text, { ...fields });
    return { ok: true, exitCode: 0, lines: [text, ...left, ...warnings] };
  }

  /** Goes over to a setup as far as a running node can. Throws a RunError; nothing has changed then. */
  async #apply(wanted: Setup): Promise<void> {
    const { roster, device, publisher, supervisor, follower, liveness, options } = this.node;
    const { device: name, mode, bridge } = this.#running.config;
    const config = { ...wanted.config, device: name, mode, bridge };
    const { self } = wanted;
    const known = new Map(roster.peers.map(({ name, node }) => [name, node.endpoint.host]));
    const elsewhere = config.nodes.filter(({ name, endpoint: { host } }) =>
      known.get(name) !== host
    );
    const hosts = elsewhere.map(({ endpoint }) => endpoint.host);
    const resolved = await resolveHosts(hosts, resolveHost);
    // New kernel routes stand before packets are expected, old ones as long as they are sent.
    const prune = device.change(config, self, roster.preview(config, self, resolved));
    if (roster.newcomers(config, self).length > roster.room) await this.#makeRoom(config.nodes);
    const { added, removed, moved } = roster.replace(config, self, resolved);
    for (const { index } of added) supervisor.clearPeer(index);
    await publisher.settle();
    for (const { index } of removed) supervisor.macs?.forgetPeer(index);
    roster.release();
    prune();
    this.#running = { config, self, endpoint: this.#running.endpoint };
    device.describe();
    if (options.sysctl) enableForwarding(self, options.log);
    follower.report();
    liveness.announce();
    for (const peer of [...added, ...moved]) liveness.hello(peer);
  }

  /** Frees the indexes of nodes that are gone before new ones take them. */
  async #makeRoom(nodes: Setup["config"]["nodes"]): Promise<void> {
    const { roster, publisher } = this.node;
    const { config, self } = roster;
    const stays = new Set(nodes.map(({ name }) => name));
    const kept = config.nodes.filter((node) => node === self || stays.has(node.name));
    roster.replace({ ...config, nodes: kept }, self, new Map());
    await publisher.settle();
    roster.release();
  }
}
