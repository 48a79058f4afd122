/** Names a peer whose datagrams come from another port than the config says. */

import type { Log } from "../base/log.ts";
import { formatAddress, formatEndpoint } from "../net/prefix.ts";
import { decodeHello } from "../wire/hello.ts";
import type { Sender } from "../io/sockaddr.ts";
import type { Peer } from "./peer.ts";
import type { Registry } from "./registry.ts";

/** Keeps the wrong port of each peer. Lanes report a bounded number of datagrams per second. */
export class WrongPorts {
  /** The wrong port that each peer was last warned of. */
  readonly #warned = new WeakMap<Peer, number>();

  constructor(readonly registry: Registry, readonly log: Log) {}

  /** Takes in what a lane has dropped; `bytes` is empty where it is no control datagram. */
  hear({ address, port }: Sender, bytes: Uint8Array): void {
    // A probe comes from a socket of its own.
    if (decodeHello(bytes)?.probe) return;
    const host = formatAddress(address);
    const peer = this.registry.peers.find((one) =>
      one.address !== undefined && formatAddress(one.address.bytes) === host
    );
    if (!peer || peer.port === port || this.#warned.get(peer) === port) return;
    this.#warned.set(peer, port);
    this.log.warn(
      "wrong_port",
      `${peer.name} is expected at ${formatEndpoint(host, peer.port)}, but datagrams come from ` +
        `port ${port}: they are dropped; is the port of ${peer.name} the same in its config?`,
      { peer: peer.name, expected: peer.port, port },
    );
  }

  /** The port that a peer's address last sent from, where that was not the peer's. */
  of(peer: Peer): number | undefined {
    return this.#warned.get(peer);
  }
}
