/** The other nodes as this one sees them: who has said hello, and how far away they are. Pure. */

import {
  HELLO_ASK_INTERVAL_MS,
  HELLO_INTERVAL_MS,
  HELLO_OVERDUE_MS,
  HELLO_SILENCE_MS,
  HELLO_UNHEARD_MS,
} from "../base/limits.ts";
import type { Mode } from "../wire/mode.ts";
import { VERSION } from "../base/version.ts";
import { decodeHello, encodeHello, type Hello, PROTOCOL_VERSION } from "../wire/hello.ts";
import { HelloLoss } from "./loss.ts";

/**
 * `plain` has never said hello, `up` has lately, `silent` did once, and `down`
 * is known to be out of reach.
 */
export type PeerStateName = "plain" | "up" | "silent" | "down";

/** What is known of one peer. */
export interface PeerState {
  /** Its name in the config. */
  readonly name: string;
  state: PeerStateName;
  /** When that state began, on our monotonic clock; of a silent peer: when it was last heard. */
  since_ms: number;
  /** Why it is down; empty in any other state. */
  why: string;
  /** When it last said hello, on our monotonic clock; 0: never. */
  heard_ms: number;
  /** Round trip time of the last exchange. */
  rtt_ms: number | undefined;
  /** What it understands: bits of CAPABILITY, 0 unless it is up. */
  capabilities: number;
  /** The name and mode that it gives itself. */
  saidName: string;
  saidMode: Mode;
  /** Its inner MTU in bytes, its protocol version (0: unknown) and its program's (empty: unknown). */
  saidMtu_bytes: number;
  protocol: number;
  program: string;
  /** Its time of sending, to be echoed. */
  echo_us: number;
  /** When the last of our hellos was sent that it has echoed; 0: none of this run. */
  heardUs_ms: number;
  /** Whether that was not long ago: hellos get through both ways. */
  hearsUs: boolean;
  /** Which of its hellos arrived. */
  readonly loss: HelloLoss;
  /** Hellos made for it so far, and when the last one was. */
  sent: number;
  sent_ms: number;
  /** Packets from it so far, and when there were last seen to be more; 0: never. */
  packets: number;
  packets_ms: number;
}

/** What a datagram or the passing of time has changed. */
export interface PeerEvent {
  readonly peer: number;
  readonly kind:
    | "up"
    | "silent"
    | "down"
    /** It understands other things than before, or hears us now, or does so no more. */
    | "capabilities"
    /** It calls itself otherwise than before, or runs in another mode. */
    | "described"
    | "asked"
    | "bad_control";
}

/** Who we are, as we say it in a hello. */
export interface SelfDescription {
  readonly name: string;
  readonly mode: Mode;
  readonly mtu_bytes: number;
  readonly capabilities: number;
}

/** Why a peer is down that said so itself. */
export const LEFT = "it was stopped";

/** A time of sending that lies so far before the last one is of a new start. */
const RESTART_US = 1000 * HELLO_ASK_INTERVAL_MS;

/** A time on our monotonic clock as a hello carries it. */
function sentTime_us(now_ms: number): number {
  return Math.round(now_ms * 1000);
}

/** The peers by index; the same index as in the forwarding table. Some indexes are of none. */
export class PeerBook {
  readonly #peers: (PeerState | undefined)[] = [];
  /** When packets were last counted. */
  #looked_ms = 0;

  constructor(names: readonly string[], public self: SelfDescription) {
    names.forEach((name, peer) => this.assign(peer, name));
  }

  /** What is known of each peer; undefined where an index is of none. */
  get peers(): readonly (PeerState | undefined)[] {
    return this.#peers;
  }

  /** An index is a peer's from now on, of whom nothing is known yet. */
  assign(peer: number, name: string): void {
    while (this.#peers.length < peer) this.#peers.push(undefined);
    this.#peers[peer] = {
      name,
      state: "plain",
      since_ms: 0,
      why: "",
      heard_ms: 0,
      rtt_ms: undefined,
      capabilities: 0,
      saidName: "",
      saidMode: "tun",
      saidMtu_bytes: 0,
      protocol: 0,
      program: "",
      echo_us: 0,
      heardUs_ms: 0,
      hearsUs: false,
      loss: new HelloLoss(),
      sent: 0,
      sent_ms: 0,
      packets: 0,
      packets_ms: 0,
    };
  }

