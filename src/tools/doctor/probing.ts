/**
 * Asks peers by hello whether datagrams pass both ways, and how large they may
 * be. A peer echoes the time of sending of the last hello that it heard: an
 * echo of ours shows that both directions work, and that of a padded hello its size.
 * Pure: sockets and clock are handed in.
 */

import type { Mode } from "../../wire/mode.ts";
import {
  decodeHello,
  encodeHello,
  type Hello,
  NO_SIZES,
  NO_TOKEN,
  PROTOCOL_VERSION,
} from "../../wire/hello.ts";
import { VERSION } from "../../base/version.ts";
import type { Probe } from "./facts.ts";

/** What a socket to one peer came up with. */
export type Received =
  | { readonly kind: "datagram"; readonly bytes: Uint8Array }
  | { readonly kind: "error"; readonly errnoName: string };

/** A socket to one peer, which never waits. */
export interface ProbeSocket {
  /** Sends with DF; the errno's name if the kernel would not. */
  send(datagram: Uint8Array<ArrayBuffer>): string | undefined;
  /** What has come in; undefined if nothing waits. */
  receive(): Received | undefined;
}

/** One peer to be asked. */
export interface ProbeTarget {
  readonly socket: ProbeSocket;
  /** The largest inner packet that is to get through, in bytes. */
  readonly wanted_bytes: number;
}

/** How this node calls itself in its hellos. */
export interface Asker {
  readonly name: string;
  readonly mode: Mode;
  readonly mtu_bytes: number;
  /** What answers have to echo: 64 bits. */
  readonly token: bigint;
}

/** What the probing needs of the system. */
export interface ProbeSystem {
  /** A clock that only runs forwards, in µs. */
  now_us(): number;
  /** Waits until a socket has something, at most so long. */
  wait(timeout_ms: number): void;
}

/** Hellos until a peer counts as silent, and the time between two. */
const TRIES = 5;
const TRY_MS = 300;
/** Padded hellos of one size until that counts as too large. */
const SIZE_TRIES = 3;
/** What every path carries: IPv4's smallest MTU for sure reassembly, less headers (RFC 791). */
const SIZE_MIN_BYTES = 548;

/** One peer's course. */
class Course {
  result: Probe | undefined;
  /** Times of sending of what is being waited for. */
  readonly #waiting = new Set<number>();
  #tries = 0;
  #next_us = 0;
  #error = "";
  #heard: Hello | undefined;
  /** While sizes are tried: what has come through, what has not, what is tried now. */
  #answered: Hello | undefined;
  #good_bytes = 0;
  #bad_bytes: number;
  #size_bytes = 0;
  #told = false;

  constructor(readonly target: ProbeTarget, readonly asker: Asker) {
    this.#bad_bytes = target.wanted_bytes + 1;
  }

  /** Takes in what has come, and sends what is due. */
  step(now_us: number): void {
    for (let got; !this.result && (got = this.target.socket.receive());) {
      if (got.kind === "error") this.#fail(got.errnoName);
      else this.#hear(got.bytes);
    }
    if (this.result || now_us < this.#next_us) return;
    if (this.#tries === (this.#answered ? SIZE_TRIES : TRIES)) return this.#giveUp();
    this.#send(now_us, false);
  }

  /** The last hello: the peer need not wait for more. */
  leave(now_us: number): void {
    this.#send(now_us, true);
  }

  #send(now_us: number, leaving: boolean): void {
    this.#tries++;
    this.#next_us = now_us + TRY_MS * 1000;
    // Never the same twice: echoes are told apart by it.
    const sent_us = now_us + this.#tries;
    this.#waiting.add(sent_us);
    const hello = encodeHello({
      version: PROTOCOL_VERSION,
      mode: this.asker.mode,
      capabilities: 0,
      sent_us,
      echo_us: this.#heard?.sent_us ?? 0,
      held_us: 0,
      mtu_bytes: this.asker.mtu_bytes,
      name: this.asker.name,
      number: 0,
      answer: !leaving,
      leaving,
      probe: false,
      program: VERSION,
      token: this.asker.token,
      echoToken: this.#heard?.token ?? NO_TOKEN,
      ...NO_SIZES,
    }, leaving ? 0 : this.#size_bytes);
    const errnoName = this.target.socket.send(hello);
    if (errnoName !== undefined) this.#fail(errnoName);
  }

  #fail(errnoName: string): void {
    if (errnoName === "EMSGSIZE" && this.#answered) {
      this.#told = true;
      return this.#giveUp();
    }
    this.#error = errnoName;
  }

  #hear(bytes: Uint8Array): void {
    const hello = decodeHello(bytes);
    if (!hello) return;
    this.#heard = hello;
    if (!this.#waiting.has(hello.echo_us)) return;
    this.#answered ??= hello;
    this.#good_bytes = Math.max(this.#good_bytes, this.#size_bytes);
    this.#nextSize();
  }

  /** The size that was tried, or the peer itself, does not answer. */
  #giveUp(): void {
    if (this.#answered) {
      this.#bad_bytes = this.#size_bytes;
      return this.#nextSize();
    }
    if (this.#heard) this.result = { kind: "deaf", hello: this.#heard };
    else if (this.#error === "ECONNREFUSED") this.result = { kind: "refused" };
    else if (this.#error !== "") this.result = { kind: "unreachable", why: this.#error };
    else this.result = { kind: "silent" };
  }

  /** First the wanted size, then halves of what is open. */
  #nextSize(): void {
    const { wanted_bytes } = this.target;
    const low_bytes = Math.max(this.#good_bytes, Math.min(SIZE_MIN_BYTES, wanted_bytes));
    if (this.#bad_bytes - low_bytes <= 1) {
      this.result = {
        kind: "answered",
        hello: this.#answered!,
        wanted_bytes,
        largest_bytes: this.#good_bytes >= wanted_bytes ? wanted_bytes : low_bytes,
        told: this.#told,
      };
      return;
    }
    this.#size_bytes = this.#bad_bytes > wanted_bytes
      ? wanted_bytes
      : Math.floor((low_bytes + this.#bad_bytes) / 2);
    this.#waiting.clear();
    this.#tries = 0;
    this.#next_us = 0;
  }
}

/** Asks all targets at the same time; the results in their order. */
export function probeAll(
  targets: readonly ProbeTarget[],
  asker: Asker,
  system: ProbeSystem,
): readonly Probe[] {
  const courses = targets.map((target) => new Course(target, asker));
  for (let open = courses; open.length > 0; open = open.filter(({ result }) => !result)) {
    for (const course of open) course.step(system.now_us());
    if (open.some(({ result }) => !result)) system.wait(TRY_MS / 10);
  }
  for (const course of courses) course.leave(system.now_us());
  return courses.map(({ result }) => result!);
}
