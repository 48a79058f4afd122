/** Hello to and from the peers: who is there, and what it understands. */

import type { ControlDatagram } from "../dataplane/inbound.ts";
import type { Log } from "../base/log.ts";
import type { PeerEvent } from "./book.ts";
import { sendDatagram } from "../io/udp_open.ts";
import type { Follower } from "./resolve_loop.ts";
import { Prober } from "./prober.ts";
import type { Publisher } from "./publish.ts";
import type { Peer, Roster } from "./roster.ts";
import type { WrongPorts } from "./wrong_port.ts";

/** What liveness needs of the node. */
export interface LivenessParts {
  readonly roster: Roster;
  readonly publisher: Publisher;
  readonly follower: Follower;
  readonly wrongPorts: WrongPorts;
  /** The node's UDP socket. */
  readonly socketFd: number;
  /** Whether peers are called by names of a file, which should be the same on every node. */
  readonly sharedNames: boolean;
  readonly log: Log;
}

/** Says hello and hears the peers'. */
export class Liveness {
  #stopped = false;
  /** What the peers have last been told of this node. */
  #announced = "";

  readonly #prober: Prober;

  constructor(readonly parts: LivenessParts) {
    const { roster, publisher, log } = parts;
    this.#prober = new Prober(roster, log, () => publisher.markStale());
  }

  /** Looks who has fallen silent, and asks those that seem about to. */
  check(): void {
    const { roster, publisher, log } = this.parts;
    const { book } = roster;
    const now_ms = performance.now();
    const { peerPackets } = publisher.supervisor.countersOf("inbound");
    book.carried((peer) => peerPackets[peer]!, now_ms);
    for (const { peer, kind } of book.expire(now_ms)) {
      publisher.markStale();
      if (kind !== "silent") continue;
      const { name } = book.peers[peer]!;
      log.warn("peer_silent", `${name} has fallen silent`, { peer: name });
    }
    this.#prober.check(now_ms);
    for (const index of book.overdue(now_ms)) {
      const peer = roster.at(index);
      if (peer) this.hello(peer);
    }
  }

  /** One round: says hello to all, and looks where those are that are reached by name. */
  tick(): void {
    this.helloAll();
    this.#prober.round(performance.now());
    void this.#follow();
  }

  /** Says hello to all peers. */
  helloAll(): void {
    this.#announced = this.#description();
    for (const peer of this.parts.roster.peers) this.hello(peer);
  }

  /** Says hello to all peers if what it says has changed since they heard it last. */
  announce(): void {
    if (this.#announced !== this.#description()) this.helloAll();
  }

  /** The last hello to all: this node is going down. */
  goodbye(): void {
    for (const peer of this.parts.roster.peers) this.hello(peer, true);
    this.#prober.close();
    this.#stopped = true;
  }

  /** Says hello to one peer; `leaving` says that it is the last one. */
  hello({ name, index, address, port }: Peer, leaving = false): void {
    const { roster: { book }, socketFd, log } = this.parts;
    if (!address || this.#stopped) return;
    try {
      sendDatagram(socketFd, book.hello(index, performance.now(), leaving), address, port);
    } catch (error) {
      // The underlay may be down: the next hello tries again.
      const why = error instanceof Error ? error.message : String(error);
      log.debug("hello_failed", `hello to ${name}: ${why}`);
    }
  }

  /** Takes in what a lane has heard. */
  hear({ peer: index, sender, bytes }: ControlDatagram): void {
    const { roster, wrongPorts } = this.parts;
    const peer = roster.at(index);
    // The table may have changed since the lane looked the sender up.
    if (!peer?.isAt(sender.address, sender.port)) return wrongPorts.hear(sender, bytes);
    const event = roster.book.hear(index, bytes, performance.now());
    if (event) this.#react(peer, event);
  }

  #react(peer: Peer, { kind }: PeerEvent): void {
    const { roster: { book, config }, publisher, log, sharedNames } = this.parts;
    const { name } = peer;
    const { saidName, saidMode, why } = book.peers[peer.index]!;
    if (kind === "bad_control") {
      log.debug("bad_control", `${name} sent a control datagram that is no hello`, { peer: name });
      return;
    }
    if (kind !== "asked") publisher.republish();
    if (kind === "down") {
      log.info("peer_down", `${name} is down: ${why}`, { peer: name });
      return;
    }
    // It may have just started, or asks for it: let it know of us at once.
    this.hello(peer);
    if (kind === "up") log.info("peer_up", `${name} is up`, { peer: name });
    if (kind !== "up" && kind !== "described") return;
    if (saidName !== name && sharedNames) {
      log.warn("peer_name", `${name} calls itself ${saidName}: are the config files the same?`);
    }
    if (saidMode !== config.mode) {
      log.warn("peer_mode", `${name} runs in mode ${saidMode}, this node in ${config.mode}`);
    }
  }

  async #follow(): Promise<void> {
    const { follower, publisher } = this.parts;
    const moved = await follower.tick();
    if (moved.length === 0 || this.#stopped) return;
    publisher.republish();
    for (const peer of moved) this.hello(peer);
  }

  #description(): string {
    return JSON.stringify(this.parts.roster.book.self);
  }
}
