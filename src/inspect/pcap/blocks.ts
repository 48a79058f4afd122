/** The blocks of one capture, and the counts that end it. Pure. */

import {
  encodeInterface,
  encodePacket,
  encodeSectionHeader,
  encodeStatistics,
  type PcapInterface,
  type PcapPacket,
} from "./pcapng.ts";

/** Makes the blocks of a capture, in the order in which they are asked for. */
export class CaptureBlocks {
  /** What every file of the capture begins with. */
  readonly head: Uint8Array;
  readonly #received: number[];
  readonly #lost: number[];

  /** `application` says what writes it. */
  constructor(interfaces: readonly PcapInterface[], application: string) {
    const blocks = [encodeSectionHeader(application), ...interfaces.map(encodeInterface)];
    this.head = new Uint8Array(blocks.flatMap((block) => [...block]));
    this.#received = interfaces.map(() => 0);
    this.#lost = interfaces.map(() => 0);
  }

  /** Hands over a packet's block, and counts it as lost where `push` refuses it. */
  packet(packet: PcapPacket, push: (block: Uint8Array) => boolean): void {
    this.#received[packet.interface]!++;
    if (!push(encodePacket(packet))) this.#lost[packet.interface]!++;
  }

  /** Notes packets that were lost before they came here. */
  lost(index: number, packets: number): void {
    this.#received[index]! += packets;
    this.#lost[index]! += packets;
  }

  /** The counts up to now, a block for each interface. */
  statistics(now_ms: number): Uint8Array[] {
    const time = { seconds: Math.floor(now_ms / 1000), nanoseconds: now_ms % 1000 * 1e6 };
    return this.#received.map((received, index) =>
      encodeStatistics(index, time, received, this.#lost[index]!)
    );
  }
}