  /** An index is no peer's any more. */
  vacate(peer: number): void {
    this.#peers[peer] = undefined;
  }

  /** The peers that should have said hello by now and are to be asked to, every second. */
  overdue(now_ms: number): readonly number[] {
    return this.#peers.flatMap((known, peer) =>
      known && isOverdue(known, now_ms) && now_ms - known.sent_ms >= HELLO_ASK_INTERVAL_MS
        ? [peer]
        : []
    );
  }

  /** The hello to send to a peer now; `leaving` says that it is our last. */
  hello(peer: number, now_ms: number, leaving = false): Uint8Array<ArrayBuffer> {
    const known = this.peers[peer]!;
    const { echo_us, heard_ms } = known;
    known.sent_ms = now_ms;
    const held_us = echo_us === 0 ? 0 : Math.round((now_ms - heard_ms) * 1000);
    return encodeHello({
      version: PROTOCOL_VERSION,
      mode: this.self.mode,
      capabilities: this.self.capabilities,
      sent_us: sentTime_us(now_ms),
      echo_us,
      held_us: Math.min(held_us, 0xffff_ffff),
      mtu_bytes: this.self.mtu_bytes,
      name: this.self.name,
      number: ++known.sent,
      answer: known.state !== "up" || isOverdue(known, now_ms),
      leaving,
      probe: false,
      program: VERSION,
    });
  }

  /** A datagram that tries whether datagrams get to a peer: it takes it for nothing else. */
  probe(now_ms: number): Uint8Array<ArrayBuffer> {
    const { name, mode, mtu_bytes, capabilities } = this.self;
    return encodeHello({
      ...{ version: PROTOCOL_VERSION, name, mode, mtu_bytes, capabilities, program: VERSION },
      ...{ sent_us: sentTime_us(now_ms), echo_us: 0, held_us: 0, number: 0 },
      ...{ answer: false, leaving: false, probe: true },
    });
  }

  /**
   * Whether nothing is heard of a peer, neither hello nor packets, and it did not say that it was
   * leaving: what stands in the way is worth a look.
   */
  isMissing(peer: number, now_ms: number): boolean {
    const known = this.#peers[peer];
    if (!known || known.why === LEFT) return false;
    if (known.packets_ms > 0 && now_ms - known.packets_ms < HELLO_INTERVAL_MS) return false;
    return known.state !== "up" || isOverdue(known, now_ms);
  }

  /** Takes in a control datagram from a peer; tells what changed, or that an answer is asked for. */
  hear(peer: number, datagram: Uint8Array, now_ms: number): PeerEvent | undefined {
    const hello = decodeHello(datagram);
    const known = this.peers[peer];
    if (!known) return undefined;
    if (!hello) return { peer, kind: "bad_control" };
    // Its clock runs from its start. Datagrams that overtake each other are not that far apart.
    const restarted = hello.sent_us < known.echo_us - RESTART_US;
    if (restarted) {
      known.loss.reset();
      known.heardUs_ms = 0;
    }
    const sameDescription = known.saidName === hello.name && known.saidMode === hello.mode;
    note(known, hello, now_ms);
    if (hello.leaving) {
      const was = known.state;
      enter(known, "down", now_ms, LEFT);
      return was === "down" ? undefined : { peer, kind: "down" };
    }
    const wasUp = known.state === "up" && !restarted;
    const heardUs = known.hearsUs;
    known.hearsUs = isHeard(known, now_ms);
    const sameCapabilities = known.capabilities === hello.capabilities &&
      known.hearsUs === heardUs;
    known.capabilities = hello.capabilities;
    if (!wasUp) {
      enter(known, "up", now_ms);
      return { peer, kind: "up" };
    }
    if (!sameDescription) return { peer, kind: "described" };
    if (!sameCapabilities) return { peer, kind: "capabilities" };
    return hello.answer ? { peer, kind: "asked" } : undefined;
  }

  /** Looks who has fallen silent, and who does not hear us any more. */
  expire(now_ms: number): PeerEvent[] {
    const events: PeerEvent[] = [];
    this.#peers.forEach((known, peer) => {
      if (known?.state !== "up") return;
      if (now_ms - known.heard_ms >= HELLO_SILENCE_MS) {
        enter(known, "silent", known.heard_ms);
        events.push({ peer, kind: "silent" });
      } else if (known.hearsUs && !isHeard(known, now_ms)) {
        known.hearsUs = false;
        events.push({ peer, kind: "capabilities" });
      }
    });
    return events;
  }

  /**
   * Takes note that a peer cannot be reached, and why. One that was heard or sent packets just now
   * is evidently there, and one that said it was leaving has told more. Tells whether it is news.
   */
  unreachable(peer: number, why: string, now_ms: number): PeerEvent | undefined {
    const known = this.peers[peer]!;
    if (known.state === "up" && !isOverdue(known, now_ms)) return undefined;
    if (known.packets_ms > 0 && now_ms - known.packets_ms < HELLO_INTERVAL_MS) return undefined;
    if (known.state === "down") {
      if (known.why !== LEFT) known.why = why;
      return undefined;
    }
    enter(known, "down", now_ms, why);
    return { peer, kind: "down" };
  }

  /** Takes note that nothing is known to stand in the way of a peer any more. */
  reachable(peer: number, now_ms: number): void {
    const known = this.peers[peer]!;
    if (known.state !== "down" || known.why === LEFT) return;
    if (known.heard_ms > 0) enter(known, "silent", known.heard_ms);
    else enter(known, "plain", now_ms);
  }

  /** Takes note of how many packets came from each peer so far. */
  carried(packetsOf: (peer: number) => number, now_ms: number): void {
    this.#peers.forEach((known, peer) => {
      if (!known) return;
      const packets = packetsOf(peer);
      const more = packets > known.packets;
      known.packets = packets;
      if (!more) return;
      known.packets_ms = now_ms;
      // All of them came later: it is there, and says no hello any more.
      const given_up = known.state === "silent" || known.state === "down";
      if (given_up && this.#looked_ms > known.since_ms) enter(known, "plain", now_ms);
    });
    this.#looked_ms = now_ms;
  }
}

