/** The other nodes as this one sees them: who has said hello, and how far away they are. Pure. */

import { HELLO_SILENCE_MS } from "../limits.ts";
import type { Mode } from "../config/types.ts";
import { decodeHello, encodeHello, PROTOCOL_VERSION } from "./hello.ts";

/** What is known of one peer. */
export interface PeerState {
  /** Its name in the config. */
  readonly name: string;
  /** `plain` has never said hello, `up` has lately, `silent` did once. */
  state: "plain" | "up" | "silent";
  /** When it last said hello, on our monotonic clock. */
  heard_ms: number;
  /** Round trip time of the last exchange. */
  rtt_ms: number | undefined;
  /** What it understands: bits of CAPABILITY, 0 unless it is up. */
  capabilities: number;
  /** The name and mode that it gives itself. */
  saidName: string;
  saidMode: Mode;
  /** Its time of sending, to be echoed. */
  echo_us: number;
}

/** What a datagram or the passing of time has changed. */
export interface PeerEvent {
  readonly peer: number;
  readonly kind: "up" | "silent" | "capabilities" | "bad_control";
}

/** Who we are, as we say it in a hello. */
export interface SelfDescription {
  readonly name: string;
  readonly mode: Mode;
  readonly mtu_bytes: number;
  readonly capabilities: number;
}

/** The peers by index; the same index as in the forwarding table. */
export class PeerBook {
  readonly peers: readonly PeerState[];

  constructor(names: readonly string[], public self: SelfDescription) {
    this.peers = names.map((name) => ({
      name,
      state: "plain",
      heard_ms: 0,
      rtt_ms: undefined,
      capabilities: 0,
      saidName: "",
      saidMode: "tun",
      echo_us: 0,
    }));
  }

  /** The hello to send to a peer now. */
  hello(peer: number, now_ms: number): Uint8Array<ArrayBuffer> {
    const { echo_us, heard_ms } = this.peers[peer]!;
    const held_us = echo_us === 0 ? 0 : Math.round((now_ms - heard_ms) * 1000);
    return encodeHello({
      version: PROTOCOL_VERSION,
      mode: this.self.mode,
      capabilities: this.self.capabilities,
      sent_us: Math.round(now_ms * 1000),
      echo_us,
      held_us: Math.min(held_us, 0xffff_ffff),
      mtu_bytes: this.self.mtu_bytes,
      name: this.self.name,
    });
  }

  /** Takes in a control datagram from a peer; tells what changed. */
  hear(peer: number, datagram: Uint8Array, now_ms: number): PeerEvent | undefined {
    const hello = decodeHello(datagram);
    const known = this.peers[peer];
    if (!known) return undefined;
    if (!hello) return { peer, kind: "bad_control" };
    const wasUp = known.state === "up";
    const sameCapabilities = known.capabilities === hello.capabilities;
    known.capabilities = hello.capabilities;
    known.state = "up";
    known.heard_ms = now_ms;
    known.saidName = hello.name;
    known.saidMode = hello.mode;
    known.echo_us = hello.sent_us;
    if (hello.echo_us > 0) {
      const rtt_ms = (now_ms * 1000 - hello.echo_us - hello.held_us) / 1000;
      // An echo from before our restart is of another clock.
      if (rtt_ms >= 0 && rtt_ms < HELLO_SILENCE_MS) known.rtt_ms = rtt_ms;
    }
    if (!wasUp) return { peer, kind: "up" };
    return sameCapabilities ? undefined : { peer, kind: "capabilities" };
  }

  /** Looks who has fallen silent. */
  expire(now_ms: number): PeerEvent[] {
    const events: PeerEvent[] = [];
    this.peers.forEach((known, peer) => {
      if (known.state !== "up" || now_ms - known.heard_ms < HELLO_SILENCE_MS) return;
      known.state = "silent";
      known.capabilities = 0;
      events.push({ peer, kind: "silent" });
    });
    return events;
  }
}
