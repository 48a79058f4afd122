/** Notices when the paths to the peers have become wider or narrower. */

import { PATHS_PER_CHECK } from "../base/limits.ts";
import type { Log } from "../base/log.ts";
import type { Paths } from "../peers/paths.ts";
import type { Publisher } from "../peers/publish.ts";
import type { Peer } from "../peers/peer.ts";
import type { Registry } from "../peers/registry.ts";
import type { TunnelDevice } from "./tunnel_device.ts";

/**
 * Looks at some peers' paths at a time. The lanes learn by themselves of a path
 * that has become narrower (transmit.ts); here they are told of
 * one that is wide again, and the device follows the underlay's MTU.
 */
export class PathWatch {
  #next = 0;
  /** The least that was found in this round through all peers. */
  #least_bytes = Infinity;

  constructor(
    readonly registry: Registry,
    readonly paths: Pick<Paths, "localMtu_bytes" | "innerMtu_bytes">,
    readonly publisher: Pick<Publisher, "mtuOf" | "publishPeer">,
    readonly device: Pick<TunnelDevice, "followUnderlay">,
    readonly log: Log,
  ) {}

  /** Looks at the next peers. True: the device's MTU was changed, and the peers should know. */
  check(): boolean {
    const { peers } = this.registry;
    // The registry may have become shorter.
    const begin = this.#next < peers.length ? this.#next : 0;
    const some = peers.slice(begin, begin + PATHS_PER_CHECK);
    for (const peer of some) this.#look(peer);
    this.#next = begin + some.length;
    if (this.#next < peers.length) return false;
    this.#next = 0;
    const least_bytes = this.#least_bytes;
    this.#least_bytes = Infinity;
    return least_bytes !== Infinity && this.device.followUnderlay(least_bytes);
  }

  #look(peer: Peer): void {
    const { name, index, address } = peer;
    if (!address) return;
    const { paths, publisher, log } = this;
    this.#least_bytes = Math.min(this.#least_bytes, paths.localMtu_bytes(address));
    const before = publisher.mtuOf(index);
    const mtu_bytes = paths.innerMtu_bytes(address);
    if (before === undefined || before === mtu_bytes) return;
    log.info("path_mtu", `the path to ${name} carries ${mtu_bytes} bytes now, not ${before}`, {
      peer: name,
      mtu_bytes,
    });
    publisher.publishPeer(peer);
  }
}
