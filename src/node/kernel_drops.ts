/** Counts what the kernel drops before a lane ever sees it. */

import type { Lanes } from "../dataplane/lanes/lanes.ts";
import type { Rtnetlink } from "../host/netlink/rtnetlink.ts";
import { socketDrops } from "../io/socket_buffers.ts";

/** How far a count has come since it was read last; one that starts anew begins at 0. */
class Growth {
  #last = 0;

  /** Takes `now` for where growth begins. */
  begin(now: number | undefined): void {
    this.#last = now ?? 0;
  }

  since(now: number | undefined): number {
    if (now === undefined) return 0;
    const growth = now >= this.#last ? now - this.#last : now;
    this.#last = now;
    return growth;
  }
}

/** The drops of the socket's receive buffer and of the device's queues. */
export class KernelDrops {
  readonly #socket = new Growth();
  readonly #device = new Growth();
  readonly #backlog = new Growth();

  constructor(
    readonly lanes: Pick<Lanes, "countForKernel">,
    readonly socketFd: number,
    readonly rt: Pick<Rtnetlink, "counts">,
    readonly deviceName: () => string,
  ) {}

  /** A device has been opened: what it dropped for others before is not ours. */
  deviceOpened(): void {
    const counts = this.rt.counts(this.deviceName());
    this.#device.begin(counts?.sentDropped);
    this.#backlog.begin(counts?.receivedDropped);
  }

  /** Adds what was dropped since the last call to the lanes' counters. */
  read(): void {
    const { lanes } = this;
    const ofSocket = this.#socket.since(socketDrops(this.socketFd));
    lanes.countForKernel("inbound", "socket_overflow", ofSocket);
    const counts = this.rt.counts(this.deviceName());
    lanes.countForKernel("outbound", "device_overflow", this.#device.since(counts?.sentDropped));
    // Of what the kernel path hands over; what lanes write waits for its turn.
    lanes.countForKernel(
      "inbound",
      "backlog_overflow",
      this.#backlog.since(counts?.receivedDropped),
    );
  }
}
