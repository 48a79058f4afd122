/** Takes a stream of pcapng apart into whole blocks, and counts its packets. Pure. */

import { BLOCK, OPTION } from "./pcapng.ts";

/** The shortest block, and the longest that a capture of ours can hold: a packet and its comment. */
const BLOCK_MIN_BYTES = 12;
const BLOCK_MAX_BYTES = 1 << 20;

/** Where the options of a block of statistics begin, and those of one option. */
const STATISTICS_OPTIONS_AT = 20;

/** A reader of one capture that another process writes. */
export class BlockReader {
  packets = 0;
  readonly #lost = new Map<number, number>();
  #rest: Uint8Array<ArrayBuffer> = new Uint8Array(0);

  /** Packets that are missing, as far as the statistics tell. */
  get lost(): number {
    return [...this.#lost.values()].reduce((sum, count) => sum + count, 0);
  }

  /**
   * The whole blocks up to now that were not handed out before, no more than fit `packets_max`
   * packets in all. Throws an Error for what is no pcapng.
   */
  take(chunk: Uint8Array, packets_max = Infinity): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.#rest.length + chunk.length);
    bytes.set(this.#rest);
    bytes.set(chunk, this.#rest.length);
    const view = new DataView(bytes.buffer);
    let at = 0;
    while (at + 8 <= bytes.length && this.packets < packets_max) {
      const type = view.getUint32(at, true);
      const size = view.getUint32(at + 4, true);
      if (size < BLOCK_MIN_BYTES || size > BLOCK_MAX_BYTES || size % 4 !== 0) {
        throw new Error("what comes is no capture");
      }
      if (at + size > bytes.length) break;
      if (type === BLOCK.enhancedPacket) this.packets++;
      if (type === BLOCK.interfaceStatistics) this.#statistics(view, at, size);
      at += size;
    }
    this.#rest = bytes.slice(at);
    return bytes.subarray(0, at);
  }

  #statistics(view: DataView, start: number, size: number): void {
    const index = view.getUint32(start + 8, true);
    const end = start + size - 4;
    for (let at = start + STATISTICS_OPTIONS_AT; at + 4 <= end;) {
      const code = view.getUint16(at, true);
      const length = view.getUint16(at + 2, true);
      if (code === OPTION.dropped && length === 8 && at + 12 <= end) {
        this.#lost.set(index, Number(view.getBigUint64(at + 4, true)));
      }
      at += 4 + (length + 3 & ~3);
    }
  }
}
