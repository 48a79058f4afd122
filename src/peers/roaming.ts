/**
 * Peers that may move their address: what a hello from elsewhere has to prove.
 * Pure.
 *
 * It must come from where it says twice: it is answered with a hello of ours,
 * whose time of sending the next one must echo. So nobody can point a peer's
 * traffic at an address that is not his own. And the peer must not be heard at
 * the address that it had: whoever is there and alive is not put aside.
 *
 * That does not prove the name: a hello is not authenticated. Whoever can send
 * one while a roaming peer is away can take its place.
 */

import { HELLO_ASK_INTERVAL_MS, HELLO_OVERDUE_MS } from "../base/limits.ts";
import { decodeHello } from "../wire/hello.ts";
import { formatAddress } from "../net/prefix.ts";
import type { Peer, Roster, UnderlayEndpoint } from "./roster.ts";

/** What to do about a hello from elsewhere. */
export type Verdict =
  /** Nothing: it is of nobody who may roam, or it has been answered already. */
  | { readonly kind: "ignore" }
  /** Answer it there, and note the answer with `challenged`. */
  | { readonly kind: "challenge"; readonly peer: Peer }
  /** The peer has moved there; `hello` is what it said last. */
  | {
    readonly kind: "move";
    readonly peer: Peer;
    readonly at: UnderlayEndpoint;
    readonly hello: Uint8Array;
  };

interface Candidate {
  readonly at: UnderlayEndpoint;
  readonly challenged_ms: number;
  readonly challenge_us: number;
  /** The hello that echoed the challenge. */
  proof: Uint8Array | undefined;
}

const IGNORE: Verdict = { kind: "ignore" };

const sameEndpoint = (one: UnderlayEndpoint, other: UnderlayEndpoint): boolean =>
  one.port === other.port &&
  formatAddress(one.address.bytes) === formatAddress(other.address.bytes);

/** Judges hellos from elsewhere: one candidate for each peer that may roam. */
export class Roaming {
  readonly #candidates = new Map<Peer, Candidate>();

  constructor(readonly roster: Roster) {}

  /** The peer that may roam and that a hello names. */
  namedBy(bytes: Uint8Array): Peer | undefined {
    const name = decodeHello(bytes)?.name;
    return this.roster.peers.find((peer) => peer.node.roaming === true && peer.name === name);
  }

  /** Judges a control datagram from an address that is no peer's. */
  judge(bytes: Uint8Array, at: UnderlayEndpoint, now_ms: number): Verdict {
    const peer = this.namedBy(bytes);
    const hello = decodeHello(bytes);
    if (!peer || !hello || hello.leaving) return IGNORE;
    const known = this.#candidates.get(peer);
    if (known && sameEndpoint(known.at, at) && hello.echo_us === known.challenge_us) {
      known.proof = bytes;
      return this.#settle(peer, known, now_ms);
    }
    // One candidate at a time, so that no flood of hellos is answered.
    if (known && now_ms - known.challenged_ms < HELLO_ASK_INTERVAL_MS) return IGNORE;
    return { kind: "challenge", peer };
  }

  /** A peer's hello from elsewhere was answered at a time on our clock, as the answer carries it. */
  challenged(peer: Peer, at: UnderlayEndpoint, challenge_us: number, now_ms: number): void {
    this.#candidates.set(peer, { at, challenge_us, challenged_ms: now_ms, proof: undefined });
  }

  /** Looks whose proof has had to wait until the peer was not heard any more where it was. */
  due(now_ms: number): readonly Verdict[] {
    return [...this.#candidates].flatMap(([peer, candidate]) => {
      const gone = this.roster.at(peer.index) !== peer;
      // A proof grows old: its sender may be gone again.
      if (gone || now_ms - candidate.challenged_ms > PROOF_MAX_AGE_MS) {
        this.#candidates.delete(peer);
        return [];
      }
      const verdict = this.#settle(peer, candidate, now_ms);
      return verdict.kind === "move" ? [verdict] : [];
    });
  }

  /** Forgets a peer's candidate: it has moved. */
  forget(peer: Peer): void {
    this.#candidates.delete(peer);
  }

  #settle(peer: Peer, { at, proof }: Candidate, now_ms: number): Verdict {
    const state = this.roster.book.peers[peer.index];
    const heard = state?.state === "up" && now_ms - state.heard_ms < HELLO_OVERDUE_MS;
    return proof && !heard ? { kind: "move", peer, at, hello: proof } : IGNORE;
  }
}

/** A proof is waited on for as long as a peer may stay silent before it is overdue, and once more. */
const PROOF_MAX_AGE_MS = 2 * HELLO_OVERDUE_MS;
