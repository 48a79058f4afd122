/** What a node shows of its packets: to `--trace` and `--pcap`, and to whoever asks while it runs. */

import type { Lanes } from "../dataplane/lanes/lanes.ts";
import { CAPTURE_RING_BYTES, TRACE_END_MS, TRACE_RING_BYTES } from "../base/limits.ts";
import type { Time } from "../base/time.ts";
import { TraceHub } from "../inspect/trace/hub.ts";
import { LiveTrace } from "../inspect/trace/live.ts";
import { Tracer } from "../inspect/trace/tracer.ts";
import type { Registry } from "../peers/registry.ts";
import type { NodeOptions } from "./options.ts";

/** What it is made from. */
export interface LiveNodeParts {
  readonly options: NodeOptions;
  readonly registry: Registry;
  readonly lanes: () => Lanes;
  /** Packets are to go by the lanes alone (true), or need not any more (false). */
  readonly onLooked: (looked: boolean) => void;
  readonly time: Time;
}

/** The shown packets of one node. */
export class LiveNode {
  readonly hub: TraceHub;
  readonly packets: LiveTrace;
  readonly #tracer: Tracer | undefined;
  /** Counts those who have looked: whether somebody else has, since. */
  #looks = 0;

  constructor({ options, registry, lanes, onLooked, time }: LiveNodeParts) {
    const { loaded: { config }, trace, log, version } = options;
    const common = {
      device: config.device,
      link: config.mode === "tap" ? "ethernet" : "ip",
      application: `tunnet ${version}`,
      totals: (direction) => lanes().totals(direction),
    } as const satisfies Partial<ConstructorParameters<typeof Tracer>[0]>;
    this.hub = new TraceHub({
      link: common.link,
      ring_bytes: trace?.pcap ? CAPTURE_RING_BYTES : TRACE_RING_BYTES,
      peer: (index) => registry.at(index),
      lookAgain: () => lanes().lookAgain(),
      onLooked: (looked) => void this.#looked(looked, onLooked, time),
      time,
    });
    this.packets = new LiveTrace({
      ...{ ...common, hub: this.hub, time },
      peers: () => registry.peers.map(({ name }) => name),
    });
    this.#tracer = trace && new Tracer({ ...common, options: trace, log });
  }

  /** Opens what the command line asks for. Throws a RunError or UsageError. */
  async start(): Promise<void> {
    await this.#tracer?.start(this.hub);
  }

  /** Ends it all. The lanes have ended. */
  async close(): Promise<void> {
    this.hub.closeRings();
    await this.#tracer?.close();
  }

  /** Tells of the end of looking a while later: whoever looks again and again changes nothing. */
  async #looked(looked: boolean, tell: LiveNodeParts["onLooked"], time: Time): Promise<void> {
    const look = ++this.#looks;
    if (looked) return tell(true);
    await time.sleep(TRACE_END_MS);
    if (look === this.#looks) tell(false);
  }
}
