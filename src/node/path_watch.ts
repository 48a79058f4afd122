/** Notices when this host, or what its kernel hears by ICMP, says something new of the paths. */

import { PATHS_PER_CHECK } from "../base/limits.ts";
import type { Log } from "../base/log.ts";
import type { HelloLoop } from "../peers/hello_loop.ts";
import type { Paths } from "../peers/paths.ts";
import type { Peer } from "../peers/peer.ts";
import type { Registry } from "../peers/registry.ts";
import type { TunnelDevice } from "./tunnel_device.ts";

/** Names in one line. */
const LISTED_MAX = 4;

/**
 * Looks at some peers' paths at a time. What the kernel has been told by ICMP is
 * only a reason to try at once what a path carries (peers/path_probe.ts). The
 * device follows the underlay's MTU.
 */
export class PathWatch {
  #next = 0;
  /** The least that was found in this round through all peers. */
  #least_bytes = Infinity;
  /** Peers to which the way leads into the device itself: of this round, and of the last whole one. */
  #looped: string[] = [];
  #loops = "";

  constructor(
    readonly registry: Registry,
    readonly paths: Pick<Paths, "look" | "endRound">,
    readonly hellos: Pick<HelloLoop, "followPath">,
    readonly device: Pick<TunnelDevice, "followUnderlay">,
    readonly log: Log,
  ) {}

  /** What is wrong with the ways to the peers now, if anything. */
  get problem(): string | undefined {
    return this.#loops === "" ? undefined : this.#loops;
  }

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
    this.paths.endRound();
    this.#tellOfLoops();
    const least_bytes = this.#least_bytes;
    this.#least_bytes = Infinity;
    return least_bytes !== Infinity && this.device.followUnderlay(least_bytes);
  }

  #look(peer: Peer): void {
    if (!peer.address) return;
    const loop = this.paths.look(peer);
    if (loop !== undefined) this.#looped.push(`${peer.name} by ${loop}`);
    this.#least_bytes = Math.min(this.#least_bytes, peer.liveness.path.local_bytes);
    this.hellos.followPath(peer);
  }

  #tellOfLoops(): void {
    const looped = this.#looped.splice(0);
    const { device } = this.registry.config;
    const loops = looped.length === 0
      ? ""
      : `the way to ${
        looped.slice(0, LISTED_MAX).join(", ")
      } leads into a tunnel over ${device} itself: nothing arrives there, and its MTU is not ` +
        "followed; give this host another route to it";
    if (loops === this.#loops) return;
    this.#loops = loops;
    if (loops) this.log.warn("path_loop", loops);
    else this.log.info("path_loop", `no way to a peer leads into a tunnel over ${device} any more`);
  }
}
