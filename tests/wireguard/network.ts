/**
 * A network of endpoints with a fake clock: datagrams are lost, doubled, delayed
 * and seen by whoever listens, all from a seed. Data messages are sealed and
 * opened by @noble/ciphers with the keys that the handshake made.
 */

import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import {
  type Action,
  Endpoint,
  type HandshakeDrop,
  type PeerKeys,
  type Source,
} from "../../src/wireguard/endpoint.ts";
import { DATA, DATA_TYPE, dataMessageBytes } from "../../src/wire/data_message.ts";
import { MESSAGE, receiverIndex } from "../../src/wireguard/messages.ts";
import type { TransportKeys } from "../../src/wireguard/noise.ts";
import type { Times } from "../../src/wireguard/timers.ts";
import { type Random, random } from "../fuzz/random.ts";

/** A datagram on its way. */
export interface Flight {
  readonly at_ms: number;
  readonly from: Source;
  readonly to: Source;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

interface Held {
  readonly remoteIndex: number;
  readonly peer: number;
  readonly keys: TransportKeys;
  counter: number;
  readonly seen: Set<number>;
}

const nonce = (counter: number): Uint8Array => {
  const bytes = new Uint8Array(12);
  new DataView(bytes.buffer).setUint32(4, counter, true);
  return bytes;
};

const sameSource = (a: Source, b: Source): boolean =>
  a.port === b.port && a.address.every((byte, i) => byte === b.address[i]);

/** A node: an endpoint, and what a data path does around it. */
export class SimNode {
  readonly endpoint: Endpoint;
  readonly sessions = new Map<number, Held>();
  /** The sending session of each peer; 0: none. */
  readonly current = new Map<number, number>();
  readonly waiting = new Map<number, string[]>();
  readonly where = new Map<number, Source>();
  /** What has arrived, in order. */
  readonly inbox: string[] = [];
  readonly drops: (HandshakeDrop | "no_session" | "bad_tag" | "replayed")[] = [];
  readonly log: Action[] = [];
  /** Datagrams sent, by type. */
  readonly sentTypes = [0, 0, 0, 0, 0];
  keepalives = 0;
  source: Source;
  /** Added to the time that timestamps are made of. */
  wallShift_ms = 0;

  constructor(
    readonly network: Network,
    readonly name: string,
    readonly privateKey: Uint8Array,
    host: number,
    times?: Times,
  ) {
    this.source = { address: Uint8Array.of(10, 0, 0, host), port: 51820 };
    this.endpoint = new Endpoint({
      privateKey,
      random: (count) => network.dice.bytes(count),
      wall_ms: () => 1_700_000_000_000 + network.now_ms + this.wallShift_ms,
      ...(times ? { times } : {}),
    });
  }

  get publicKey(): Uint8Array {
    return this.endpoint.identity.publicKey;
  }

  /** Knows `other` as a peer of that number. */
  meet(number: number, other: SimNode, more: Partial<PeerKeys> = {}): void {
    this.where.set(number, other.source);
    const added = this.endpoint.add(
      number,
      { publicKey: other.publicKey, ...more },
      this.network.now_ms,
    );
    if (!added) throw new Error(`${this.name} cannot meet ${other.name}`);
  }

  /** Sends a text to a peer, once there is a session. */
  send(peer: number, text: string): void {
    if (!this.#seal(peer, new TextEncoder().encode(text))) {
      const waiting = this.waiting.get(peer) ?? [];
      waiting.push(text);
      this.waiting.set(peer, waiting);
      this.run(this.endpoint.queued(peer, this.network.now_ms));
    }
  }

  #seal(peer: number, text: Uint8Array): boolean {
    const held = this.sessions.get(this.current.get(peer) ?? 0);
    if (!held) return false;
    const bytes = new Uint8Array(dataMessageBytes(text.length));
    const head = new DataView(bytes.buffer);
    head.setUint32(0, DATA_TYPE, true);
    head.setUint32(DATA.receiver, held.remoteIndex, true);
    head.setUint32(DATA.counterLow, held.counter, true);
    bytes.set(chacha20poly1305(held.keys.send, nonce(held.counter)).encrypt(text), DATA.text);
    held.counter++;
    this.#put(this.where.get(peer)!, bytes);
    this.run(this.endpoint.sent(peer, this.network.now_ms, text.length > 0));
    return true;
  }

