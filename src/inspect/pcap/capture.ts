/** A capture on its way to a file or to standard output, with rotation by size. */

import { RunError, UsageError } from "../../base/errors.ts";
import { CAPTURE_QUEUE_BYTES, DRAIN_TIMEOUT_MS } from "../../base/limits.ts";
import { OutputQueue } from "../../base/output_queue.ts";
import { CaptureBlocks } from "./blocks.ts";
import type { PcapInterface, PcapPacket } from "./pcapng.ts";

/** Where a capture goes. */
export interface CaptureOptions {
  /** A file, or `-` for standard output. */
  readonly path: string;
  /** A file that would grow beyond this is set aside and begun anew; undefined: never. */
  readonly size_bytes?: number | undefined;
  /** Files kept, the current one included. */
  readonly files: number;
}

/** `lab.pcapng` set aside is `lab.1.pcapng`, the one before it `lab.2.pcapng`. */
export function rotatedName(path: string, age: number): string {
  const [, stem, extension] = /^(.*?)(\.[A-Za-z0-9]+)?$/s.exec(path)!;
  return stem === "" || stem!.endsWith("/") ? `${path}.${age}` : `${stem}.${age}${extension ?? ""}`;
}

async function openFile(path: string): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path, { write: true, create: true, truncate: true, mode: 0o600 });
  } catch (error) {
    throw cannotWrite(path, error);
  }
}

function cannotWrite(path: string, error: unknown): RunError {
  const why = error instanceof Error ? error.message : String(error);
  return new RunError({ what: `cannot write the capture ${path}`, why });
}

/** A pcapng capture. A slow disk or reader costs packets of the capture, and is never waited for. */
export class Capture {
  readonly #blocks: CaptureBlocks;
  readonly #queue: OutputQueue;
  #file: Deno.FsFile | undefined;
  #size_bytes: number;

  private constructor(
    readonly options: CaptureOptions,
    interfaces: readonly PcapInterface[],
    application: string,
    file: Deno.FsFile | undefined,
    onFailure: (error: unknown) => void,
  ) {
    this.#file = file;
    this.#blocks = new CaptureBlocks(interfaces, application);
    this.#queue = new OutputQueue(
      (bytes) => (this.#file ?? Deno.stdout).write(bytes),
      CAPTURE_QUEUE_BYTES,
      (error) =>
        // Whoever reads our output may go: that is for the caller to judge.
        onFailure(
          error instanceof Deno.errors.BrokenPipe || error instanceof RunError
            ? error
            : cannotWrite(options.path, error),
        ),
    );
    this.#size_bytes = this.#blocks.head.length;
    this.#queue.push(this.#blocks.head);
  }

  /**
   * Opens the file. Throws a RunError where it cannot be written, a UsageError
   * where the capture would go to a terminal. `onFailure` hears of an error later on.
   */
  static async open(
    options: CaptureOptions,
    interfaces: readonly PcapInterface[],
    application: string,
    onFailure: (error: unknown) => void,
  ): Promise<Capture> {
    if (options.path === "-" && Deno.stdout.isTerminal()) {
      throw new UsageError({
        what: "--pcap - would write binary data to the terminal",
        how: "--pcap - | tshark -r -, or --pcap FILE",
      });
    }
    const file = options.path === "-" ? undefined : await openFile(options.path);
    return new Capture(options, interfaces, application, file, onFailure);
  }

  /** Packets that the writer had no room for. */
  get dropped(): number {
    return this.#queue.dropped;
  }

  /** Adds a packet. */
  packet(packet: PcapPacket): void {
    this.#blocks.packet(packet, (block) => {
      this.#rotateFor(block.length);
      const taken = this.#queue.push(block);
      if (taken) this.#size_bytes += block.length;
      return taken;
    });
  }

  /** Notes packets that were lost before they came here. */
  lost(index: number, packets: number): void {
    this.#blocks.lost(index, packets);
  }

  /** Ends the capture; waits for the writer, but not for ever. */
  async close(): Promise<void> {
    for (const block of this.#blocks.statistics(Date.now())) this.#queue.push(block);
    await this.#queue.drain(DRAIN_TIMEOUT_MS);
    this.#file?.close();
    this.#file = undefined;
  }

  #rotateFor(block_bytes: number): void {
    const { size_bytes } = this.options;
    if (size_bytes === undefined || this.#file === undefined) return;
    if (this.#size_bytes + block_bytes <= size_bytes) return;
    this.#size_bytes = this.#blocks.head.length;
    this.#queue.between(() => this.#rotate());
  }

  async #rotate(): Promise<void> {
    const { path, files } = this.options;
    this.#file?.close();
    this.#file = undefined;
    for (let age = files - 1; age >= 1; age--) {
      const from = age === 1 ? path : rotatedName(path, age - 1);
      try {
        await Deno.rename(from, rotatedName(path, age));
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw cannotWrite(path, error);
      }
    }
    this.#file = await openFile(path);
    const { head } = this.#blocks;
    for (let at = 0; at < head.length;) {
      at += await this.#file.write(head.subarray(at));
    }
  }
}
