/** The open connections of one server: how many there may be, and whose go first. Pure. */

import {
  HTTP_CONNECTIONS_MAX,
  HTTP_CONNECTIONS_PER_ADDRESS_MAX,
  HTTP_REQUEST_TIMEOUT_MS,
} from "../../base/limits.ts";
import { parseAddress } from "../../net/prefix.ts";

/** A connection as it is accounted for. */
export interface OpenConnection {
  /** Of whom it is: connections of one client are bounded together. */
  readonly client: string;
  /** Whether it waits for a request, and could be closed without cutting off an answer. */
  waiting: boolean;
  /** Whether it has had an answer and waits for its turn to get another one. */
  queuing: boolean;
  /** When its time is over. */
  deadline_ms: number;
  readonly close: () => void;
}

/**
 * Whom a remote address means: one IPv4 address, or one /64, since whoever has an address of
 * IPv6 usually has as many as that holds. A unix socket's clients are all one.
 */
export function clientOf(hostname: string | undefined): string {
  const address = parseAddress((hostname ?? "").replace(/%.*$/, ""));
  if (!address) return "";
  const { version, bytes } = address;
  if (version === 4) return bytes.join(".");
  const mapped = bytes.subarray(0, 10).every((byte) => byte === 0) &&
    bytes[10] === 255 && bytes[11] === 255;
  return mapped ? bytes.subarray(12).join(".") : bytes.subarray(0, 8).join(":");
}

/** The connections of one server, the oldest first. */
export class Connections {
  readonly #open = new Set<OpenConnection>();
  readonly #ofClient = new Map<string, number>();

  constructor(readonly now_ms: () => number) {}

  /** How many are open. */
  get size(): number {
    return this.#open.size;
  }

  /**
   * Takes one in. Where there are too many, the one that has waited longest for a request gives way,
   * or else one that has been answered before and asks again: neither silence nor asking without
   * end can keep out who asks once. Undefined where all others ask for the first time.
   */
  add(client: string, close: () => void): OpenConnection | undefined {
    const own = this.#ofClient.get(client) ?? 0;
    if (own >= HTTP_CONNECTIONS_PER_ADDRESS_MAX && !this.#giveWay((one) => one.client === client)) {
      return undefined;
    }
    if (this.#open.size >= HTTP_CONNECTIONS_MAX && !this.#giveWay(() => true)) return undefined;
    const deadline_ms = this.now_ms() + HTTP_REQUEST_TIMEOUT_MS;
    const one = { client, waiting: true, queuing: false, deadline_ms, close };
    this.#open.add(one);
    this.#ofClient.set(client, (this.#ofClient.get(client) ?? 0) + 1);
    return one;
  }

  /** Whether it is open. */
  has(one: OpenConnection): boolean {
    return this.#open.has(one);
  }

  /** Takes one out, if it is in. */
  remove(one: OpenConnection): void {
    if (!this.#open.delete(one)) return;
    const left = this.#ofClient.get(one.client)! - 1;
    if (left > 0) this.#ofClient.set(one.client, left);
    else this.#ofClient.delete(one.client);
  }

  /** Closes those whose time is over. */
  sweep(): void {
    const now = this.now_ms();
    this.#closeAll((one) => one.deadline_ms <= now);
  }

  /** Closes those that wait for a request. */
  closeWaiting(): void {
    this.#closeAll(({ waiting }) => waiting);
  }

  /** Closes all. */
  closeAll(): void {
    this.#closeAll(() => true);
  }

  #closeAll(which: (one: OpenConnection) => boolean): void {
    for (const one of [...this.#open]) if (which(one)) this.#close(one);
  }

  #giveWay(which: (one: OpenConnection) => boolean): boolean {
    const all = [...this.#open].filter(which);
    const one = all.find(({ waiting }) => waiting) ?? all.find(({ queuing }) => queuing);
    if (one) this.#close(one);
    return one !== undefined;
  }

  #close(one: OpenConnection): void {
    this.remove(one);
    one.close();
  }
}
