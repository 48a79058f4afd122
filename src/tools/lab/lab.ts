/** A lab: namespaces, one tunnet process per node, and the removal of all of it. */

import { RunError } from "../../base/errors.ts";
import { netnsNames, netnsPath } from "../../host/netns.ts";
import { isOfNamespace, RUN_DIR } from "../../status/socket.ts";
import { endAll, LabProcess } from "./process.ts";
import {
  isRunning,
  labDirectory,
  type LabRecord,
  newRecord,
  processId,
  readRecords,
  removeRecord,
  writeRecord,
} from "./record.ts";
import { LabThread } from "./thread.ts";
import { type LabNode, type LabPlan, namespacesOf } from "./topology.ts";

/** The network namespace of the main thread, which never leaves it. */
const OUTSIDE = "/proc/self/ns/net";

/** Removes sockets that nodes which were killed have left. */
function removeSockets(namespaces: readonly string[]): void {
  for (const { name } of Deno.readDirSync(RUN_DIR)) {
    if (namespaces.some((one) => isOfNamespace(name, one))) Deno.removeSync(`${RUN_DIR}/${name}`);
  }
}

/**
 * Removes what a lab has made and its record names: processes, namespaces that bear its mark,
 * sockets, files. The names of namespaces that do not bear it, and stay.
 */
async function removeRecorded(
  record: LabRecord,
  thread: LabThread,
  sweepPods: (record: LabRecord) => Promise<void>,
): Promise<readonly string[]> {
  await endAll(record.processes);
  await sweepPods(record);
  const left = await thread.call("remove", record.namespaces, record.mark);
  removeSockets(record.namespaces.filter((name) => !left.includes(name)));
  removeRecord(record);
  return left;
}

/** What removing labs came to. */
export interface Removed {
  readonly ids: readonly string[];
  /** Namespaces of recorded names that the labs have not made. */
  readonly left: readonly string[];
}

/**
 * Removes labs that nobody ends any more: those whose process was killed, and with `kept` also the
 * one that was kept. `sweepPods` removes what only the pods know of.
 */
export async function removeLabs(
  workerUrl: string,
  kept: boolean,
  sweepPods: (record: LabRecord) => Promise<void>,
): Promise<Removed> {
  const records = readRecords().filter(({ owner }) => owner === null ? kept : !isRunning(owner));
  if (records.length === 0) return { ids: [], left: [] };
  using thread = new LabThread(workerUrl);
  const left: string[] = [];
  for (const record of records) left.push(...await removeRecorded(record, thread, sweepPods));
  return { ids: records.map(({ id }) => id), left };
}

/** What a lab is made from. */
export interface LabParts {
  readonly id: string;
  readonly plan: LabPlan;
  /** Name of the nodes' devices. */
  readonly device: string;
  /** Directories outside of the lab's own that it removes at its end. */
  readonly directories: readonly string[];
  /** What a user types to remove a lab that was kept. */
  readonly down: string;
  readonly workerUrl: string;
}

/** One lab, from before anything is made until everything is removed. */
export class Lab {
  readonly plan: LabPlan;
  readonly processes: LabProcess[] = [];
  readonly #thread: LabThread;
  #record: LabRecord;
  #ending = false;

  /**
   * Records what is about to be made. Throws a RunError, and changes nothing, if a lab of this id
   * or a namespace of one of its names exists.
   */
  constructor(readonly parts: LabParts) {
    this.plan = parts.plan;
    if (readRecords().some(({ id }) => id === parts.id)) {
      throw new RunError({ what: "there is a lab already", how: parts.down });
    }
    const namespaces = namespacesOf(parts.plan);
    const taken = netnsNames().find((name) => namespaces.includes(name));
    if (taken !== undefined) {
      throw new RunError({
        what: `the namespace name ${taken} is taken`,
        why: "the lab would call one so, and it did not make this one",
        how: `ip netns del ${taken}, if nobody needs it`,
      });
    }
    const { id, device, directories } = parts;
    this.#record = newRecord({ id, device, directories, namespaces });
    writeRecord(this.#record);
    this.#thread = new LabThread(parts.workerUrl);
  }

  /** The directory for its config and logs. */
  get directory(): string {
    return labDirectory(this.parts.id);
  }

  /** Makes the namespaces and the network in them. */
  async build(): Promise<void> {
    await this.#thread.call("build", this.plan.steps, this.#record.mark);
  }

  /** Starts a command in a node's namespace. */
  startOn({ name, namespace }: LabNode, command: readonly string[]): Promise<LabProcess> {
    return this.#start(netnsPath(namespace), name, command);
  }

  /** Starts a command outside, in this process's own namespace. */
  startOutside(name: string, command: readonly string[]): Promise<LabProcess> {
    return this.#start(OUTSIDE, name, command);
  }

  async #start(path: string, name: string, command: readonly string[]): Promise<LabProcess> {
    if (this.#ending) throw new RunError({ what: "the lab ends" });
    const log = `${this.directory}/${name}.log`;
    const pid = await this.#thread.call("start", path, command, log);
    const processes = [...this.#record.processes, processId(pid)];
    writeRecord(this.#record = { ...this.#record, processes });
    const started = new LabProcess(name, { pid, status: this.#thread.call("ended", pid) }, log);
    this.processes.push(started);
    await this.#thread.call("release", pid);
    return started;
  }

  /** Leaves the lab to whoever ends it by `lab --down`. */
  keep(): void {
    writeRecord(this.#record = { ...this.#record, owner: null });
    this.#thread[Symbol.dispose]();
  }

  /** Ends the nodes; no other starts any more. */
  async stop(): Promise<void> {
    this.#ending = true;
    await Promise.all(this.processes.map((process) => process.stop()));
  }

  /** Removes everything. */
  async remove(): Promise<void> {
    await this.stop();
    await removeRecorded(this.#record, this.#thread, () => Promise.resolve());
    this.#thread[Symbol.dispose]();
  }
}
