/** Hello to and from the peers: who is there, and what it understands. */

import type { Log } from "../log.ts";
import { sendDatagram } from "../udp/datagram.ts";
import type { Publisher } from "./publisher.ts";
import type { Roster } from "./roster.ts";

/** What liveness needs of the node. */
export interface LivenessParts {
  readonly roster: Roster;
  readonly publisher: Publisher;
  /** The node's UDP socket. */
  readonly socketFd: number;
  /** Whether peers are called by names of a file, which should be the same on every node. */
  readonly sharedNames: boolean;
  readonly log: Log;
}

/** Says hello and hears the peers'. */
export class Liveness {
  #stopped = false;

  constructor(readonly parts: LivenessParts) {}

  /** Looks who has fallen silent, and asks those that seem about to. */
  check(): void {
    const { roster: { book }, publisher, log } = this.parts;
    const now_ms = performance.now();
    const { peerPackets } = publisher.supervisor.countersOf("inbound");
    book.carried((peer) => peerPackets[peer]!, now_ms);
    for (const { peer } of book.expire(now_ms)) {
      const { name } = book.peers[peer]!;
      log.warn("peer_silent", `${name} has fallen silent`, { peer: name });
      publisher.markStale();
    }
    for (const peer of book.overdue(now_ms)) this.#hello(peer);
  }

  /** One round: looks for lost ones, says hello to all. */
  async helloAll(): Promise<void> {
    await this.#findLost();
    this.parts.roster.peers.forEach((_, peer) => this.#hello(peer));
  }

  /** The last hello to all: this node is going down. */
  goodbye(): void {
    this.parts.roster.peers.forEach((_, peer) => this.#hello(peer, true));
    this.#stopped = true;
  }

  /** Takes in a control datagram from a peer. */
  hear(peer: number, datagram: Uint8Array): void {
    const { roster: { book, config }, publisher, log, sharedNames } = this.parts;
    const event = book.hear(peer, datagram, performance.now());
    if (!event) return;
    const { name, saidName, saidMode, why } = book.peers[peer]!;
    if (event.kind === "bad_control") {
      log.debug("bad_control", `${name} sent a control datagram that is no hello`, { peer: name });
      return;
    }
    if (event.kind !== "asked") publisher.republish();
    if (event.kind === "down") {
      log.info("peer_down", `${name} is down: ${why}`, { peer: name });
      return;
    }
    // It may have just started, or asks for it: let it know of us at once.
    this.#hello(peer);
    if (event.kind !== "up") return;
    log.info("peer_up", `${name} is up`, { peer: name });
    if (saidName !== name && sharedNames) {
      log.warn("peer_name", `${name} calls itself ${saidName}: are the config files the same?`);
    }
    if (saidMode !== config.mode) {
      log.warn("peer_mode", `${name} runs in mode ${saidMode}, this node in ${config.mode}`);
    }
  }

  /** Asks again for the peers whose name was not known. */
  async #findLost(): Promise<void> {
    const { roster, publisher } = this.parts;
    if (!roster.addresses.includes(undefined)) return;
    if (await roster.resolve()) publisher.markStale();
    publisher.republish();
  }

  #hello(peer: number, leaving = false): void {
    const { roster: { addresses, peers, book }, socketFd, log } = this.parts;
    const address = addresses[peer];
    if (!address || this.#stopped) return;
    const { name, endpoint } = peers[peer]!;
    try {
      const hello = book.hello(peer, performance.now(), leaving);
      sendDatagram(socketFd, hello, address, endpoint.port);
    } catch (error) {
      // The underlay may be down: the next hello tries again.
      const why = error instanceof Error ? error.message : String(error);
      log.debug("hello_failed", `hello to ${name}: ${why}`);
    }
  }
}
