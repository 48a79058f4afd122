/**
 * One node's side of WireGuard but for the data messages: it judges handshake
 * messages, keeps the sessions of all peers and says what to do. Pure: datagrams,
 * time and random bytes come in, actions come out; keys leave with the action that
 * makes a session and are kept nowhere here.
 *
 * Whoever moves the data tells of it by `queued`, `sent`, `received` and
 * `confirmed`, and calls `tick` at least once a second, or at `next_ms`.
 */

import { NODES_MAX } from "../base/limits.ts";
import { checkMac1, CookieJar, CookieMaker, type RandomBytes } from "./cookie.ts";
import {
  acceptInitiation,
  acceptResponse,
  createInitiation,
  createResponse,
  type Initiation,
  type LocalIdentity,
  localIdentity,
  type RemoteIdentity,
  remoteIdentity,
} from "./handshake.ts";
import { IndexTable } from "./index_table.ts";
import { erase, formatKey, KEY_BYTES } from "../wire/keys.ts";
import { Keypairs, type Session } from "./keypairs.ts";
import { HandshakeLoad } from "./load.ts";
import { MESSAGE, messageType, receiverIndex, senderIndex, TIMESTAMP_BYTES } from "./messages.ts";
import type { TransportKeys } from "./noise.ts";
import { SourceLimits } from "./source_limits.ts";
import { isLater, StampClock } from "./tai64n.ts";
import { Timers, TIMES, type Times } from "./timers.ts";

/** A peer may begin a handshake once in this time (as wireguard-go: 50 a second). */
const INITIATION_INTERVAL_MS = 20;

/** Data is answered within that time, if by anything: longer than datagrams overtake each other. */
const UNANSWERED_MS = 1_000;

/** Where a datagram comes from. */
export interface Source {
  /** 4 or 16 bytes. */
  readonly address: Uint8Array;
  readonly port: number;
}

/** What to do. Actions are carried out in their order. */
export type Action =
  /** Send a handshake message: to `to`, or else to where the peer was seen last. */
  | {
    readonly do: "send";
    readonly peer: number | undefined;
    readonly datagram: Uint8Array<ArrayBuffer>;
    readonly to: Source | undefined;
  }
  /** A session has been made. Whoever takes the keys erases them here. */
  | {
    readonly do: "session";
    readonly peer: number;
    readonly session: Session;
    readonly keys: TransportKeys;
  }
  /** The sessions have changed places; `ended` are used no more. Indices, 0 for none. */
  | {
    readonly do: "roles";
    readonly peer: number;
    readonly older: number;
    readonly previous: number;
    readonly current: number;
    readonly next: number;
    readonly ended: readonly number[];
  }
  /**
   * There is a session to send by: what waits goes out now. `confirm`: if nothing waits, a
   * keepalive, since the peer sends nothing by a session that we have not used.
   */
  | {
    readonly do: "established";
    readonly peer: number;
    readonly confirm: boolean;
    /** From our initiation to the response; undefined where the peer began. */
    readonly roundTrip_ms: number | undefined;
  }
  /** Send a data message without a packet. */
  | { readonly do: "keepalive"; readonly peer: number }
  /** The peer does not answer: what waits is dropped. */
  | { readonly do: "give_up"; readonly peer: number }
  /**
   * The peer answers from there. An initiation does not say so: after a restart of ours an old one
   * might be sent again by anybody. Whoever moves the data learns the rest from data messages.
   */
  | { readonly do: "seen"; readonly peer: number; readonly source: Source };

/** Why a handshake message was dropped. */
export type HandshakeDrop =
  | "malformed"
  | "bad_mac1"
  | "handshake_flood"
  | "unknown_index"
  | "bad_handshake"
  | "replayed_handshake"
  | "bad_cookie";

/** What became of a datagram. */
export interface Outcome {
  readonly actions: readonly Action[];
  readonly drop: HandshakeDrop | undefined;
}

/** What a peer is made of. */
export interface PeerKeys {
  readonly publicKey: Uint8Array;
  /** None: zeros. */
  readonly presharedKey?: Uint8Array | undefined;
  /** Persistent keepalive; 0 or left out: none. */
  readonly keepalive_ms?: number | undefined;
}

/** What an endpoint is made of. */
export interface EndpointParts {
  /** 32 bytes. */
  readonly privateKey: Uint8Array;
  readonly random: RandomBytes;
  /** Milliseconds since 1970, for timestamps alone. */
  readonly wall_ms: () => number;
  readonly times?: Times;
}

