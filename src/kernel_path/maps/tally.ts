/** What the kernel path has carried and lost, from the counts of its programs. Pure. */

import * as records from "./records.ts";

/** Where counts are read; BpfMap is one. */
export interface Counts {
  get(key: Uint8Array): Uint8Array | undefined;
}

/** Packets and bytes. */
export interface Amount {
  readonly packets: number;
  readonly bytes: number;
}

/** What was carried to and from a peer since the last time. */
export interface Carried {
  readonly outbound: Amount;
  readonly inbound: Amount;
}

/** Packets that went no further, since the last time. */
export interface Lost {
  /** Could not be wrapped. */
  readonly sendFailed: number;
  /** Could not be handed on. */
  readonly rejected: number;
  /** Were dropped by the kernel on their way to the helper. */
  readonly overflow: number;
  /** Were sent to the helper by somebody on this host. */
  readonly foreign: number;
}

const NOTHING: readonly number[] = [0, 0, 0, 0, 0, 0];
const KEY = records.u32(0);
const at = (counts: readonly number[], offset: number): number => counts[offset / 8]!;

/** Reads the programs' counts, and tells what has come to them. */
export class Tally {
  readonly #peers = new Map<number, readonly number[]>();
  #events = NOTHING;
  /** What had entered at the last look: by the next one it has arrived, or it never will. */
  #entered = 0;
  #arrived = 0;
  #overflow = 0;

  constructor(readonly counts: Counts, readonly events: Counts) {}

  /** What was carried to and from a peer since the last call; undefined where nothing is counted. */
  carried(peer: number): Carried | undefined {
    const bytes = this.counts.get(records.u32(peer));
    if (!bytes) return undefined;
    const now = records.sumOfProcessors(bytes, records.COUNTS.size);
    const last = this.#peers.get(peer) ?? NOTHING;
    this.#peers.set(peer, now);
    const { COUNTS } = records;
    const growth = (offset: number) => Math.max(0, at(now, offset) - at(last, offset));
    return {
      outbound: { packets: growth(COUNTS.packetsOut), bytes: growth(COUNTS.bytesOut) },
      inbound: { packets: growth(COUNTS.packetsIn), bytes: growth(COUNTS.bytesIn) },
    };
  }

  /** A peer's counts are gone: those of the next one with its index start anew. */
  forget(peer: number): void {
    this.#peers.delete(peer);
  }

  /** What was lost since the last call. */
  lost(): Lost {
    const { EVENTS } = records;
    const before = this.#events;
    const now = this.#read();
    const growth = (offset: number) => at(now, offset) - at(before, offset);
    // What entered before the last look and is not here now is lost; what is under way is not.
    const overflow = Math.max(this.#overflow, this.#entered - at(now, EVENTS.arrived));
    const lost = {
      sendFailed: growth(EVENTS.sendFailed),
      rejected: growth(EVENTS.rejected),
      overflow: overflow - this.#overflow,
      foreign: growth(EVENTS.foreign),
    };
    this.#overflow = overflow;
    this.#arrived = at(before, EVENTS.arrived);
    this.#entered = at(now, EVENTS.entered);
    return lost;
  }

  /** Whether packets were lost and none has arrived, going by the last call of `lost`. */
  isStuck({ overflow }: Lost): boolean {
    const arrived = at(this.#events, records.EVENTS.arrived) - this.#arrived;
    return arrived === 0 && overflow > 0;
  }

  /** Packets of the self-test that have come through, in all. */
  selfTests(): number {
    return at(this.#readNow(), records.EVENTS.selfTest);
  }

  #read(): readonly number[] {
    return this.#events = this.#readNow();
  }

  #readNow(): readonly number[] {
    const bytes = this.events.get(KEY);
    return bytes ? records.sumOfProcessors(bytes, records.EVENTS.size) : NOTHING;
  }
}
