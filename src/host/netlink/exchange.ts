/** One request to rtnetlink and its answer, over whatever carries the datagrams. */

import { ERRNO } from "../../../ffi/errno.ts";
import { SyscallError } from "../../../ffi/libc.ts";
import * as nl from "../../../ffi/netlink.ts";
import {
  type Attribute,
  decodeAnswer,
  decodeDone,
  decodeMessages,
  encodeMessage,
  type Message,
} from "./message.ts";

/** A read is begun anew so often when the table changes meanwhile or a datagram is lost. */
const ATTEMPTS_MAX = 16;

/** Names of request types for error texts. */
const REQUEST_NAMES = new Map<number, string>([
  [nl.RTM_NEWLINK, "RTM_NEWLINK"],
  [nl.RTM_DELLINK, "RTM_DELLINK"],
  [nl.RTM_GETLINK, "RTM_GETLINK"],
  [nl.RTM_SETLINK, "RTM_SETLINK"],
  [nl.RTM_NEWADDR, "RTM_NEWADDR"],
  [nl.RTM_DELADDR, "RTM_DELADDR"],
  [nl.RTM_GETADDR, "RTM_GETADDR"],
  [nl.RTM_NEWROUTE, "RTM_NEWROUTE"],
  [nl.RTM_DELROUTE, "RTM_DELROUTE"],
  [nl.RTM_GETROUTE, "RTM_GETROUTE"],
]);

/** The kernel refused a request; `reason` holds its own words, where it has any. */
export class RtnetlinkError extends SyscallError {
  constructor(call: string, errno: number, readonly reason?: string) {
    super(call, errno);
    this.name = "RtnetlinkError";
    if (reason) this.message += ` (${reason})`;
  }
}

/** What carries the datagrams: a netlink socket, or a fake of one. */
export interface NetlinkSocket {
  open(): void;
  close(): void;
  send(message: Uint8Array<ArrayBuffer>): void;
  /**
   * The next datagram, which is good until the next call; undefined if one was
   * lost: it did not fit, or the socket ran over. Waits a bounded time, then throws.
   */
  receive(): Uint8Array | undefined;
}

/** A request before it gets its sequence number. */
export interface Request {
  readonly type: number;
  /** Beside NLM_F_REQUEST and, unless this is a dump, NLM_F_ACK. */
  readonly flags?: number;
  readonly body: Uint8Array;
  readonly attributes?: readonly Attribute[];
}

/** What a message of an answer holds, if anything. It must not keep the payload. */
export type Decode<T> = (message: Message) => readonly T[];

/** What one attempt at a request came to. */
type Outcome<T> = { readonly values: readonly T[] } | "interrupted" | "lost";

const has = (flags: number, flag: number): boolean => (flags & flag) === flag;

function nameOf({ type }: Request): string {
  return REQUEST_NAMES.get(type) ?? `rtnetlink request ${type}`;
}

function throwRefusal(request: Request, message: Message): void {
  const { errno, reason } = message.type === nl.NLMSG_ERROR
    ? decodeAnswer(message)
    : { errno: decodeDone(message.payload), reason: undefined };
  if (errno !== 0) throw new RtnetlinkError(nameOf(request), errno, reason);
}

/** Requests and answers over one socket, which it opens and closes. */
export class Exchange {
  readonly #socket: NetlinkSocket;
  #open = true;
  #sequence = 0;

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
    socket.open();
  }

  close(): void {
    if (this.#open) this.#socket.close();
    this.#open = false;
  }

  /**
   * Sends a request and gathers what its answer holds; only reads pass `decode`,
   * and only they are repeated. Throws an RtnetlinkError when the kernel refuses.
   */
  request<T>(request: Request, decode?: Decode<T>): readonly T[] {
    if (!this.#open) throw new SyscallError("send", ERRNO.EBADF);
    let outcome: Outcome<T> = "lost";
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      outcome = this.#attempt(request, decode ?? (() => []));
      if (typeof outcome === "object") return outcome.values;
      if (outcome === "lost") {
        // The rest of this answer may still be under way: a new socket knows nothing of it.
        this.#socket.close();
        this.#socket.open();
        // A change may have been made: to make it again would report it as existing.
        if (!decode) break;
      }
    }
    throw outcome === "lost"
      ? new RtnetlinkError(nameOf(request), ERRNO.ENOBUFS, "the answer was lost")
      : new RtnetlinkError(nameOf(request), ERRNO.EBUSY, "the table keeps changing");
  }

  #attempt<T>(request: Request, decode: Decode<T>): Outcome<T> {
    const { type, body, attributes, flags = 0 } = request;
    const sequence = this.#sequence = (this.#sequence + 1) >>> 0;
    // A dump ends with NLMSG_DONE; all else with an acknowledgement.
    const ack = has(flags, nl.NLM_F_DUMP) ? 0 : nl.NLM_F_ACK;
    const header = { type, flags: nl.NLM_F_REQUEST | flags | ack, sequence };
    this.#socket.send(encodeMessage(header, body, attributes));

    const values: T[] = [];
    let interrupted = false;
    // Ends: the kernel finishes each answer, and receive gives up after a while.
    for (;;) {
      const received = this.#socket.receive();
      if (!received) return "lost";
      for (const message of decodeMessages(received)) {
        // Left over from an answer that was given up.
        if (message.sequence !== sequence) continue;
        if (message.flags & nl.NLM_F_DUMP_INTR) interrupted = true;
        if (message.type === nl.NLMSG_OVERRUN) return "lost";
        if (message.type === nl.NLMSG_ERROR || message.type === nl.NLMSG_DONE) {
          throwRefusal(request, message);
          return interrupted ? "interrupted" : { values };
        }
        if (message.type !== nl.NLMSG_NOOP) values.push(...decode(message));
      }
    }
  }
}