interface Peer extends RemoteIdentity {
  readonly number: number;
  readonly jar: CookieJar;
  readonly timers: Timers;
  readonly keypairs: Keypairs;
  /** The greatest timestamp it has begun a handshake with. */
  timestamp: Uint8Array;
  accepted_ms: number;
  initiation: (Initiation & { readonly index: number; readonly sent_ms: number }) | undefined;
}

const dropped = (drop: HandshakeDrop, actions: readonly Action[] = []): Outcome => ({
  actions,
  drop,
});

/** Whether a key is greater than another as a number, big-endian: both sides find the same. */
function isGreater(a: Uint8Array, b: Uint8Array): boolean {
  const at = a.findIndex((byte, i) => byte !== b[i]);
  return a[at]! > b[at]!;
}

/** A source as the bytes that a cookie depends on: address and port, or a NAT's users share one. */
function sourceBytes({ address, port }: Source): Uint8Array {
  const bytes = new Uint8Array(address.length + 2);
  bytes.set(address);
  bytes[address.length] = port >> 8;
  bytes[address.length + 1] = port;
  return bytes;
}

/** See the head of the file. */
export class Endpoint {
  readonly identity: LocalIdentity;
  readonly load: HandshakeLoad = new HandshakeLoad();
  readonly #random: RandomBytes;
  readonly #times: Times;
  readonly #wall_ms: () => number;
  readonly #cookies: CookieMaker;
  readonly #limits = new SourceLimits();
  readonly #stamps = new StampClock();
  readonly #indices: IndexTable;
  readonly #peers = new Map<number, Peer>();
  readonly #byKey = new Map<string, Peer>();

  constructor({ privateKey, random, wall_ms, times = TIMES }: EndpointParts) {
    this.identity = localIdentity(privateKey);
    this.#random = random;
    this.#times = times;
    this.#wall_ms = wall_ms;
    this.#cookies = new CookieMaker(this.identity, random);
    this.#indices = new IndexTable(() => this.#u32());
  }

  #u32(): number {
    return new DataView(this.#random(4).buffer).getUint32(0);
  }

