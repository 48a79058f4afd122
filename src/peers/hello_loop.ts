/** Hello to and from the peers: who is there, and what it understands. */

import { HELLO_BYTES } from "../wire/hello.ts";
import { MAIL_BATCH, MAIL_INTERVAL_MS, NODES_MAX } from "../base/limits.ts";
import type { Mail, Mailbox } from "../forwarding/mailbox.ts";
import { readSockaddr } from "../io/sockaddr.ts";
import type { Log } from "../base/log.ts";
import type { Time } from "../base/time.ts";
import type { Address } from "../net/prefix.ts";
import type { LivenessEvent } from "./liveness.ts";
import type { Peer } from "./peer.ts";
import type { Prober } from "./prober.ts";
import type { Publisher } from "./publish.ts";
import type { Registry } from "./registry.ts";
import type { ResolveLoop } from "./resolve_loop.ts";

/** Sends one hello to a peer whose address is known. Throws where the underlay is down. */
export type SendHello = (peer: Peer, address: Address, hello: Uint8Array<ArrayBuffer>) => void;

/** What the loop needs of the node. */
export interface HelloLoopParts {
  readonly registry: Registry;
  readonly publisher: Pick<Publisher, "publishPeer" | "mtuOf">;
  readonly resolver: Pick<ResolveLoop, "tick">;
  readonly prober: Pick<Prober, "round" | "check" | "close">;
  /** Where lanes put the peers' hellos. */
  readonly mailbox: Pick<Mailbox, "take" | "announced">;
  readonly send: SendHello;
  /** Packets from each peer so far, by index. */
  readonly packets: () => Float64Array;
  /** The same of packets to each peer. */
  readonly sentPackets: () => Float64Array;
  /** Whether peers are called by names of a file, which should be the same on every node. */
  readonly sharedNames: boolean;
  readonly time: Time;
  readonly log: Log;
}

/** Says hello and hears the peers'. */
export class HelloLoop {
  #stopped = false;
  #reading = false;
  /** What the peers have last been told of this node. */
  #announced = "";
  /** Those that do not hear this node, as last logged. */
  readonly #deaf = new WeakSet<Peer>();
  /** Packets to each peer at the last check. */
  #sentPackets = new Float64Array(NODES_MAX);

  constructor(readonly parts: HelloLoopParts) {}

  /** Looks who has fallen silent, asks those that seem about to, and tries paths that are in use. */
  check(): void {
    const { registry: { peers }, publisher, prober, time, log } = this.parts;
    const now_ms = time.now_ms();
    const counts = this.parts.packets();
    const sent = this.parts.sentPackets();
    for (const peer of peers) {
      const { liveness, name } = peer;
      liveness.carried(counts[peer.index]!, now_ms);
      const event = liveness.expire(now_ms);
      if (event) publisher.publishPeer(peer);
      if (event === "silent") log.warn("peer_silent", `${name} has fallen silent`, { peer: name });
      this.#logDeaf(peer);
      const flowing = sent[peer.index]! > this.#sentPackets[peer.index]!;
      this.#sentPackets[peer.index] = sent[peer.index]!;
      if (liveness.isBurstDue(now_ms, flowing)) this.#burst(peer, true);
      else if (liveness.isToBeAsked(now_ms)) this.hello(peer);
    }
    prober.check(now_ms);
    // A lane that was ended may have announced something to nobody.
    if (this.parts.mailbox.announced) this.onMail();
  }

  #logDeaf(peer: Peer): void {
    const { name, port, liveness: { told } } = peer;
    if (this.#deaf.has(peer) === (told === "one-way")) return;
    const { log } = this.parts;
    if (this.#deaf.delete(peer)) {
      if (told === "up") log.info("peer_hears", `${name} hears this node again`, { peer: name });
      return;
    }
    this.#deaf.add(peer);
    const why = `its firewall, or UDP ${port} closed on the way?`;
    log.warn("peer_deaf", `${name} does not hear this node: ${why}`, { peer: name });
  }

  /** One round: says hello to all, and looks where those are that are reached by name. */
  tick(): void {
    this.helloAll();
    void this.#follow();
    // The last: it throws where it is out of descriptors.
    this.parts.prober.round(this.parts.time.now_ms());
  }

  /** Says hello to all peers, and tries what their paths carry. */
  helloAll(): void {
    this.#announced = this.#description();
    for (const peer of this.parts.registry.peers) this.#burst(peer, false);
  }

