/** Samples the counters: the only one that takes over what programs and kernel have counted. */

import type { Log } from "../base/log.ts";
import type { Time } from "../base/time.ts";
import { COUNTER, type LaneCounters } from "../forwarding/counters.ts";
import type { Lanes } from "../dataplane/lanes/lanes.ts";
import type { KernelPathController } from "../kernel_path/controller.ts";
import type { Registry } from "../peers/registry.ts";
import { History, type Way } from "../status/model/history.ts";
import { type Count, RateMeter, type Sample } from "../status/model/rates.ts";
import { TOTAL } from "../status/model/snapshot.ts";
import type { KernelDrops } from "./kernel_drops.ts";

/** What is sampled. */
export interface SamplerParts {
  readonly registry: Registry;
  readonly lanes: Pick<Lanes, "countersOf">;
  readonly kernel: Pick<KernelPathController, "sample">;
  readonly drops: Pick<KernelDrops, "read">;
  readonly time: Time;
  readonly log: Log;
}

/** Takes a sample whenever it is told to; who reads in between changes nothing. */
export class Sampler {
  readonly rates = new RateMeter();
  readonly history = new History();

  constructor(readonly parts: SamplerParts) {}

  /** Takes over the counts of the kernel path and of the kernel, and notes them for the rates. */
  sample(): void {
    const { kernel, drops, log } = this.parts;
    try {
      kernel.sample();
      drops.read();
    } catch (error) {
      // The kernel was short of memory, or the device has just gone: the next sample has it.
      log.debug("sample", error instanceof Error ? error.message : String(error));
    }
    const { registry: { peers }, lanes } = this.parts;
    const read = { outbound: lanes.countersOf("outbound"), inbound: lanes.countersOf("inbound") };
    const sample = this.#countsOf(read);
    const indexes = new Map(peers.map(({ name, index }) => [name, index] as const));
    this.rates.add(sample);
    this.history.add({
      ...sample,
      dropsFor: (way, reason) => read[way].totals[COUNTER[reason]]!,
      dropsOf: (way, name) => read[way].peerDrops[indexes.get(name) ?? -1] ?? 0,
    });
  }

  /** The counters as they are: the lanes' of now, the kernel's of the last sample. */
  counts(): Sample {
    const { lanes } = this.parts;
    return this.#countsOf({
      outbound: lanes.countersOf("outbound"),
      inbound: lanes.countersOf("inbound"),
    });
  }

  #countsOf({ outbound, inbound }: Readonly<Record<Way, LaneCounters>>): Sample {
    const { registry: { peers }, time } = this.parts;
    const of = ({ peerPackets, peerBytes }: LaneCounters, peer: number): Count => ({
      packets: peerPackets[peer]!,
      bytes: peerBytes[peer]!,
    });
    const counts = new Map(
      peers.map(({ name, index }) =>
        [name, { outbound: of(outbound, index), inbound: of(inbound, index) }] as const
      ),
    );
    const total = ({ totals }: LaneCounters): Count => ({
      packets: totals[COUNTER.packets]!,
      bytes: totals[COUNTER.bytes]!,
    });
    counts.set(TOTAL, { outbound: total(outbound), inbound: total(inbound) });
    return { at_ms: time.now_ms(), counts };
  }
}