/** What a hello says of its sender. */
function note(known: PeerState, hello: Hello, now_ms: number): void {
  known.loss.arrived(hello.number);
  known.heard_ms = now_ms;
  known.saidName = hello.name;
  known.saidMode = hello.mode;
  known.saidMtu_bytes = hello.mtu_bytes;
  known.protocol = hello.version;
  known.program = hello.program;
  known.echo_us = hello.sent_us;
  if (hello.echo_us === 0) return;
  const rtt_ms = (now_ms * 1000 - hello.echo_us - hello.held_us) / 1000;
  // An echo from before our restart is of another clock.
  if (rtt_ms < 0 || rtt_ms >= HELLO_SILENCE_MS) return;
  known.rtt_ms = rtt_ms;
  known.heardUs_ms = hello.echo_us / 1000;
}

/** Whether a peer has heard a hello of ours not long ago. */
function isHeard({ heardUs_ms }: PeerState, now_ms: number): boolean {
  return heardUs_ms > 0 && now_ms - heardUs_ms < HELLO_UNHEARD_MS;
}

/** Whether a peer that is up should have said hello by now. */
function isOverdue({ state, heard_ms }: PeerState, now_ms: number): boolean {
  return state === "up" && now_ms - heard_ms >= HELLO_OVERDUE_MS;
}

function enter(known: PeerState, state: PeerStateName, since_ms: number, why = ""): void {
  known.state = state;
  known.since_ms = since_ms;
  known.why = why;
  if (state === "up") return;
  known.capabilities = 0;
  known.heardUs_ms = 0;
  known.hearsUs = false;
}