  /** Says hello to all peers if what it says has changed since they heard it last. */
  announce(): void {
    if (this.#announced !== this.#description()) this.helloAll();
  }

  /** The last hello to all: this node is going down. */
  goodbye(): void {
    for (const peer of this.parts.registry.peers) this.hello(peer, { leaving: true });
    this.parts.prober.close();
    this.#stopped = true;
  }

  /** Says hello to one peer; `leaving` says that it is the last one, `asking` that it is to answer. */
  hello(peer: Peer, how: { leaving?: boolean; asking?: boolean } = {}): void {
    const { registry: { description }, time } = this.parts;
    if (!peer.address || this.#stopped) return;
    this.#send(peer, peer.liveness.hello(description, time.now_ms(), how));
  }

  /** Hellos of several sizes, and the usual one; the peer tells what has come, at once if asked. */
  #burst(peer: Peer, asking: boolean): void {
    const { registry: { description }, time } = this.parts;
    if (!peer.address || this.#stopped) return;
    const now_ms = time.now_ms();
    const { liveness } = peer;
    for (const hello of liveness.burst(description, now_ms)) this.#send(peer, hello);
    const how = { asking: asking || liveness.path.isSearching };
    this.#send(peer, liveness.hello(description, now_ms, how));
  }

  /** What is known of the path to a peer may have changed: publishes it, and tries what is due. */
  followPath(peer: Peer): void {
    const { publisher, time, log } = this.parts;
    const { name, index, liveness } = peer;
    const before = publisher.mtuOf(index);
    const { mtu_bytes, isNarrowing } = liveness.path;
    // A size on the way there is told to senders, who keep it for minutes: the end of a search,
    // some round trips away, is worth waiting for.
    const early = isNarrowing && before !== undefined && mtu_bytes < before;
    if (before !== undefined && mtu_bytes > 0 && before !== mtu_bytes && !early) {
      log.info("path_mtu", `the path to ${name} carries ${mtu_bytes} bytes now, not ${before}`, {
        peer: name,
        mtu_bytes,
      });
      publisher.publishPeer(peer);
    }
    if (liveness.path.isWanted && liveness.isBurstDue(time.now_ms(), false)) {
      this.#burst(peer, true);
    }
  }

  #send(peer: Peer, datagram: Uint8Array<ArrayBuffer>): void {
    const { send, log } = this.parts;
    const { name, address } = peer;
    if (!address || this.#stopped) return;
    try {
      send(peer, address, datagram);
    } catch (error) {
      // The underlay may be down: the next hello tries again.
      const why = error instanceof Error ? error.message : String(error);
      log.debug("hello_failed", `hello to ${name}: ${why}`);
    }
  }

  /** Lanes have put hellos into the mailbox. */
  onMail(): void {
    if (!this.#reading) void this.#read();
  }

  /** Reads the mailbox, so much at a time that everything else gets its turn. */
  async #read(): Promise<void> {
    const { mailbox, time } = this.parts;
    this.#reading = true;
    try {
      // A lane on this very thread is in the middle of a turn.
      await Promise.resolve();
      do {
        const taken = mailbox.take(MAIL_BATCH, (mail) => this.#hear(mail));
        await time.sleep(taken === MAIL_BATCH ? 0 : MAIL_INTERVAL_MS);
        if (taken < MAIL_BATCH && !mailbox.announced) return;
      } while (!this.#stopped);
    } finally {
      this.#reading = false;
    }
  }

  #hear(mail: Mail): void {
    const { registry, time } = this.parts;
    const peer = registry.at(mail.peer);
    const { address, port } = readSockaddr(mail.sender, 0);
    // The table may have changed since the lane looked the sender up. A session says who sent it.
    if (!peer || !peer.isSealed && !peer.isAt(address, port)) return;
    const event = peer.liveness.hear(mail.bytes, time.now_ms(), mail.largest, mail.count);
    if (event === "unverified") this.#answer(peer, mail);
    else {
      if (event) this.#react(peer, event);
      this.followPath(peer);
    }
  }

  /**
   * A hello that does not echo our token: the answer brings it, to the peer's address. It is as
   * long as any hello, and what asks for it must be too.
   */
  #answer(peer: Peer, { bytes, length }: Mail): void {
    const { registry: { description }, time } = this.parts;
    if (length < HELLO_BYTES) return;
    const answer = peer.liveness.answer(description, bytes, time.now_ms());
    if (answer) this.#send(peer, answer);
  }

  #react(peer: Peer, event: Exclude<LivenessEvent, "unverified">): void {
    const { registry: { config }, publisher, log, sharedNames } = this.parts;
    const { name, liveness: { said, why } } = peer;
    if (event === "bad_control") {
      log.debug("bad_control", `${name} sent a control datagram that is no hello`, { peer: name });
      return;
    }
    if (event !== "asked") publisher.publishPeer(peer);
    if (event === "down") {
      log.info("peer_down", `${name} is down: ${why}`, { peer: name });
      return;
    }
    // It may have just started, or asks for it: let it know of us at once.
    if (event === "up") this.#burst(peer, false);
    else this.hello(peer);
    if (event === "up") log.info("peer_up", `${name} is up`, { peer: name });
    if (!said || (event !== "up" && event !== "described")) return;
    if (said.name !== name && sharedNames) {
      log.warn("peer_name", `${name} calls itself ${said.name}: are the config files the same?`);
    }
    if (said.mode !== config.mode) {
      log.warn("peer_mode", `${name} runs in mode ${said.mode}, this node in ${config.mode}`);
    }
  }

  async #follow(): Promise<void> {
    const { resolver, publisher } = this.parts;
    for (const peer of await resolver.tick()) {
      if (this.#stopped) return;
      publisher.publishPeer(peer);
      this.hello(peer);
    }
  }

  #description(): string {
    return JSON.stringify(this.parts.registry.description);
  }
}
