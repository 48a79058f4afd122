/** Looks what stands in the way of peers that say no hello. */

import { PROBES_MAX } from "../base/limits.ts";
import type { Log } from "../base/log.ts";
import { formatAddress, parseAddress } from "../net/prefix.ts";
import type { PeerEvent } from "./book.ts";
import { Probe, probeFailure } from "../io/probe_socket.ts";
import type { Peer, Roster } from "./roster.ts";

/** A probe under way. */
interface Running {
  readonly probe: Probe;
  /** Address and port that it goes to. */
  readonly target: string;
  /** Whether something was sent, and nothing has come back of it. */
  unanswered: boolean;
}

/** Probes the peers that are missing, each from a socket of its own. */
export class Prober {
  readonly #running = new Map<number, Running>();

  /** `onDown` is called for each peer that has just turned out to be out of reach. */
  constructor(readonly roster: Roster, readonly log: Log, readonly onDown: () => void) {}

  /** One round: sends a probe to each missing peer. */
  round(now_ms: number): void {
    const { peers, book } = this.roster;
    const missing = new Set<number>();
    for (const peer of peers) {
      if (!book.isMissing(peer.index, now_ms)) continue;
      missing.add(peer.index);
      if (!peer.address) this.#tell(book.unreachable(peer.index, unknownName(peer), now_ms));
      else if (missing.size <= PROBES_MAX) this.#probe(peer, now_ms);
    }
    for (const index of this.#running.keys()) {
      if (!missing.has(index)) this.#end(index);
    }
  }

  /** Takes in what has come back of the probes. */
  check(now_ms: number): void {
    for (const [index, running] of this.#running) {
      const errno = running.probe.error();
      const peer = this.roster.at(index);
      if (errno === 0 || !peer) continue;
      running.unanswered = false;
      this.#fail(peer, errno, now_ms);
    }
  }

  /** Ends all probes. */
  close(): void {
    for (const index of this.#running.keys()) this.#end(index);
  }

  #probe(peer: Peer, now_ms: number): void {
    const { book } = this.roster;
    const { index, address, port } = peer;
    const target = `${formatAddress(address!.bytes)} ${port}`;
    if (this.#running.get(index)?.target !== target) this.#end(index);
    let running = this.#running.get(index);
    // Nothing came back of the last one: what was in the way is so no more.
    if (running?.unanswered) book.reachable(index, now_ms);
    if (!running) {
      running = { probe: new Probe(address!, port), target, unanswered: false };
      this.#running.set(index, running);
    }
    const errno = running.probe.send(book.probe(now_ms));
    running.unanswered = errno === 0;
    if (errno !== 0) this.#fail(peer, errno, now_ms);
  }

  #fail({ index, address, port }: Peer, errno: number, now_ms: number): void {
    if (!address) return;
    const why = probeFailure(errno, formatAddress(address.bytes), port);
    this.#tell(this.roster.book.unreachable(index, why, now_ms));
  }

  #tell(event: PeerEvent | undefined): void {
    if (!event) return;
    const { name, why } = this.roster.book.peers[event.peer]!;
    this.log.info("peer_down", `${name} is down: ${why}`, { peer: name });
    this.onDown();
  }

  #end(index: number): void {
    this.#running.get(index)?.probe.close();
    this.#running.delete(index);
  }
}

/** Why a peer without an address has none. */
function unknownName({ node: { endpoint: { host } }, ipVersion }: Peer): string {
  return parseAddress(host)
    ? `${host} is no IPv${ipVersion} address, as this node's own is`
    : `the name ${host} stands for no IPv${ipVersion} address`;
}
