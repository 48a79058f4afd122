/** Datagrams of no known sender: a peer with another port, or one that has moved. */

import type { Log } from "../log.ts";
import { formatAddress, formatEndpoint } from "../net/prefix.ts";
import type { Sender } from "../udp/socket.ts";
import type { Roster } from "./roster.ts";

/** Judges what comes from strangers. Lanes show only a bounded number of it. */
export class Strangers {
  /** The wrong port that each peer was last warned of, by index. */
  readonly #warned = new Map<number, number>();

  constructor(readonly roster: Roster, readonly log: Log) {}

  /** Takes in what a lane has heard; `bytes` is empty where only the sender is known. */
  hear(sender: Sender, _bytes: Uint8Array): void {
    this.#nameWrongPort(sender);
  }

  /** The port that a peer's address last sent from, where that was not the peer's. */
  wrongPortOf(index: number): number | undefined {
    return this.#warned.get(index);
  }

  #nameWrongPort({ address, port }: Sender): void {
    const host = formatAddress(address);
    const peer = this.roster.peers.find((one) =>
      one.address !== undefined && formatAddress(one.address.bytes) === host
    );
    if (!peer || peer.port === port || this.#warned.get(peer.index) === port) return;
    this.#warned.set(peer.index, port);
    this.log.warn(
      "wrong_port",
      `${peer.name} is expected at ${formatEndpoint(host, peer.port)}, but datagrams come from ` +
        `port ${port}: they are dropped; is the port of ${peer.name} the same in its config?`,
      { peer: peer.name, expected: peer.port, port },
    );
  }
}
