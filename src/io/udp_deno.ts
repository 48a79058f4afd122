/**
 * The UDP side of the datagram engine: Deno's own receive() and send() behind
 * the interface that both directions of a lane use. One datagram at a time,
 * each a copy: slow, and everywhere the same.
 */

import type { Burst } from "./arena.ts";
import { formatAddress, parseAddress } from "../net/prefix.ts";
import type { Run } from "./run.ts";
import { OUTCOME, type Outcome, SendResults } from "./send_results.ts";
import { putSockaddr } from "./sockaddr.ts";
import type { PacketSocket } from "./socket.ts";

/** What is asked of the kernel about paths; `path_mtu.ts` has the real one. */
export interface DatagramPaths {
  /** The largest datagram that goes to an address, in bytes; undefined where there is no way. */
  maxDatagram(address: Uint8Array): number | undefined;
  /** What is too large goes out in fragments from now on. */
  allowFragments(): void;
}

/** The part of Deno.DatagramConn that is used. */
export type Connection = Pick<Deno.DatagramConn, "receive" | "send">;

interface Datagram {
  readonly destination: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

interface Arrival {
  readonly from: Deno.NetAddr;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Errors of send() that mean that the queue below is full. */
const FULL: readonly unknown[] = ["ENOBUFS", "EAGAIN"];

/** A connection behind the interface of a socket. What is queued leaves when `sent` is awaited. */
export class DatagramSocket implements PacketSocket {
  #destinations: Deno.NetAddr[] = [];
  #arrived: Arrival | undefined;
  #queued: Datagram[] = [];
  #due: readonly Datagram[] = [];
  /** What has become of datagrams since the last flush, and what that flush told. */
  #results = new SendResults(1);
  #told = new SendResults(1);

  constructor(readonly connection: Connection, readonly paths: DatagramPaths) {}

  /** Takes in what receive() gave; the next `receive` hands it on. */
  arrive(bytes: Uint8Array<ArrayBuffer>, from: Deno.Addr): void {
    // A UDP socket's datagrams come from nowhere else.
    this.#arrived = { from: from as Deno.NetAddr, bytes };
  }

  receive(burst: Burst): number {
    const arrival = this.#arrived;
    if (!arrival) return 0;
    this.#arrived = undefined;
    const { bytes, from: { hostname, port } } = arrival;
    burst.bytes.set(bytes, burst.offset(0));
    burst.length[0] = bytes.length;
    burst.segment[0] = 0;
    putSockaddr(burst.sender, 0, parseAddress(hostname)?.bytes ?? new Uint8Array(4), port);
    return 1;
  }

  setDestination(destination: number, address: Uint8Array, port: number): void {
    const hostname = formatAddress(address);
    this.#destinations[destination] = { transport: "udp", hostname, port };
  }

  queue(run: Run): number {
    const { destination, count, burst: { bytes }, head_bytes, body_bytes } = run;
    for (let i = 0; i < count; i++) {
      const head = run.head + i * run.headStride_bytes;
      const body = run.body + i * body_bytes;
      // A copy: the arena is filled anew while the datagram waits.
      const datagram = new Uint8Array(head_bytes + body_bytes);
      datagram.set(bytes.subarray(head, head + head_bytes));
      datagram.set(bytes.subarray(body, body + body_bytes), head_bytes);
      this.#queued.push({ destination, bytes: datagram });
    }
    return count;
  }

  flush(): SendResults {
    this.#due = [...this.#due, ...this.#queued];
    this.#queued = [];
    [this.#told, this.#results] = [this.#results, this.#told];
    this.#results.clear();
    return this.#told;
  }

  pathMtu(destination: number): number | undefined {
    const address = parseAddress(this.#destinations[destination]?.hostname ?? "");
    return address && this.paths.maxDatagram(address.bytes);
  }

  allowFragments(): void {
    this.paths.allowFragments();
  }

  /** Sends what was flushed, in its order; the next flush tells what has become of it. */
  async sent(): Promise<void> {
    const due = this.#due;
    this.#due = [];
    for (const { destination, bytes } of due) {
      const outcome = await this.#send(destination, bytes);
      this.#results.add(destination, outcome, 1, bytes.length);
    }
  }

  async #send(destination: number, bytes: Uint8Array<ArrayBuffer>): Promise<Outcome> {
    const to = this.#destinations[destination];
    if (!to) return OUTCOME.failed;
    try {
      await this.connection.send(bytes, to);
      return OUTCOME.sent;
    } catch (error) {
      return outcomeOf(error);
    }
  }
}

/** What a failed send() counts as; Deno gives the name of the errno as `code`. */
function outcomeOf(error: unknown): Outcome {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "EMSGSIZE") return OUTCOME.tooBig;
  return FULL.includes(code) ? OUTCOME.queueFull : OUTCOME.failed;
}
