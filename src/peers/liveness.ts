/** One peer's liveness: whether it says hello, how far away it is, what it understands. Pure. */

import type { Timers } from "../base/time.ts";
import { VERSION } from "../base/version.ts";
import {
  decodeHello,
  encodeHello,
  type Hello,
  HELLO_BYTES,
  NO_SIZES,
  NO_TOKEN,
  PROTOCOL_VERSION,
} from "../wire/hello.ts";
import type { Mode } from "../wire/mode.ts";
import { HelloLoss } from "./loss.ts";
import type { PathProbe } from "./path_probe.ts";

/**
 * `plain` has never said hello, `up` has lately, `silent` did once, and `down`
 * is known to be out of reach. `one-way` says hello and hears none of ours: packets go to it as if
 * it were up, but for the kernel path.
 */
export const PEER_STATES = ["plain", "up", "silent", "down", "one-way"] as const;
/** One of PEER_STATES. */
export type PeerStateName = typeof PEER_STATES[number];

/** What a datagram or the passing of time has changed. */
export type LivenessEvent =
  | "up"
  | "silent"
  | "down"
  /** It understands other things than before, or hears us now, or does so no more. */
  | "capabilities"
  /** It calls itself otherwise than before, or runs in another mode. */
  | "described"
  | "asked"
  /** It does not echo our token: anybody may have sent it. It may be answered, and changes nothing. */
  | "unverified"
  | "bad_control";

/** Who we are, as we say it in a hello. */
export interface SelfDescription {
  readonly name: string;
  readonly mode: Mode;
  readonly mtu_bytes: number;
  readonly capabilities: number;
}

/** Why a peer is down that said so itself. */
export const LEFT = "it was stopped";

/** A hello without echo, answer and number that tries whether datagrams get to a peer. */
export function probeHello(self: SelfDescription, now_ms: number): Uint8Array<ArrayBuffer> {
  return encodeHello({
    ...{ ...self, version: PROTOCOL_VERSION, program: VERSION },
    ...{ sent_us: sentTime_us(now_ms), echo_us: 0, held_us: 0, number: 0 },
    ...{ answer: false, leaving: false, probe: true },
    ...{ token: NO_TOKEN, echoToken: NO_TOKEN, ...NO_SIZES },
  });
}

/** A time on our monotonic clock as a hello carries it. */
function sentTime_us(now_ms: number): number {
  return Math.round(now_ms * 1000);
}

/** The state machine of one peer, which alone sets its fields. All times are on our monotonic clock. */
export class Liveness {
  state: Exclude<PeerStateName, "one-way"> = "plain";
  /** When that state began; of a silent peer: when it was last heard. */
  since_ms = 0;
  /** Why it is down; empty in any other state. */
  why = "";
  /** Its last hello, and when that came; undefined and 0: it never said one. */
  said: Hello | undefined;
  heard_ms = 0;
  /** When it was last seen to have sent packets; 0: never. */
  packets_ms = 0;
  /** Round trip time of the last exchange. */
  rtt_ms: number | undefined;
  /** What it understands: bits of CAPABILITY, 0 unless it is up. */
  capabilities = 0;
  /** Whether it has heard a hello of ours not long ago: they get through both ways. */
  hearsUs = false;
  /** When the last of our hellos was sent that it has echoed; 0: none of this run. */
  #heardUs_ms = 0;
  /** When hellos from its address began and last came that echo none of ours; 0: the last one did. */
  #unverified = { first_ms: 0, last_ms: 0 };
  readonly #loss: HelloLoss;
  /** Hellos made for it so far, and when the last one was. */
  #sent = 0;
  #sent_ms = 0;
  /** Packets from it so far, and when they were counted. */
  #packets = 0;
  #counted_ms = 0;

  /** `token`: what its hellos have to echo, 64 bits that nobody can guess. */
  constructor(readonly timers: Timers, public token: bigint, readonly path: PathProbe) {
    this.#loss = new HelloLoss(timers);
  }

  /** The state to be told: what packets go by is `state`, whose `up` may be one-way. */
  get told(): PeerStateName {
    return this.state === "up" && !this.hearsUs ? "one-way" : this.state;
  }

  /** When the state that is told began. */
  get told_ms(): number {
    return this.told === "one-way" ? Math.max(this.#heardUs_ms, this.since_ms) : this.since_ms;
  }

  /**
   * Whether hellos come from its address that hear nothing of this node: in a state that is not up,
   * for two intervals or longer. They are not verified: good for a hint, and for nothing else.
   */
  isDeaf(now_ms: number): boolean {
    const { first_ms, last_ms } = this.#unverified;
    const { hello_ms, silence_ms } = this.timers;
    return this.state !== "up" && last_ms > 0 && now_ms - last_ms < silence_ms &&
      last_ms - first_ms >= 2 * hello_ms;
  }

  /** The share of its hellos that got lost, 0 to 1; undefined while no numbered one has come. */
  loss(now_ms: number): number | undefined {
    // From one that is down, none is expected.
    return this.state === "down" ? undefined : this.#loss.share(now_ms - this.heard_ms);
  }

  /** The hello to send to it now; `leaving` says that it is our last, `asking` that it is to answer. */
  hello(
    self: SelfDescription,
    now_ms: number,
    { leaving = false, asking = false } = {},
  ): Uint8Array<ArrayBuffer> {
    this.#sent_ms = now_ms;
    return this.#encode(self, now_ms, {
      ...{ ...this.#echo(now_ms), number: ++this.#sent, leaving },
      answer: asking || this.state !== "up" || this.#isInDoubt(now_ms),
    });
  }

