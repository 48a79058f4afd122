/** A node as a service: reload, what the service manager wants to know, the watched config. */

import type { Log } from "../base/log.ts";
import type { Time, Timer } from "../base/time.ts";
import { type Notifier, openNotifier, watchdogInterval_ms } from "./notify.ts";
import {
  type Capability,
  dropPrivileges,
  type Leave,
  leaveRoot,
  worksWith,
} from "../host/privileges.ts";
import { filterSyscalls } from "../host/seccomp.ts";
import { LaneWatchdog } from "./lane_watchdog.ts";
import { FileWatch } from "./watch.ts";

/** Reads an environment variable. */
const env = (name: string): string | undefined => Deno.env.get(name);

/** What is served: a node that is up, or coming up. */
export interface Served {
  readonly log: Log;
  /** The config's file, if there is one, and what to call where it came from. */
  readonly file: string | undefined;
  readonly source: string;
  readonly watchConfig: boolean;
  /** What is given up once the node is up. */
  readonly leave: Leave;
  readonly time: Time;
  /** Whether a device that is made again needs programs of its own. */
  readonly needsBpf: () => boolean;
  /** Tells when a reload begins and ends. */
  readonly onReload: (listener: { began(): void; ended(): void }) => void;
  readonly reload: () => Promise<unknown>;
  /** How many turns each running lane has made. */
  readonly turns: () => readonly number[];
  readonly wakeLanes: () => void;
  /** One line for the manager's `status`. */
  readonly describe: () => string;
}

/** The service around one node, between `start` and `close`. */
export class Service {
  readonly #notifier: Notifier;
  readonly #watchdog = new LaneWatchdog();
  #watch: FileWatch | undefined;
  #timers: Timer[] = [];
  #status = "";
  #started = false;
  /** A reload was asked for before the node was up. */
  #early = false;

  constructor(readonly node: Served) {
    const { log } = node;
    this.#notifier = openNotifier(env, (why) => log.warn("notify", why));
    node.onReload({
      began: () => this.#notifier.send({ kind: "reloading" }),
      ended: () => this.#ready(),
    });
    // From now on: what changes while the node comes up is read as soon as it is.
    if (node.watchConfig) this.#watchConfig();
  }

  /** The node is up: all has been opened that takes more than CAP_NET_ADMIN. */
  start(): void {
    const { node } = this;
    this.#started = true;
    this.#dropPrivileges();
    this.#ready();
    this.#timers = [node.time.every(STATUS_INTERVAL_MS, () => this.#report())];
    const watchdog_ms = watchdogInterval_ms(env, Deno.pid);
    if (watchdog_ms !== undefined) {
      this.#timers.push(node.time.every(watchdog_ms, () => this.#live()));
      this.#live();
    }
    if (node.leave === "root") {
      // Deno's thread that watches may not see a directory of root's any more; this one may.
      this.#timers.push(node.time.every(CONFIG_LOOK_INTERVAL_MS, () => this.#watch?.look()));
    }
    if (this.#early) this.reload();
  }

  /** Reads the config again; before the node is up, as soon as it is. */
  reload(): void {
    if (this.#started) void this.node.reload();
    else this.#early = true;
  }

  /** The node is going down. */
  stopping(): void {
    this.#end();
    this.#notifier.send({ kind: "stopping" });
  }

  /** Lets go of everything. */
  close(): void {
    this.#end();
    this.#notifier.close();
  }

  #end(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#watch?.close();
    this.#watch = undefined;
  }

  /** Keeps what making a lost device again takes, and reading the config once more. */
  #dropPrivileges(): void {
    const { log, file, leave } = this.node;
    if (leave === "nothing") return;
    if (leave === "root") leaveRoot(["netAdmin", "bpf", "dacReadSearch"]);
    const readable = file === undefined || worksWith(["netAdmin"], () => {
      // To open a pipe would be to wait for its writer.
      if (Deno.statSync(file).isFile) Deno.openSync(file).close();
    });
    const keep: Capability[] = ["netAdmin"];
    if (this.node.needsBpf()) keep.push("bpf");
    if (!readable) keep.push("dacReadSearch");
    const names = keep.map((name) => CAPABILITY_NAMES[name]).join(" and ");
    if (dropPrivileges(keep)) log.debug("privileges", `kept no capability but ${names}`);
    else log.warn("privileges", "could not give up the capabilities that are needed no more");
    if (!filterSyscalls()) log.debug("privileges", "there is no filter for system calls here");
  }

  #watchConfig(): void {
    const { log, file, source } = this.node;
    if (file === undefined) {
      log.warn("watch_config", `there is no file to watch (the config: ${source})`);
      return;
    }
    try {
      const onChange = () => {
        log.info("watch_config", `${file} has changed`);
        this.reload();
      };
      const onEnd = (why: string) =>
        log.warn("watch_config", `${file} is watched no more (${why}); SIGHUP reloads it`);
      this.#watch = new FileWatch(file, onChange, onEnd);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      log.warn("watch_config", `${file} cannot be watched (${why}); SIGHUP reloads it`);
    }
  }

  #ready(): void {
    this.#status = this.node.describe();
    this.#notifier.send({ kind: "ready", status: this.#status });
  }

  #live(): void {
    const { log, turns, wakeLanes } = this.node;
    if (this.#watchdog.alive(turns())) this.#notifier.send({ kind: "watchdog" });
    else {log.error(
        "watchdog",
        "a lane does not move: the service manager is not told we are alive",
      );}
    wakeLanes();
  }

  #report(): void {
    const status = this.node.describe();
    if (status === this.#status) return;
    this.#status = status;
    this.#notifier.send({ kind: "status", status });
  }
}

const CAPABILITY_NAMES: Readonly<Record<Capability, string>> = {
  netAdmin: "CAP_NET_ADMIN",
  bpf: "CAP_BPF",
  dacReadSearch: "CAP_DAC_READ_SEARCH",
};

/** How often a watched config is looked at where events may not come. */
const CONFIG_LOOK_INTERVAL_MS = 1_000;

/** How often it is looked whether the status line has changed. */
const STATUS_INTERVAL_MS = 1_000;