  /**
   * Adds a peer under a number below NODES_MAX that is free. False where its public key cannot be
   * one: see `remoteIdentity`; or where another peer has it.
   */
  add(number: number, keys: PeerKeys, now_ms: number): boolean {
    if (number >= NODES_MAX || this.#peers.has(number)) throw new RangeError(`peer ${number}`);
    const name = formatKey(keys.publicKey);
    const remote = remoteIdentity(this.identity, keys.publicKey, keys.presharedKey);
    if (!remote || this.#byKey.has(name)) return false;
    const timers = new Timers(this.#times, () => this.#u32() / 2 ** 32, keys.keepalive_ms);
    const peer: Peer = {
      ...remote,
      number,
      jar: new CookieJar(remote),
      timers,
      keypairs: new Keypairs(),
      timestamp: new Uint8Array(TIMESTAMP_BYTES),
      accepted_ms: -Infinity,
      initiation: undefined,
    };
    this.#peers.set(number, peer);
    this.#byKey.set(name, peer);
    timers.start(now_ms);
    return true;
  }

  /** Takes a peer away: its sessions end. */
  remove(number: number): readonly Action[] {
    const peer = this.#peers.get(number);
    if (!peer) return [];
    this.#peers.delete(number);
    this.#byKey.delete(formatKey(peer.publicKey));
    this.#dropInitiation(peer);
    erase(peer.staticShared);
    const actions: Action[] = [];
    this.#changed(peer, peer.keypairs.expire(Infinity, 0), actions);
    return actions;
  }

  /** When `tick` has something to do next; Infinity: nothing. */
  get next_ms(): number {
    let next_ms = Infinity;
    for (const { timers, keypairs } of this.#peers.values()) {
      const expiry_ms = keypairs.oldest_ms + this.#times.reject_after_ms;
      next_ms = Math.min(next_ms, timers.next_ms, expiry_ms);
    }
    return next_ms;
  }

  /** A packet for the peer waits, as there is no session to send it by. */
  queued(number: number, now_ms: number): readonly Action[] {
    return this.#event(number, now_ms, (peer) => peer.timers.wantSession(now_ms));
  }

  /** By a session went to the peer: data, or else a keepalive. */
  sent(number: number, now_ms: number, data: boolean): readonly Action[] {
    return this.#event(number, now_ms, (peer) => peer.timers.sent(now_ms, data));
  }

  /** By a session came from the peer, authentic and no replay: data, or else a keepalive. */
  received(number: number, now_ms: number, data: boolean): readonly Action[] {
    return this.#event(number, now_ms, (peer) => peer.timers.received(now_ms, data));
  }

  /** The sending session has used up its messages (REKEY_AFTER_MESSAGES). */
  wornOut(number: number, now_ms: number): readonly Action[] {
    return this.#event(number, now_ms, (peer) => peer.timers.wantSession(now_ms));
  }

  /** The peer has used the session of that index for the first time. Any index may be told, often. */
  confirmed(index: number, now_ms: number): readonly Action[] {
    const peer = this.#peers.get(this.#indices.find(index) ?? -1);
    if (!peer || peer.keypairs.next?.index !== index) return [];
    const actions: Action[] = [];
    this.#changed(peer, peer.keypairs.confirmed(), actions);
    peer.timers.handshakeDone();
    actions.push({
      do: "established",
      peer: peer.number,
      confirm: false,
      roundTrip_ms: undefined,
    });
    this.#run(peer, now_ms, actions);
    return actions;
  }

  /** Does what is due by now. */
  tick(now_ms: number): readonly Action[] {
    const actions: Action[] = [];
    for (const peer of this.#peers.values()) {
      const ended = peer.keypairs.expire(now_ms, this.#times.reject_after_ms);
      if (ended.length > 0) this.#changed(peer, ended, actions);
      const begun_ms = peer.initiation?.sent_ms ?? now_ms;
      if (now_ms - begun_ms >= this.#times.rekey_attempt_ms) this.#dropInitiation(peer);
      this.#run(peer, now_ms, actions);
    }
    return actions;
  }

  /**
   * Takes a handshake message: type 1, 2 or 3. `judged` skips mac1, which a lane has looked at.
   */
  receive(datagram: Uint8Array, source: Source, now_ms: number, judged = false): Outcome {
    const type = messageType(datagram);
    if (type === undefined || type === MESSAGE.data) return dropped("malformed");
    if (type === MESSAGE.cookie) return this.#takeCookie(datagram, now_ms);
    if (!judged && !checkMac1(this.identity, datagram)) return dropped("bad_mac1");
    if (this.load.underLoad(now_ms)) {
      const from = sourceBytes(source);
      if (!this.#cookies.checkMac2(datagram, from, now_ms)) {
        const reply = this.#cookies.reply(datagram, from, now_ms);
        return dropped("handshake_flood", [
          { do: "send", peer: undefined, datagram: reply, to: source },
        ]);
      }
      if (!this.#limits.take(source.address, now_ms)) return dropped("handshake_flood");
    }
    return type === MESSAGE.initiation
      ? this.#takeInitiation(datagram, source, now_ms)
      : this.#takeResponse(datagram, source, now_ms);
  }

  #takeCookie(datagram: Uint8Array, now_ms: number): Outcome {
    const peer = this.#peers.get(this.#indices.find(receiverIndex(datagram)) ?? -1);
    if (!peer) return dropped("unknown_index");
    // It does not say where the peer is, and the next try is soon enough to use it.
    return peer.jar.take(datagram, now_ms)
      ? { actions: [], drop: undefined }
      : dropped("bad_cookie");
  }

  #takeInitiation(datagram: Uint8Array, source: Source, now_ms: number): Outcome {
    const accepted = acceptInitiation(
      this.identity,
      datagram,
      (publicKey) => this.#byKey.get(formatKey(publicKey)),
    );
    if (!accepted) return dropped("bad_handshake");
    const { remote: peer, timestamp } = accepted;
    if (!isLater(timestamp, peer.timestamp)) return this.#takeOld(peer, now_ms);
    if (now_ms - peer.accepted_ms < INITIATION_INTERVAL_MS) return dropped("handshake_flood");
    const index = this.#indices.take(peer.number);
    if (index === undefined) return dropped("handshake_flood");
    const ephemeral = this.#random(KEY_BYTES);
    const answer = createResponse(accepted, index, ephemeral);
    erase(ephemeral);
    if (!answer) {
      this.#indices.release(index);
      return dropped("bad_handshake");
    }
    peer.timestamp = timestamp;
    peer.accepted_ms = now_ms;
    peer.jar.sign(answer.message, now_ms);
    const actions: Action[] = [];
    const session: Session = {
      index,
      remoteIndex: accepted.senderIndex,
      initiator: false,
      created_ms: now_ms,
    };
    actions.push({ do: "session", peer: peer.number, session, keys: answer.keys });
    this.#changed(peer, peer.keypairs.offered(session), actions);
    actions.push({ do: "send", peer: peer.number, datagram: answer.message, to: source });
    peer.timers.received(now_ms, false);
    this.#run(peer, now_ms, actions);
    return { actions, drop: undefined };
  }

  /**
   * An initiation that is not later than one before: sent again by anybody, or the peer has started
   * anew with a clock that was set back. If it leaves data without an answer, this side calls.
   */
  #takeOld(peer: Peer, now_ms: number): Outcome {
    const actions: Action[] = [];
    if (peer.timers.unansweredFor_ms(now_ms) >= UNANSWERED_MS) {
      peer.timers.wantSession(now_ms);
      this.#run(peer, now_ms, actions);
    }
    return dropped("replayed_handshake", actions);
  }

  #takeResponse(datagram: Uint8Array, source: Source, now_ms: number): Outcome {
    const index = receiverIndex(datagram);
    const peer = this.#peers.get(this.#indices.find(index) ?? -1);
    const initiation = peer?.initiation;
    if (!peer || initiation?.index !== index) return dropped("unknown_index");
    const keys = acceptResponse(initiation, peer, datagram);
    if (!keys) return dropped("bad_handshake");
    peer.initiation = undefined;
    const actions: Action[] = [{ do: "seen", peer: peer.number, source }];
    const session: Session = {
      index,
      remoteIndex: senderIndex(datagram),
      initiator: true,
      created_ms: initiation.sent_ms,
      // Both have begun at once, and both would go on doing so: the keys decide who waits.
      yields: peer.keypairs.next !== undefined &&
        isGreater(this.identity.publicKey, peer.publicKey),
    };
    actions.push({ do: "session", peer: peer.number, session, keys });
    this.#changed(peer, peer.keypairs.answered(session), actions);
    peer.timers.handshakeDone();
    peer.timers.received(now_ms, false);
    const roundTrip_ms = now_ms - initiation.sent_ms;
    actions.push({ do: "established", peer: peer.number, confirm: true, roundTrip_ms });
    this.#run(peer, now_ms, actions);
    return { actions, drop: undefined };
  }

  #event(number: number, now_ms: number, tell: (peer: Peer) => void): readonly Action[] {
    const peer = this.#peers.get(number);
    if (!peer) return [];
    tell(peer);
    const actions: Action[] = [];
    this.#run(peer, now_ms, actions);
    return actions;
  }

  /** The sessions have changed: tells which they are and frees the indices of those that ended. */
  #changed(peer: Peer, ended: readonly Session[], actions: Action[]): void {
    const { older, previous, current, next } = peer.keypairs;
    for (const { index } of ended) this.#indices.release(index);
    peer.timers.useSession(current);
    actions.push({
      do: "roles",
      peer: peer.number,
      older: older?.index ?? 0,
      previous: previous?.index ?? 0,
      current: current?.index ?? 0,
      next: next?.index ?? 0,
      ended: ended.map(({ index }) => index),
    });
  }

