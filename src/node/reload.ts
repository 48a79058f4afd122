/** Goes over to other members while the node runs. */

import type { Config, NodeConfig } from "../config/types.ts";
import type { Log } from "../base/log.ts";
import type { Time } from "../base/time.ts";
import type { Lanes } from "../dataplane/lanes/lanes.ts";
import type { HelloLoop } from "../peers/hello_loop.ts";
import { peersOf } from "../peers/plan.ts";
import type { Publisher } from "../peers/publish.ts";
import type { Registry } from "../peers/registry.ts";
import { type ResolveHost, resolveHosts, type ResolveLoop } from "../peers/resolve_loop.ts";
import type { MembersDiff, MemberSource, ReloadOutcome } from "../peers/source/source.ts";
import type { TunnelDevice } from "./tunnel_device.ts";

/** Hears when a reload begins and ends. */
export interface ReloadListener {
  began(): void;
  ended(): void;
}

/** Asks a source again, one time after the other. */
export class Reloader {
  listener: ReloadListener | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #waiting: Promise<ReloadOutcome> | undefined;
  /** Whether the last reading was taken over, and when one was, in milliseconds since 1970. */
  #read: { readonly ok: boolean; readonly success_ms: number };

  constructor(
    readonly source: MemberSource,
    readonly log: Log,
    readonly time: Pick<Time, "wall_ms">,
  ) {
    this.#read = { ok: true, success_ms: time.wall_ms() };
  }

  /** The last reading of the config: the start was one that went well. */
  get read(): { readonly ok: boolean; readonly success_ms: number } {
    return this.#read;
  }

  /**
   * Asks the source and logs what came of it. Runs after a reload that is under
   * way; several that wait are one.
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
    const { source, log, listener } = this;
    listener?.began();
    const outcome = await source.reload();
    listener?.ended();
    this.#read = {
      ok: outcome.ok,
      success_ms: outcome.ok ? this.time.wall_ms() : this.#read.success_ms,
    };
    if (!outcome.ok) {
      for (const line of outcome.lines) log.error("reload_failed", line);
      log.error("reload_failed", "the config was not reloaded: nothing has changed");
    }
    return outcome;
  }
}

/** The parts of a node that other members change. */
export interface ApplyParts {
  readonly registry: Registry;
  readonly device: Pick<TunnelDevice, "change" | "suits">;
  readonly lanes: Pick<Lanes, "clearPeer" | "macs">;
  readonly publisher: Pick<Publisher, "publishAll" | "publishChange" | "takenUp">;
  readonly resolver: Pick<ResolveLoop, "report">;
  readonly hellos: Pick<HelloLoop, "hello" | "announce">;
  readonly resolveHost: ResolveHost;
  /** Throws a ConfigError where a file that the config names cannot be used. */
  readonly checkFiles: (config: Config) => void;
  /** Brings in step what follows from the config and the device; the start does the same. */
  readonly bringInStep: () => void;
  /** The same where nodes have come and gone, and nothing else has changed. */
  readonly followNodes: () => void;
}

/** Goes over to a diff as far as a running node can. Throws a RunError; nothing has changed then. */
export async function applyMembers(parts: ApplyParts, diff: MembersDiff): Promise<void> {
  const { registry, device, lanes, publisher, resolver, hellos, resolveHost } = parts;
  parts.checkFiles(diff.config);
  if (device.suits(diff)) return await applyNodes(parts, diff);
  const known = new Map(registry.peers.map(({ name, node }) => [name, node.endpoint.host]));
  const hosts = peersOf(diff.config, diff.self)
    .filter(({ name, endpoint }) => known.get(name) !== endpoint.host)
    .map(({ endpoint }) => endpoint.host);
  const resolved = await resolveHosts(hosts, resolveHost);
  // New kernel routes are there before packets are expected, old ones as long as they are sent.
  const prune = device.change(diff.config, diff.self, registry.preview(diff, resolved));
  if (!registry.hasRoomFor(diff)) await removeFirst(parts, diff);
  const { added, removed, moved } = registry.apply(diff, resolved);
  for (const { index } of added) lanes.clearPeer(index);
  parts.bringInStep();
  await publisher.takenUp();
  for (const { index } of removed) lanes.macs?.forgetPeer(index);
  registry.release();
  prune();
  resolver.report();
  hellos.announce();
  for (const peer of [...added, ...moved]) hellos.hello(peer);
}

/**
 * Goes over to a diff that leaves the device as it is: its cost is that of the nodes that differ, and
 * of the table of routes. A fleet changes many times a second.
 */
async function applyNodes(parts: ApplyParts, diff: MembersDiff): Promise<void> {
  const { registry, lanes, publisher, resolver, hellos, resolveHost } = parts;
  const hostOf = ({ endpoint: { host } }: NodeConfig) => host;
  const resolved = await resolveHosts([...diff.added, ...diff.changed].map(hostOf), resolveHost);
  if (!registry.hasRoomFor(diff)) await removeFirst(parts, diff);
  const change = registry.apply(diff, resolved);
  for (const { index } of change.added) lanes.clearPeer(index);
  parts.followNodes();
  publisher.publishChange(change);
  await publisher.takenUp();
  registry.release();
  resolver.report();
  for (const peer of [...change.added, ...change.moved]) hellos.hello(peer);
}

/** Frees the indexes of peers that are gone before new ones take them. */
async function removeFirst({ registry, publisher }: ApplyParts, diff: MembersDiff): Promise<void> {
  const { config, self } = registry;
  const stays = new Set(diff.config.nodes.map(({ name }) => name));
  const nodes = config.nodes.filter((node) => node === self || stays.has(node.name));
  registry.apply({ ...diff, config: { ...config, nodes }, self, changed: [] }, new Map());
  publisher.publishAll();
  await publisher.takenUp();
  registry.release();
}
