/** Probes peers that say no hello, to learn from the kernel why datagrams do not reach them. */

import { PROBES_MAX } from "../base/limits.ts";
import { NO_HOST } from "../config/types.ts";
import type { Log } from "../base/log.ts";
import { type Address, formatAddress, parseAddress } from "../net/prefix.ts";
import { type Probe, probeFailure } from "../io/probe_socket.ts";
import { probeHello } from "./liveness.ts";
import type { Peer } from "./peer.ts";
import type { Registry } from "./registry.ts";

/** Opens a socket of its own to a peer; probe_socket.ts has the real one. */
export type OpenProbe = (
  address: Address,
  port: number,
) => Pick<Probe, "send" | "error" | "close">;

/** A probe under way. */
interface Running {
  readonly probe: ReturnType<OpenProbe>;
  /** Address and port that it goes to. */
  readonly target: string;
  /** Whether something was sent, and nothing has come back of it. */
  unanswered: boolean;
}

/** Probes the peers that are missing. */
export class Prober {
  readonly #running = new Map<Peer, Running>();

  /** `onDown` is called for each peer that has just turned out to be out of reach. */
  constructor(
    readonly registry: Registry,
    readonly open: OpenProbe,
    readonly log: Log,
    readonly onDown: (peer: Peer) => void,
  ) {}

  /**
   * One round: sends a probe to each missing peer. Throws what opening a socket does, when all has
   * been done that could be.
   */
  round(now_ms: number): void {
    const failed: unknown[] = [];
    const missing = new Set<Peer>();
    for (const peer of this.registry.peers) {
      if (!peer.liveness.isMissing(now_ms)) continue;
      missing.add(peer);
      if (!peer.address) this.#unreachable(peer, unknownName(peer), now_ms);
      // One in the clear would tell of this node, and the peer would drop it.
      else if (!peer.isSealed && missing.size <= PROBES_MAX) {
        try {
          this.#probe(peer, peer.address, now_ms);
        } catch (error) {
          failed.push(error);
        }
      }
    }
    for (const peer of this.#running.keys()) {
      if (!missing.has(peer)) this.#end(peer);
    }
    if (failed.length > 0) throw failed[0];
  }

  /** Takes in what has come back of the probes. */
  check(now_ms: number): void {
    for (const [peer, running] of this.#running) {
      const errno = running.probe.error();
      if (errno === 0 || this.registry.at(peer.index) !== peer) continue;
      running.unanswered = false;
      this.#fail(peer, errno, now_ms);
    }
  }

  /** Ends all probes. */
  close(): void {
    for (const peer of this.#running.keys()) this.#end(peer);
  }

  #probe(peer: Peer, address: Address, now_ms: number): void {
    const target = peer.endpoint;
    if (this.#running.get(peer)?.target !== target) this.#end(peer);
    let running = this.#running.get(peer);
    // Nothing came back of the last one: what was in the way is so no more.
    if (running?.unanswered) peer.liveness.reachable(now_ms);
    if (!running) {
      running = { probe: this.open(address, peer.port), target, unanswered: false };
      this.#running.set(peer, running);
    }
    const errno = running.probe.send(probeHello(this.registry.description, now_ms));
    running.unanswered = errno === 0;
    if (errno !== 0) this.#fail(peer, errno, now_ms);
  }

  #fail(peer: Peer, errno: number, now_ms: number): void {
    if (!peer.address) return;
    const host = formatAddress(peer.address.bytes);
    this.#unreachable(peer, probeFailure(errno, host, peer.port), now_ms);
  }

  #unreachable(peer: Peer, why: string, now_ms: number): void {
    if (!peer.liveness.unreachable(why, now_ms)) return;
    const { name } = peer;
    this.log.info("peer_down", `${name} is down: ${why}`, { peer: name });
    this.onDown(peer);
  }

  #end(peer: Peer): void {
    this.#running.get(peer)?.probe.close();
    this.#running.delete(peer);
  }
}

/** Why a peer without an address has none. */
function unknownName({ node: { endpoint: { host } }, ipVersion }: Peer): string {
  if (host === NO_HOST) return "it has no address in the config, and has not called yet";
  return parseAddress(host)
    ? `${host} is no IPv${ipVersion} address, as this node's own is`
    : `the name ${host} has no IPv${ipVersion} address`;
}