  #run(peer: Peer, now_ms: number, actions: Action[]): void {
    for (const due of peer.timers.tick(now_ms)) {
      if (due === "initiate") this.#initiate(peer, now_ms, actions);
      else if (due === "keepalive") actions.push({ do: "keepalive", peer: peer.number });
      else {
        this.#dropInitiation(peer);
        actions.push({ do: "give_up", peer: peer.number });
      }
    }
  }

  #dropInitiation(peer: Peer): void {
    if (!peer.initiation) return;
    this.#indices.release(peer.initiation.index);
    peer.initiation.noise.erase();
    peer.initiation = undefined;
  }

  #initiate(peer: Peer, now_ms: number, actions: Action[]): void {
    this.#dropInitiation(peer);
    const index = this.#indices.take(peer.number);
    if (index === undefined) return; // All places are in use: the next try finds one.
    const ephemeral = this.#random(KEY_BYTES);
    const stamp = this.#stamps.next(this.#wall_ms());
    const initiation = createInitiation(this.identity, peer, index, ephemeral, stamp);
    erase(ephemeral);
    if (!initiation) {
      this.#indices.release(index);
      return;
    }
    peer.jar.sign(initiation.message, now_ms);
    peer.initiation = { ...initiation, index, sent_ms: now_ms };
    actions.push({
      do: "send",
      peer: peer.number,
      datagram: initiation.message,
      to: undefined,
    });
  }
}
