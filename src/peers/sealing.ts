/**
 * The sessions of this node: what lanes and timers say goes to the state machine of
 * the handshakes (wireguard/endpoint.ts), and what that wants is done: messages are
 * sent, sessions published, packets that had to wait sealed. On the main thread.
 */

import { HANDSHAKE_ANSWER_MS, LANES_MAX } from "../base/limits.ts";
import type { Log } from "../base/log.ts";
import type { Config } from "../config/types.ts";
import type { Lanes } from "../dataplane/lanes/lanes.ts";
import type { SealedEvent } from "../dataplane/lanes/sealing_setup.ts";
import type { LaneSealing } from "../dataplane/sealing.ts";
import type { CounterName } from "../forwarding/counters.ts";
import { ActivityReader } from "../forwarding/session_activity.ts";
import type { NewSession } from "../forwarding/sessions.ts";
import { type Address, formatAddress, formatEndpoint, type IpVersion } from "../net/prefix.ts";
import type { Sender } from "../io/sockaddr.ts";
import { DATA } from "../wire/data_message.ts";
import { equalBytes, erase, formatKey } from "../wire/keys.ts";
import { type Action, Endpoint, type HandshakeDrop } from "../wireguard/endpoint.ts";
import type { Times } from "../wireguard/timers.ts";
import { WaitingPackets } from "../wireguard/waiting.ts";
import type { Peer } from "./peer.ts";
import type { Registry } from "./registry.ts";

/** What sealing needs of the node. */
export interface SealingControlParts {
  readonly registry: Registry;
  readonly lanes: Pick<Lanes, "sessions" | "activity" | "laneCount" | "wake" | "countForKernel">;
  /** What the main thread itself seals by. */
  readonly own: LaneSealing;
  /** 32 bytes. */
  readonly privateKey: Uint8Array;
  /** The key in a file of the config. Throws a ConfigError. */
  readonly readKey: (path: string) => Uint8Array;
  readonly send: (datagram: Uint8Array<ArrayBuffer>, address: Address, port: number) => void;
  readonly publishPeer: (peer: Peer) => void;
  /** There is a session with a peer: again, or for the first time. */
  readonly onEstablished: (peer: Peer) => void;
  readonly ipVersion: IpVersion;
  /** CLOCK_BOOTTIME, as lanes have it. */
  readonly now_ms: () => number;
  readonly wall_ms: () => number;
  readonly times?: Times | undefined;
  readonly log: Log;
}

/** What each reason of a dropped handshake counts as. */
const DROP_COUNTER: Readonly<Record<HandshakeDrop, CounterName>> = {
  malformed: "bad_handshake",
  bad_mac1: "bad_handshake",
  handshake_flood: "handshake_flood",
  unknown_index: "bad_handshake",
  bad_handshake: "bad_handshake",
  replayed_handshake: "replayed",
  bad_cookie: "bad_handshake",
};

/** What was given to the state machine of a peer. */
interface Known {
  readonly peer: Peer;
  readonly publicKey: Uint8Array;
  readonly presharedKey: Uint8Array | undefined;
  readonly keepalive_ms: number;
  /** When the session that it is sent by was made; undefined: there is none. */
  established_ms: number | undefined;
  /** Since when there is no session and one is wanted; Infinity: there is one. */
  wanted_ms: number;
  /** Whether it was told that the peer does not answer, or calls by a key that is not known. */
  told: boolean;
}

/** See the head of the file. */
export class SealingControl {
  readonly #endpoint: Endpoint;
  readonly #waiting = new WaitingPackets();
  readonly #known = new Map<number, Known>();
  #activity: ActivityReader;
  #activities = -1;
  #made: NewSession | undefined;