  #put(to: Source, bytes: Uint8Array<ArrayBuffer>): void {
    this.sentTypes[bytes[0]!]!++;
    this.network.put(this.source, to, bytes);
  }

  /** Carries out actions. */
  run(actions: readonly Action[]): void {
    for (const action of actions) {
      this.log.push(action);
      switch (action.do) {
        case "send": {
          const to = action.to ?? this.where.get(action.peer!);
          if (to) this.#put(to, action.datagram);
          break;
        }
        case "session":
          this.sessions.set(action.session.index, {
            remoteIndex: action.session.remoteIndex,
            peer: action.peer,
            keys: action.keys,
            counter: 0,
            seen: new Set(),
          });
          break;
        case "roles":
          this.current.set(action.peer, action.current);
          for (const index of action.ended) this.sessions.delete(index);
          break;
        case "established": {
          const waiting = this.waiting.get(action.peer) ?? [];
          this.waiting.delete(action.peer);
          for (const text of waiting) this.send(action.peer, text);
          if (waiting.length === 0 && action.confirm) this.#keepalive(action.peer);
          break;
        }
        case "keepalive":
          this.#keepalive(action.peer);
          break;
        case "give_up":
          this.waiting.delete(action.peer);
          break;
        case "seen":
          this.where.set(action.peer, action.source);
          break;
      }
    }
  }

  #keepalive(peer: number): void {
    if (this.#seal(peer, new Uint8Array(0))) this.keepalives++;
  }

  /** A datagram has arrived. */
  take(bytes: Uint8Array, from: Source): void {
    if (bytes[0] !== MESSAGE.data) {
      const { actions, drop } = this.endpoint.receive(bytes, from, this.network.now_ms);
      if (drop) this.drops.push(drop);
      return this.run(actions);
    }
    const index = receiverIndex(bytes);
    const held = this.sessions.get(index);
    if (!held) return void this.drops.push("no_session");
    const counter = new DataView(bytes.buffer, bytes.byteOffset).getUint32(DATA.counterLow, true);
    let text: Uint8Array;
    try {
      text = chacha20poly1305(held.keys.receive, nonce(counter)).decrypt(bytes.subarray(DATA.text));
    } catch {
      return void this.drops.push("bad_tag");
    }
    if (held.seen.has(counter)) return void this.drops.push("replayed");
    held.seen.add(counter);
    this.where.set(held.peer, from);
    if (text.length > 0) this.inbox.push(new TextDecoder().decode(text));
    this.run(this.endpoint.confirmed(index, this.network.now_ms));
    this.run(this.endpoint.received(held.peer, this.network.now_ms, text.length > 0));
  }

  /** How many sessions have been made. */
  get sessionsMade(): number {
    return this.log.filter((action) => action.do === "session").length;
  }

  initiationsSent(): number {
    return this.sentTypes[MESSAGE.initiation]!;
  }
}

/** What the network does to datagrams, each in a thousand. */
export interface Weather {
  readonly lost: number;
  readonly doubled: number;
  /** Arrives up to this later, so that others overtake it. */
  readonly delay_ms: number;
}

/** The network and its clock. */
export class Network {
  now_ms = 0;
  weather: Weather = { lost: 0, doubled: 0, delay_ms: 0 };
  readonly dice: Random;
  readonly nodes: SimNode[] = [];
  /** All that was ever sent, as Eve hears it. */
  readonly heard: Flight[] = [];
  #flights: Flight[] = [];
  /** Decides what is lost beside the weather. */
  blocked: (flight: Flight) => boolean = () => false;

  constructor(seed: number) {
    this.dice = random(seed);
  }

  node(name: string, times?: Times): SimNode {
    const node = new SimNode(this, name, this.dice.bytes(32), this.nodes.length + 1, times);
    this.nodes.push(node);
    return node;
  }

  put(from: Source, to: Source, bytes: Uint8Array<ArrayBuffer>): void {
    const { lost, doubled, delay_ms } = this.weather;
    const flight = { at_ms: this.now_ms + 1, from, to, bytes: bytes.slice() };
    this.heard.push(flight);
    if (this.blocked(flight) || this.dice.below(1000) < lost) return;
    const copies = this.dice.below(1000) < doubled ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      const at_ms = flight.at_ms + (delay_ms > 0 ? this.dice.below(delay_ms) : 0);
      this.#flights.push({ ...flight, at_ms });
    }
  }

  #deliver(): void {
    const due = this.#flights.filter(({ at_ms }) => at_ms <= this.now_ms);
    this.#flights = this.#flights.filter(({ at_ms }) => at_ms > this.now_ms);
    due.sort((a, b) => a.at_ms - b.at_ms);
    for (const { from, to, bytes } of due) {
      this.nodes.find(({ source }) => sameSource(source, to))?.take(bytes, from);
    }
  }

  /** Lets time pass, in steps of 1 ms while something is under way, else up to what comes next. */
  pass(time_ms: number): void {
    const end_ms = this.now_ms + time_ms;
    while (this.now_ms < end_ms) {
      let next_ms = end_ms;
      for (const { at_ms } of this.#flights) next_ms = Math.min(next_ms, at_ms);
      for (const { endpoint } of this.nodes) next_ms = Math.min(next_ms, endpoint.next_ms);
      this.now_ms = Math.max(this.now_ms + 1, Math.min(next_ms, end_ms));
      this.#deliver();
      for (const node of this.nodes) node.run(node.endpoint.tick(this.now_ms));
    }
  }

  /** The clock goes on while nobody runs: a suspended host, or a stopped process. */
  sleep(time_ms: number): void {
    this.#flights = [];
    this.now_ms += time_ms;
  }
}

/** Two nodes that know each other as peer 0. */
export function pair(
  seed: number,
  more: Partial<PeerKeys> = {},
  times?: Times,
): { readonly network: Network; readonly alice: SimNode; readonly bob: SimNode } {
  const network = new Network(seed);
  const alice = network.node("alice", times);
  const bob = network.node("bob", times);
  alice.meet(0, bob, more);
  bob.meet(0, alice, more);
  return { network, alice, bob };
}