  /**
   * The large hellos of a new burst, to be sent before `hello` of the same time (path_probe.ts).
   * One that gets lost is none of those that count as lost.
   */
  burst(self: SelfDescription, now_ms: number): Uint8Array<ArrayBuffer>[] {
    if (this.state !== "up") return [];
    // The last number again: where it replaces the hello that had it, that one is not missed.
    const said = { ...this.#echo(now_ms), number: this.#sent, answer: false, leaving: false };
    return this.path.begin(now_ms, sentTime_us(now_ms))
      .map((size_bytes) => this.#encode(self, now_ms, said, size_bytes));
  }

  /** Whether a burst is to be sent though there is no round of hellos; `flowing`: packets go to it. */
  isBurstDue(now_ms: number, flowing: boolean): boolean {
    return this.state === "up" && this.path.isDue(now_ms, flowing);
  }

  /** What a hello of now echoes. */
  #echo(now_ms: number): Pick<Hello, "echo_us" | "held_us" | "echoToken"> {
    const echo_us = this.#echo_us;
    const held_us = echo_us === 0 ? 0 : Math.round((now_ms - this.heard_ms) * 1000);
    return {
      ...{ echo_us, held_us: Math.min(held_us, 0xffff_ffff) },
      echoToken: this.said?.token ?? NO_TOKEN,
    };
  }

  /**
   * The answer to a hello that does not echo our token: what it echoes is taken from there, and
   * nothing of it is kept. Undefined: it is none, or wants no answer.
   */
  answer(
    self: SelfDescription,
    datagram: Uint8Array,
    now_ms: number,
  ): Uint8Array<ArrayBuffer> | undefined {
    const hello = decodeHello(datagram);
    if (!hello || hello.token === NO_TOKEN || hello.probe || hello.leaving) return undefined;
    const { sent_us: echo_us, token: echoToken } = hello;
    return this.#encode(self, now_ms, {
      ...{ echo_us, held_us: 0, leaving: false, answer: this.state !== "up", echoToken },
      // It is no hello of the count.
      number: this.#sent,
    });
  }

  #encode(
    self: SelfDescription,
    now_ms: number,
    said: Pick<Hello, "echo_us" | "held_us" | "number" | "answer" | "leaving" | "echoToken">,
    size_bytes = HELLO_BYTES,
  ): Uint8Array<ArrayBuffer> {
    return encodeHello({
      ...{ ...self, version: PROTOCOL_VERSION, program: VERSION, probe: false, ...said },
      // A peer that has not been heard gets complete packets only, and sends us such.
      capabilities: this.said ? self.capabilities : 0,
      sent_us: sentTime_us(now_ms),
      token: this.token,
      ...this.path.report,
    }, size_bytes);
  }

  /** Whether it should have said hello or echoed one by now and is to be asked to, every `ask_ms`. */
  isToBeAsked(now_ms: number): boolean {
    return this.#isInDoubt(now_ms) && now_ms - this.#sent_ms >= this.timers.ask_ms;
  }

  /**
   * Whether nothing is heard of it, neither hello nor packets, and it did not say that it was
   * leaving: the prober should look why.
   */
  isMissing(now_ms: number): boolean {
    if (this.why === LEFT || this.#sendsPackets(now_ms)) return false;
    return this.state !== "up" || this.#isOverdue(now_ms);
  }

  /**
   * Takes in a control datagram; tells what changed, or that an answer is asked for. `size_bytes`
   * is the size of the largest one that has come since the last call, and `count` how many did:
   * this is the newest.
   */
  hear(
    datagram: Uint8Array,
    now_ms: number,
    size_bytes = datagram.length,
    count = 1,
  ): LivenessEvent | undefined {
    const hello = decodeHello(datagram);
    if (!hello) return "bad_control";
    if (hello.echoToken !== this.token) {
      this.#noteUnverified(hello, now_ms);
      return "unverified";
    }
    this.#unverified = { first_ms: 0, last_ms: 0 };
    // Its clock runs from its start. Datagrams that overtake each other are not that far apart.
    const restarted = hello.sent_us < this.#echo_us - 1000 * this.timers.ask_ms;
    if (restarted) {
      this.#loss.reset();
      this.#heardUs_ms = 0;
    }
    const before = this.said;
    this.#note(hello, now_ms, count);
    this.path.hear(hello, size_bytes, restarted);
    if (hello.leaving) {
      const was = this.state;
      this.#enter("down", now_ms, LEFT);
      return was === "down" ? undefined : "down";
    }
    const wasUp = this.state === "up" && !restarted;
    const heardUs = this.hearsUs;
    this.hearsUs = this.#isHeard(now_ms);
    const same = this.capabilities === hello.capabilities && this.hearsUs === heardUs;
    this.capabilities = hello.capabilities;
    if (!wasUp) {
      this.#enter("up", now_ms);
      return "up";
    }
    if (before?.name !== hello.name || before.mode !== hello.mode) return "described";
    if (!same) return "capabilities";
    return hello.answer ? "asked" : undefined;
  }

  /** Looks whether it has fallen silent, or does not hear us any more. */
  expire(now_ms: number): "silent" | "capabilities" | undefined {
    if (this.state !== "up") return undefined;
    if (now_ms - this.heard_ms >= this.timers.silence_ms) {
      this.#enter("silent", this.heard_ms);
      return "silent";
    }
    if (!this.hearsUs || this.#isHeard(now_ms)) return undefined;
    this.hearsUs = false;
    return "capabilities";
  }

  /**
   * Takes note that it cannot be reached, and why. One that was heard or sent packets just now is
   * evidently there, and one that said it was leaving has told more. Tells whether it is news.
   */
  unreachable(why: string, now_ms: number): boolean {
    if (this.state === "up" && !this.#isOverdue(now_ms)) return false;
    if (this.#sendsPackets(now_ms)) return false;
    if (this.state === "down") {
      if (this.why !== LEFT) this.why = why;
      return false;
    }
    this.#enter("down", now_ms, why);
    return true;
  }

  /** Takes note that nothing is known to keep datagrams from it any more. */
  reachable(now_ms: number): void {
    if (this.state !== "down" || this.why === LEFT) return;
    if (this.heard_ms > 0) this.#enter("silent", this.heard_ms);
    else this.#enter("plain", now_ms);
  }

  /** Takes note of how many packets came from it so far. */
  carried(packets: number, now_ms: number): void {
    const more = packets > this.#packets;
    const counted_ms = this.#counted_ms;
    this.#packets = packets;
    this.#counted_ms = now_ms;
    if (!more) return;
    this.packets_ms = now_ms;
    // All of them came later: it is there, and says no hello any more.
    const given_up = this.state === "silent" || this.state === "down";
    if (given_up && counted_ms > this.since_ms) this.#enter("plain", now_ms);
  }

  #noteUnverified({ probe, leaving }: Hello, now_ms: number): void {
    if (probe || leaving) return;
    const { first_ms, last_ms } = this.#unverified;
    const goesOn = last_ms > 0 && now_ms - last_ms < this.timers.silence_ms;
    this.#unverified = { first_ms: goesOn ? first_ms : now_ms, last_ms: now_ms };
  }

  /** What a hello says of its sender. */
  #note(hello: Hello, now_ms: number, count: number): void {
    this.#loss.arrived(hello.number, count);
    this.heard_ms = now_ms;
    this.said = hello;
    if (hello.echo_us === 0) return;
    const rtt_ms = (now_ms * 1000 - hello.echo_us - hello.held_us) / 1000;
    // An echo from before our restart is of another clock.
    if (rtt_ms < 0 || rtt_ms >= this.timers.silence_ms) return;
    this.rtt_ms = rtt_ms;
    this.#heardUs_ms = hello.echo_us / 1000;
  }

  /** It is reached elsewhere from now on: whoever was told the old token cannot speak for it there. */
  moved(token: bigint): void {
    this.token = token;
    this.said = undefined;
    this.path.forget();
    if (this.state === "up") this.#enter("plain", this.heard_ms);
  }

  /** Its time of sending, to be echoed. */
  get #echo_us(): number {
    return this.said?.sent_us ?? 0;
  }

  #isHeard(now_ms: number): boolean {
    return this.#heardUs_ms > 0 && now_ms - this.#heardUs_ms < this.timers.unheard_ms;
  }

  /** Whether it is up and should have said hello by now. */
  #isOverdue(now_ms: number): boolean {
    return this.state === "up" && now_ms - this.heard_ms >= this.timers.overdue_ms;
  }

  /** Whether it is to say hello, or to echo a hello of ours, before it counts as silent or one-way. */
  #isInDoubt(now_ms: number): boolean {
    return this.#isOverdue(now_ms) ||
      this.hearsUs && now_ms - this.#heardUs_ms >= this.timers.unechoed_ms;
  }

  #sendsPackets(now_ms: number): boolean {
    return this.packets_ms > 0 && now_ms - this.packets_ms < this.timers.hello_ms;
  }

  #enter(state: Liveness["state"], since_ms: number, why = ""): void {
    this.state = state;
    this.since_ms = since_ms;
    this.why = why;
    if (state === "up") return;
    if (state === "plain") this.path.forget();
    this.capabilities = 0;
    this.#heardUs_ms = 0;
    this.hearsUs = false;
  }
}
