/**
 * The UDP side of the datagram engine: Deno's own receive() and send() behind
 * the interface that the engine's two directions use. One datagram at a time,
 * each a copy: slow, and everywhere the same.
 */

import type { Burst } from "./arena.ts";
import { COUNTER, type LaneCounters } from "../forwarding/counters.ts";
import type { LaneTable } from "../forwarding/lane_table.ts";
import { formatAddress, parseAddress } from "../net/prefix.ts";
import { type PacketSocket, type Sender, UNKNOWN_PEER } from "./socket.ts";

/** What is asked of the kernel about paths; `path.ts` has the real one. */
export interface DatagramPaths {
  /** The largest datagram that goes to an address, in bytes; undefined where there is no way. */
  maxDatagram(address: Uint8Array): number | undefined;
  /** What is too large goes out in fragments from now on. */
  allowFragments(): void;
}

/** The part of Deno.DatagramConn that is used. */
export type Connection = Pick<Deno.DatagramConn, "receive" | "send">;

interface Datagram {
  readonly peer: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

const nameOf = (host: string, port: number): string => `${host} ${port}`;

/** Errors of send() that mean that the queue below is full. */
const FULL: readonly unknown[] = ["ENOBUFS", "EAGAIN"];

/** A connection as the engine sees it. What is queued leaves when `sent` is awaited. */
export class DatagramSocket implements PacketSocket {
  #peers: Deno.NetAddr[] = [];
  #peerByName = new Map<string, number>();
  #peerHosts = new Set<string>();
  #arrived: Datagram | undefined;
  #from: Deno.NetAddr = { transport: "udp", hostname: "0.0.0.0", port: 0 };
  #queued: Datagram[] = [];
  #due: readonly Datagram[] = [];
  #counters: LaneCounters | undefined;
  #refused = new Set<number>();

  constructor(readonly connection: Connection, readonly paths: DatagramPaths) {}

  usePeers(table: LaneTable): void {
    this.#peers = Array.from({ length: table.peerCount }, (_, index) => {
      const { address, port } = table.peer(index);
      return { transport: "udp", hostname: formatAddress(address), port };
    });
    this.#peerByName = new Map(
      this.#peers.map(({ hostname, port }, index) => [nameOf(hostname, port), index]),
    );
    this.#peerHosts = new Set(this.#peers.map(({ hostname }) => hostname));
  }

  senderOf(): Sender {
    const { hostname, port } = this.#from;
    return { address: parseAddress(hostname)?.bytes ?? new Uint8Array(4), port };
  }

  fromPeerHost(): boolean {
    return this.#peerHosts.has(this.#from.hostname);
  }

  /** Takes in what receive() gave; the next `receive` hands it on. */
  arrive(bytes: Uint8Array<ArrayBuffer>, from: Deno.Addr): void {
    // A UDP socket's datagrams come from nowhere else.
    this.#from = from as Deno.NetAddr;
    const peer = this.#peerByName.get(nameOf(this.#from.hostname, this.#from.port));
    this.#arrived = { peer: peer ?? UNKNOWN_PEER, bytes };
  }

  receive(burst: Burst): number {
    const datagram = this.#arrived;
    if (!datagram) return 0;
    this.#arrived = undefined;
    burst.bytes.set(datagram.bytes, burst.offset(0));
    burst.length[0] = datagram.bytes.length;
    burst.segment[0] = 0;
    burst.peer[0] = datagram.peer;
    return 1;
  }

  queue(
    { bytes }: Burst,
    peer: number,
    count: number,
    headOffset: number,
    headStride: number,
    headLength: number,
    bodyOffset: number,
    bodyLength: number,
  ): number {
    for (let i = 0; i < count; i++) {
      const head = headOffset + i * headStride;
      const body = bodyOffset + i * bodyLength;
      // A copy: the arena is filled anew while the datagram waits.
      const datagram = new Uint8Array(headLength + bodyLength);
      datagram.set(bytes.subarray(head, head + headLength));
      datagram.set(bytes.subarray(body, body + bodyLength), headLength);
      this.#queued.push({ peer, bytes: datagram });
    }
    return count;
  }

  flush(counters: LaneCounters): void {
    this.#due = [...this.#due, ...this.#queued];
    this.#queued = [];
    this.#counters = counters;
  }

  takeRefused(): readonly number[] {
    const refused = [...this.#refused];
    this.#refused.clear();
    return refused;
  }

  maxDatagram(peer: number): number | undefined {
    const address = parseAddress(this.#peers[peer]?.hostname ?? "");
    return address && this.paths.maxDatagram(address.bytes);
  }

  allowFragments(): void {
    this.paths.allowFragments();
  }

  /** Sends what was flushed, in its order. */
  async sent(): Promise<void> {
    const due = this.#due;
    this.#due = [];
    for (const { peer, bytes } of due) {
      const to = this.#peers[peer];
      const counters = this.#counters;
      if (!to || !counters) continue;
      const { totals, peerPackets, peerBytes } = counters;
      try {
        await this.connection.send(bytes, to);
        totals[COUNTER.packets]!++;
        totals[COUNTER.bytes]! += bytes.length;
        peerPackets[peer]!++;
        peerBytes[peer]! += bytes.length;
      } catch (error) {
        const reason = dropReason(error);
        totals[COUNTER[reason]]!++;
        if (reason === "too_big") this.#refused.add(peer);
      }
    }
  }
}

/** What a failed send() counts as; Deno gives the name of the errno as `code`. */
function dropReason(error: unknown): "too_big" | "send_queue_full" | "send_failed" {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "EMSGSIZE") return "too_big";
  return FULL.includes(code) ? "send_queue_full" : "send_failed";
}
