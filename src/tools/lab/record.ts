/**
 * What a lab has made, written down before it is made: after a lab that was
 * killed, the next one or `lab --down` removes what is recorded, and nothing else.
 */

import { RunError } from "../../base/errors.ts";
import { readKernelFile } from "../../host/sysctl.ts";
import { ensureSocketDirectory, RUN_DIR } from "../../status/socket.ts";

const LABS_DIR = `${RUN_DIR}/lab`;
const FORMAT = "tunnet-lab/1";
const STAT_MAX_BYTES = 4096;
const SUFFIX = ".json";

/** A process, told from later ones of the same number by when it started. */
export interface ProcessId {
  readonly pid: number;
  /** In clock ticks since boot, as /proc/PID/stat has it. */
  readonly started: string;
}

/** One lab. */
export interface LabRecord {
  readonly format: typeof FORMAT;
  /** What its namespaces are called after. */
  readonly id: string;
  /** On lo of its namespaces. */
  readonly mark: string;
  /** Who makes it and removes it again; null once it is kept. */
  readonly owner: ProcessId | null;
  readonly namespaces: readonly string[];
  /** What it has started; none runs before it is written here. */
  readonly processes: readonly ProcessId[];
  /** Name of the nodes' devices. */
  readonly device: string;
  /** Directories outside of the lab's own. */
  readonly directories: readonly string[];
}

/** When a process started; undefined if there is none, or nobody but its parent to tell it ended. */
function startOf(pid: number): string | undefined {
  // The name, which may hold anything, is in brackets; fields 3 (state) and 22 follow (proc(5)).
  const fields = readKernelFile(`/proc/${pid}/stat`, STAT_MAX_BYTES)?.replace(/^.*\)/s, "").trim()
    .split(" ");
  return fields?.[0] === "Z" ? undefined : fields?.[19];
}

/** A process that runs now. */
export function processId(pid: number): ProcessId {
  return { pid, started: startOf(pid) ?? "" };
}

/** Whether a process still runs. */
export function isRunning({ pid, started }: ProcessId): boolean {
  return startOf(pid) === started;
}

/** A new lab's record. */
export function newRecord(
  parts: Pick<LabRecord, "id" | "namespaces" | "device" | "directories">,
): LabRecord {
  const mark = `tunnet-lab ${crypto.randomUUID()}`;
  return { format: FORMAT, mark, owner: processId(Deno.pid), processes: [], ...parts };
}

/** The directory of a lab's config and logs. */
export function labDirectory(id: string): string {
  return `${LABS_DIR}/${id}`;
}

function recordFile(id: string): string {
  return `${labDirectory(id)}${SUFFIX}`;
}

/**
 * Writes a record, whole or not at all, and makes the lab's directory after it. Throws a RunError
 * where others may write in /run/tunnet.
 */
export function writeRecord(record: LabRecord): void {
  ensureSocketDirectory(RUN_DIR, Deno.uid() ?? 0);
  Deno.mkdirSync(LABS_DIR, { recursive: true, mode: 0o700 });
  const file = recordFile(record.id);
  Deno.writeTextFileSync(`${file}.new`, JSON.stringify(record), { mode: 0o600 });
  Deno.renameSync(`${file}.new`, file);
  Deno.mkdirSync(labDirectory(record.id), { recursive: true, mode: 0o700 });
}

/** Removes what a lab has on disk, its record last. */
export function removeRecord({ id, directories }: LabRecord): void {
  for (const path of [...directories, labDirectory(id), recordFile(id)]) {
    try {
      Deno.removeSync(path, { recursive: true });
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

function readRecord(id: string): LabRecord {
  const file = recordFile(id);
  try {
    const record: LabRecord = JSON.parse(Deno.readTextFileSync(file));
    if (record.format === FORMAT && record.id === id) return record;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new RunError({ what: `${file} is no record of this version`, how: `rm ${file}` });
}

/** The records of all labs on this host. */
export function readRecords(): readonly LabRecord[] {
  try {
    return [...Deno.readDirSync(LABS_DIR)].filter(({ name }) => name.endsWith(SUFFIX))
      .map(({ name }) => readRecord(name.slice(0, -SUFFIX.length)));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
