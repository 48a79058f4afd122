/** Datagrams of no known sender: a peer with another port, or one that has moved. */

import type { Log } from "../base/log.ts";
import { type Address, formatAddress, formatEndpoint } from "../net/prefix.ts";
import { decodeHello } from "../wire/hello.ts";
import type { Sender } from "../io/socket.ts";
import { Roaming, type Verdict } from "./roaming.ts";
import type { Peer, Roster, UnderlayEndpoint } from "./roster.ts";

/** What strangers are judged with. */
export interface StrangersParts {
  readonly roster: Roster;
  readonly log: Log;
  readonly now_ms: () => number;
  /** Says hello to a peer elsewhere and asks for an answer; tells when it was sent, in µs. */
  readonly challenge: (peer: Peer, at: UnderlayEndpoint) => number | undefined;
  /** A peer has moved; `hello` is what it said there. */
  readonly onMoved: (peer: Peer, hello: Uint8Array) => void;
}

/** Judges what comes from strangers. Lanes show only a bounded number of it. */
export class Strangers {
  readonly #roaming: Roaming;
  /** The wrong port that each peer was last warned of. */
  readonly #warned = new WeakMap<Peer, number>();

  constructor(readonly parts: StrangersParts) {
    this.#roaming = new Roaming(parts.roster);
  }

  /** Takes in what a lane has heard; `bytes` is empty where only the sender is known. */
  hear(sender: Sender, bytes: Uint8Array): void {
    if (decodeHello(bytes)?.probe) return;
    if (!this.#roaming.namedBy(bytes)) return this.#nameWrongPort(sender);
    const at = { address: addressOf(sender), port: sender.port };
    const now_ms = this.parts.now_ms();
    const verdict = this.#roaming.judge(bytes, at, now_ms);
    if (verdict.kind !== "challenge") return this.#act(verdict);
    const sent_us = this.parts.challenge(verdict.peer, at);
    if (sent_us !== undefined) this.#roaming.challenged(verdict.peer, at, sent_us, now_ms);
  }

  /** To be called often: moves peers whose proof had to wait. */
  check(): void {
    for (const verdict of this.#roaming.due(this.parts.now_ms())) this.#act(verdict);
  }

  /** The port that a peer's address last sent from, where that was not the peer's. */
  wrongPortOf(index: number): number | undefined {
    const peer = this.parts.roster.at(index);
    return peer && this.#warned.get(peer);
  }

  #act(verdict: Verdict): void {
    if (verdict.kind !== "move") return;
    const { peer, at, hello } = verdict;
    this.#roaming.forget(peer);
    peer.move(at);
    const where = formatEndpoint(formatAddress(at.address.bytes), at.port);
    this.parts.log.info("peer_moved", `${peer.name} has moved to ${where}`, {
      peer: peer.name,
      address: where,
    });
    this.parts.onMoved(peer, hello);
  }

  #nameWrongPort(sender: Sender): void {
    const { roster, log } = this.parts;
    const { port } = sender;
    const host = formatAddress(sender.address);
    const peer = roster.peers.find((one) =>
      one.address !== undefined && formatAddress(one.address.bytes) === host
    );
    if (!peer || peer.port === port || this.#warned.get(peer) === port) return;
    this.#warned.set(peer, port);
    log.warn(
      "wrong_port",
      `${peer.name} is expected at ${formatEndpoint(host, peer.port)}, but datagrams come from ` +
        `port ${port}: they are dropped; is the port of ${peer.name} the same in its config?`,
      { peer: peer.name, expected: peer.port, port },
    );
  }
}

function addressOf({ address }: Sender): Address {
  return { version: address.length === 4 ? 4 : 6, bytes: address };
}