  constructor(readonly parts: SealingControlParts) {
    const { privateKey, wall_ms, times, own, log } = parts;
    for (const why of own.failed) log.warn("aead", `packets are not sealed by ${why}`, {});
    this.#endpoint = new Endpoint({
      privateKey,
      random: (count) => crypto.getRandomValues(new Uint8Array(count)),
      wall_ms,
      ...(times ? { times } : {}),
    });
    this.#activity = new ActivityReader(parts.lanes.activity);
  }

  /** What packets are sealed by, in words. */
  get aead(): string {
    return this.parts.own.aead;
  }

  /** How long ago the session with a peer was made; undefined while there is none. */
  sessionAge_ms(index: number): number | undefined {
    const established_ms = this.#known.get(index)?.established_ms;
    return established_ms === undefined ? undefined : this.parts.now_ms() - established_ms;
  }

  /** Reads all key files of a config. Throws a ConfigError where one cannot be used. */
  checkFiles({ nodes }: Pick<Config, "nodes">): void {
    for (const { keys } of nodes) {
      if (keys?.presharedKeyFile !== undefined) this.parts.readKey(keys.presharedKeyFile);
    }
  }

  /** Goes over to the peers of the registry and their keys. Throws a ConfigError before it changes any. */
  followRegistry(): void {
    const { registry, readKey, now_ms } = this.parts;
    const wanted = registry.peers.filter(({ isSealed }) => isSealed).map((peer) => {
      const { publicKey, presharedKeyFile, keepalive_ms } = peer.node.keys!;
      const presharedKey = presharedKeyFile === undefined ? undefined : readKey(presharedKeyFile);
      return { peer, publicKey, presharedKey, keepalive_ms };
    });
    const kept = new Set(
      wanted.filter((one) => isSame(this.#known.get(one.peer.index), one)).map(({ peer }) => peer),
    );
    for (const [index, { peer }] of this.#known) {
      if (!kept.has(peer)) this.#forget(index);
    }
    for (const one of wanted) {
      if (kept.has(one.peer)) continue;
      const { index, name } = one.peer;
      const added = this.#endpoint.add(index, one, now_ms());
      if (!added) {
        this.parts.log.error("key", `${name}: ${formatKey(one.publicKey)} cannot be a public key`);
        continue;
      }
      this.#activity.forget(index, now_ms());
      this.#known.set(index, {
        ...one,
        established_ms: undefined,
        wanted_ms: Infinity,
        told: false,
      });
    }
  }

  #forget(index: number): void {
    this.#run(this.#endpoint.remove(index));
    this.#waiting.take(index);
    this.#known.delete(index);
  }

  /** A lane tells something. */
  hear(event: SealedEvent): void {
    const { now_ms } = this.parts;
    switch (event.what) {
      case "handshake":
        return this.#handshake(event.bytes, event.sender);
      case "unsealed":
        return this.#queue(event.peer, event.bytes);
      case "used":
        return this.#run(this.#endpoint.confirmed(event.index, now_ms()));
      case "moved":
        return this.#seen(event.peer, event.sender);
      case "foreign":
        return this.#foreign(event.sender);
    }
  }

  /** Seals one message to a peer and sends it; false: there is no session, and one is being made. */
  send(peer: Peer, text: Uint8Array): boolean {
    if (this.#transmit(peer, text)) return true;
    this.#want(peer.index);
    return false;
  }

  /** Looks what lanes have sent and received, and does what is due. */
  check(): void {
    const { registry, lanes, now_ms } = this.parts;
    const activities = lanes.activity;
    if (activities.length !== this.#activities) {
      this.#activity = new ActivityReader(activities);
      this.#activities = activities.length;
    }
    const endpoint = this.#endpoint;
    this.#activity.poll(registry.indexes, {
      sent: (peer, at_ms) => {
        this.#run(endpoint.sent(peer, at_ms, true));
        if (this.#isWornOut(peer)) this.#run(endpoint.wornOut(peer, at_ms));
      },
      received: (peer, at_ms, data, index) => {
        this.#run(endpoint.confirmed(index, at_ms));
        this.#run(endpoint.received(peer, at_ms, data));
      },
    });
    this.#run(endpoint.tick(now_ms()));
    for (const one of this.#known.values()) this.#tellSilent(one, now_ms());
  }

  #isWornOut(peer: number): boolean {
    const { own: { sessions: own }, lanes: { sessions } } = this.parts;
    const place = own.current(peer);
    return place >= 0 && sessions!.isWornOut(own.indexAt(place));
  }

  #handshake(bytes: Uint8Array, sender: Sender): void {
    const { lanes, now_ms } = this.parts;
    const begin_ms = now_ms();
    const { actions, drop } = this.#endpoint.receive(bytes, sender, begin_ms, true);
    this.#run(actions);
    const end_ms = now_ms();
    this.#endpoint.load.spent(end_ms - begin_ms, 0, end_ms);
    if (!drop) return;
    lanes.countForKernel("inbound", DROP_COUNTER[drop], 1);
    if (drop === "bad_handshake") this.#foreign(sender);
  }

  /** Somebody calls by keys that do not fit: told once if it is from a peer's address. */
  #foreign({ address, port }: Sender): void {
    const one = [...this.#known.values()].find(({ peer }) => peer.isAt(address, port));
    if (!one || one.told || one.established_ms !== undefined) return;
    one.told = true;
    const { name } = one.peer;
    const from = formatEndpoint(formatAddress(address), port);
    this.parts.log.warn(
      "wrong_key",
      `${name} (${from}) calls by keys that do not fit: compare the public_key of both nodes in ` +
        "the config with what `tunnet key --show` prints on each",
      { peer: name },
    );
  }

  #queue(index: number, packet: Uint8Array<ArrayBuffer>): void {
    const known = this.#known.get(index);
    if (!known) return;
    // The session may have been made while the packet was on its way here.
    if (this.#transmit(known.peer, packet)) return;
    const lost = this.#waiting.add(index, packet);
    if (lost > 0) this.parts.lanes.countForKernel("outbound", "no_session", lost);
    this.#want(index);
  }

  #want(index: number): void {
    const known = this.#known.get(index);
    if (!known) return;
    const now_ms = this.parts.now_ms();
    known.wanted_ms = Math.min(known.wanted_ms, now_ms);
    this.#run(this.#endpoint.queued(index, now_ms));
  }

  #transmit(peer: Peer, text: Uint8Array): boolean {
    const { own, send, log } = this.parts;
    const { address, port, index, name } = peer;
    if (!address) return false;
    const { sealed: { bytes, start } } = own;
    bytes.set(text, start + DATA.text);
    own.turn();
    const size = own.seal.seal(index, start, start + DATA.text, text.length, text.length);
    if (size === 0) return false;
    try {
      send(bytes.slice(start, start + size), address, port);
    } catch (error) {
      // The underlay may be down.
      const why = error instanceof Error ? error.message : String(error);
      log.debug("send_failed", `to ${name}: ${why}`);
    }
    if (text.length > 0) own.noteSent(index);
    else this.#run(this.#endpoint.sent(index, this.parts.now_ms(), false));
    return true;
  }

  #run(actions: readonly Action[]): void {
    for (const action of actions) this.#do(action);
  }

  #do(action: Action): void {
    switch (action.do) {
      case "send":
        return this.#sendHandshake(action.datagram, action.peer, action.to);
      case "session": {
        const { session: { index, remoteIndex }, keys: { send, receive } } = action;
        this.#made = { index, remoteIndex, sendKey: send, receiveKey: receive };
        return;
      }
      case "roles":
        return this.#publish(action);
      case "established":
        return this.#established(action.peer, action.confirm);
      case "keepalive": {
        const known = this.#known.get(action.peer);
        if (known) this.#transmit(known.peer, NO_TEXT);
        return;
      }
      case "give_up": {
        const lost = this.#waiting.take(action.peer).length;
        if (lost > 0) this.parts.lanes.countForKernel("outbound", "no_session", lost);
        return;
      }
      case "seen":
        return this.#seen(action.peer, action.source);
    }
  }

  #sendHandshake(
    datagram: Uint8Array<ArrayBuffer>,
    index: number | undefined,
    to: Sender | undefined,
  ): void {
    const { send, ipVersion, log } = this.parts;
    const peer = index === undefined ? undefined : this.#known.get(index)?.peer;
    const address = to ? { version: ipVersion, bytes: to.address } : peer?.address;
    const port = to?.port ?? peer?.port;
    if (!address || port === undefined) return;
    try {
      send(datagram, address, port);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      log.debug("send_failed", `a handshake to ${formatAddress(address.bytes)}: ${why}`);
    }
  }

  #publish(roles: Extract<Action, { do: "roles" }>): void {
    const { lanes, own } = this.parts;
    const made = this.#made;
    this.#made = undefined;
    const sessions = lanes.sessions!;
    // A lane may still use the place of the new one: that handshake is lost, the next one is not.
    if (!sessions.publish(roles.peer, roles, Math.min(lanes.laneCount, LANES_MAX), made)) {
      sessions.publish(roles.peer, without(roles, made!.index), lanes.laneCount);
    }
    if (made) erase(made.sendKey, made.receiveKey);
    own.turn();
    lanes.wake();
    const known = this.#known.get(roles.peer);
    if (!known || roles.current !== 0) return;
    known.established_ms = undefined;
  }

  #established(index: number, confirm: boolean): void {
    const known = this.#known.get(index);
    if (!known) return;
    const { onEstablished, now_ms } = this.parts;
    known.established_ms = now_ms();
    known.wanted_ms = Infinity;
    known.told = false;
    const waiting = this.#waiting.take(index);
    for (const packet of waiting) this.#transmit(known.peer, packet);
    if (waiting.length === 0 && confirm) this.#transmit(known.peer, NO_TEXT);
    known.peer.liveness.reachable(now_ms());
    onEstablished(known.peer);
  }

  #seen(index: number, { address, port }: Sender): void {
    const { ipVersion, publishPeer, log } = this.parts;
    const peer = this.#known.get(index)?.peer;
    if (!peer?.seenAt({ version: ipVersion, bytes: address }, port)) return;
    log.info("peer_moved", `${peer.name} is at ${peer.endpoint} now`, { peer: peer.name });
    publishPeer(peer);
  }

  /** Says once that a peer does not answer. */
  #tellSilent(known: Known, now_ms: number): void {
    if (now_ms - known.wanted_ms < HANDSHAKE_ANSWER_MS) return;
    known.wanted_ms = Infinity;
    const { name, liveness } = known.peer;
    const why = "it answers no handshake: wrong key, wrong port, or a firewall?";
    if (liveness.state === "up" || !liveness.unreachable(why, now_ms)) return;
    this.parts.log.warn("no_handshake", `${name} is down: ${why}`, { peer: name });
    this.parts.publishPeer(known.peer);
  }
}

const NO_TEXT = new Uint8Array(0);

const without = (
  { older, previous, current, next }: Extract<Action, { do: "roles" }>,
  index: number,
) => {
  const kept = (one: number) => one === index ? 0 : one;
  return {
    older: kept(older),
    previous: kept(previous),
    current: kept(current),
    next: kept(next),
  };
};

/** Whether a peer is still what the state machine was told. */
function isSame(
  known: Known | undefined,
  one: Pick<Known, "peer" | "publicKey" | "presharedKey" | "keepalive_ms">,
): boolean {
  if (!known) return false;
  const none = new Uint8Array(0);
  return known.peer === one.peer && equalBytes(known.publicKey, one.publicKey) &&
    equalBytes(known.presharedKey ?? none, one.presharedKey ?? none) &&
    known.keepalive_ms === one.keepalive_ms;
}
