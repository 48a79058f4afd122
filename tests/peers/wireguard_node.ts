/**
 * A whole WireGuard node in a small program, for the tests beside real peers: one
 * UDP socket, one peer, and in place of a device an ICMP echo: it answers requests
 * and counts replies. It is put together of the parts that a node uses: endpoint,
 * sessions in shared memory, counters, AEAD, replay window.
 *
 * Started inside a namespace with a NodePlan as its argument; a line of JSON on
 * standard input is an order, one on standard output an event.
 */

import { chooseAead } from "../../src/aead/choose.ts";
import { SELF_TEST_BYTES } from "../../src/aead/self_test.ts";
import { LaneKeys } from "../../src/dataplane/lane_keys.ts";
import { Open, UNOPENED } from "../../src/dataplane/open.ts";
import { Seal } from "../../src/dataplane/seal.ts";
import { LaneSessions } from "../../src/forwarding/lane_sessions.ts";
import { SendCounters } from "../../src/forwarding/send_counters.ts";
import { type NewSession, Sessions } from "../../src/forwarding/sessions.ts";
import { sum16 } from "../../src/net/checksum.ts";
import { simdArena } from "../../src/net/simd.ts";
import { type Action, Endpoint, type Source } from "../../src/wireguard/endpoint.ts";
import { mac } from "../../src/wireguard/hash.ts";
import { erase, parseKey } from "../../src/wire/keys.ts";
import { DATA, paddedLength } from "../../src/wire/data_message.ts";
import { macsOf, MESSAGE, MESSAGE_BYTES, messageType } from "../../src/wireguard/messages.ts";
import { remoteIdentity } from "../../src/wireguard/handshake.ts";
import { TIMES, type Times } from "../../src/wireguard/timers.ts";
import { WaitingPackets } from "../../src/wireguard/waiting.ts";

/** What the node is to be. Keys in base64. */
export interface NodePlan {
  readonly privateKey: string;
  readonly peerKey: string;
  readonly presharedKey?: string;
  readonly port: number;
  readonly peerPort: number;
  readonly libcrypto: boolean;
  readonly times?: Partial<Times>;
}

/** What it can be told to do. */
export type Order =
  /** Send `count` echo requests of `size` bytes of data, one every `interval_ms`. */
  | {
    readonly order: "ping";
    readonly count: number;
    readonly size: number;
    readonly interval_ms: number;
  }
  /** Send initiations with a right mac1 and nothing else right, so many a turn of 10 ms. */
  | { readonly order: "flood"; readonly perTurn: number; readonly turns: number }
  | { readonly order: "report" };

/** What it tells when asked. */
export interface Report {
  readonly aead: string;
  readonly sessions: number;
  readonly initiationsSent: number;
  readonly cookiesReceived: number;
  readonly requests: number;
  readonly replies: number;
  readonly answered: number;
  readonly keepalives: number;
  readonly drops: Readonly<Record<string, number>>;
}

const PEER = 0;
const MTU = 1420;
const US = [10, 77, 0, 2];
const THEM = [10, 77, 0, 1];
const ICMP_ECHO_REQUEST = 8;

const UNOPENED_NAMES = new Map<number, string>(
  Object.entries(UNOPENED).map(([name, value]) => [value, name]),
);

/** An IPv4 packet with an ICMP echo. */
function echo(type: number, sequence: number, data: Uint8Array): Uint8Array<ArrayBuffer> {
  const packet = new Uint8Array(28 + data.length);
  const view = new DataView(packet.buffer);
  packet.set([0x45, 0, packet.length >> 8, packet.length & 0xff, 0, 0, 0x40, 0, 64, 1, 0, 0]);
  packet.set(US, 12);
  packet.set(THEM, 16);
  view.setUint16(10, ~sum16(view, 0, 20) & 0xffff);
  packet.set([type, 0, 0, 0, 0x12, 0x34, sequence >> 8, sequence & 0xff], 20);
  packet.set(data, 28);
  view.setUint16(22, ~sum16(view, 20, packet.length - 20) & 0xffff);
  return packet;
}

class Node {
  readonly #arena = simdArena(256 * 1024);
  readonly #aead;
  readonly #endpoint: Endpoint;
  readonly #sessions = new Sessions();
  readonly #lane: LaneSessions;
  readonly #counters = new SendCounters(this.#sessions.memory);
  readonly #seal: Seal;
  readonly #open: Open;
  readonly #socket: Deno.DatagramConn;
  readonly #mac1Key: Uint8Array;
  #peerAt: Source;
  #made: NewSession | undefined;
  readonly #waiting = new WaitingPackets();
  readonly #drops: Record<string, number> = {};
  #counts = {
    sessions: 0,
    initiationsSent: 0,
    cookiesReceived: 0,
    requests: 0,
    replies: 0,
    answered: 0,
    keepalives: 0,
  };

  constructor(plan: NodePlan) {
    this.#aead = chooseAead(this.#arena, { libcrypto: plan.libcrypto }).aead;
    this.#endpoint = new Endpoint({
      privateKey: parseKey(plan.privateKey)!,
      random: (count) => crypto.getRandomValues(new Uint8Array(count)),
      wall_ms: () => Date.now(),
      times: { ...TIMES, ...plan.times },
    });
    const keys = new LaneKeys(this.#aead, this.#counters);
    const { bytes, view } = this.#arena;
    this.#lane = new LaneSessions(this.#sessions.memory, 0, keys);
    this.#seal = new Seal(bytes, view, this.#lane, keys, this.#counters);
    this.#open = new Open(view, this.#lane, keys, true);
    const publicKey = parseKey(plan.peerKey)!;
    this.#mac1Key = remoteIdentity(this.#endpoint.identity, publicKey)!.mac1Key;
    const presharedKey = plan.presharedKey === undefined ? undefined : parseKey(plan.presharedKey);
    this.#endpoint.add(PEER, { publicKey, presharedKey }, this.#now());
    this.#peerAt = { address: Uint8Array.of(127, 0, 0, 1), port: plan.peerPort };
    this.#socket = Deno.listenDatagram({
      transport: "udp",
      hostname: "127.0.0.1",
      port: plan.port,
    });
    setInterval(() => this.#run(this.#endpoint.tick(this.#now())), 50);
  }

  #now(): number {
    return performance.now();
  }

  #drop(name: string): void {
    this.#drops[name] = (this.#drops[name] ?? 0) + 1;
  }

  #put(datagram: Uint8Array, to: Source = this.#peerAt): void {
    if (datagram[0] === MESSAGE.initiation) this.#counts.initiationsSent++;
    const hostname = to.address.join(".");
    this.#socket.send(datagram, { transport: "udp", hostname, port: to.port }).catch(() =>
      this.#drop("send_failed")
    );
  }

  #run(actions: readonly Action[]): void {
    for (const action of actions) {
      switch (action.do) {
        case "send":
          this.#put(action.datagram, action.to);
          break;
        case "session": {
          const { index, remoteIndex } = action.session;
          const { send: sendKey, receive: receiveKey } = action.keys;
          this.#made = { index, remoteIndex, sendKey, receiveKey };
          break;
        }
        case "roles":
          if (!this.#sessions.publish(PEER, action, 1, this.#made)) this.#drop("place_in_use");
          if (this.#made) {
            this.#counts.sessions++;
            erase(this.#made.sendKey, this.#made.receiveKey);
          }
          this.#made = undefined;
          this.#lane.acquire();
          break;
        case "established": {
          const waiting = this.#waiting.take(PEER);
          for (const packet of waiting) this.send(packet);
          if (waiting.length === 0 && action.confirm) this.#transmit(new Uint8Array(0));
          break;
        }
        case "keepalive":
          this.#transmit(new Uint8Array(0));
          break;
        case "give_up":
          this.#waiting.take(PEER);
          break;
        case "seen":
          this.#peerAt = action.source;
          break;
      }
    }
  }

  /** Sends a packet, once there is a session. */
  send(packet: Uint8Array<ArrayBuffer>): void {
    if (this.#transmit(packet)) return;
    if (this.#waiting.add(PEER, packet) > 0) this.#drop("queue_full");
    this.#run(this.#endpoint.queued(PEER, this.#now()));
  }

  #transmit(packet: Uint8Array): boolean {
    const { bytes, start } = this.#arena;
    const text = start + DATA.text;
    bytes.set(packet, text);
    const padded = paddedLength(packet.length, MTU);
    const size = this.#seal.seal(PEER, start, text, packet.length, padded);
    if (size === 0) return false;
    this.#put(bytes.slice(start, start + size));
    if (packet.length === 0) this.#counts.keepalives++;
    this.#run(this.#endpoint.sent(PEER, this.#now(), packet.length > 0));
    return true;
  }

  #receive(datagram: Uint8Array, from: Source): void {
    const { bytes, start } = this.#arena;
    bytes.set(datagram, start);
    const text = start + DATA.text;
    const length = this.#open.open(text, start, datagram.length);
    if (length < 0) return this.#drop(UNOPENED_NAMES.get(length)!);
    this.#peerAt = from;
    const packet = bytes.slice(text, text + length);
    this.#run(this.#endpoint.confirmed(this.#open.index, this.#now()));
    this.#run(this.#endpoint.received(PEER, this.#now(), length > 0));
    if (length > 0) this.#take(packet);
  }

  #take(packet: Uint8Array<ArrayBuffer>): void {
    const view = new DataView(packet.buffer);
    if (packet[9] !== 1) return this.#drop("not_icmp");
    const sequence = view.getUint16(26);
    if (packet[20] === ICMP_ECHO_REQUEST) {
      this.#counts.answered++;
      const reply = packet.slice();
      reply.set(US, 12);
      reply.set(THEM, 16);
      reply[20] = 0;
      const out = new DataView(reply.buffer);
      out.setUint16(22, 0);
      out.setUint16(22, ~sum16(out, 20, reply.length - 20) & 0xffff);
      return this.send(reply);
    }
    const data = packet.subarray(28);
    if (data.every((byte, i) => byte === (i + sequence & 0xff))) this.#counts.replies++;
    else this.#drop("wrong_reply");
  }

  async receive(): Promise<void> {
    for await (const [datagram, remote] of this.#socket) {
      const { hostname, port } = remote as Deno.NetAddr;
      const source = { address: Uint8Array.from(hostname.split(".").map(Number)), port };
      if (messageType(datagram) === MESSAGE.data) {
        this.#receive(datagram, source);
        continue;
      }
      if (messageType(datagram) === MESSAGE.cookie) this.#counts.cookiesReceived++;
      const { actions, drop } = this.#endpoint.receive(datagram, source, this.#now());
      if (drop) this.#drop(drop);
      this.#run(actions);
    }
  }

  async ping(count: number, size: number, interval_ms: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      this.#counts.requests++;
      this.send(
        echo(ICMP_ECHO_REQUEST, i, Uint8Array.from({ length: size }, (_, k) => k + i)),
      );
      if (interval_ms > 0) await new Promise((resolve) => setTimeout(resolve, interval_ms));
    }
  }

  async flood(perTurn: number, turns: number): Promise<void> {
    const bytes = crypto.getRandomValues(new Uint8Array(MESSAGE_BYTES.initiation));
    bytes.set([MESSAGE.initiation, 0, 0, 0]);
    const { beforeMac1, mac1 } = macsOf(bytes);
    const from = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
    const to = { transport: "udp", hostname: "127.0.0.1", port: this.#peerAt.port } as const;
    for (let turn = 0; turn < turns; turn++) {
      for (let i = 0; i < perTurn; i++) {
        bytes[8]!++;
        bytes[9]! += bytes[8] === 0 ? 1 : 0;
        mac1.set(mac(this.#mac1Key, beforeMac1));
        await from.send(bytes, to).catch(() => {});
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    from.close();
  }

  report(): Report {
    return { aead: this.#aead.name, ...this.#counts, drops: this.#drops };
  }
}

if (import.meta.main) {
  // The self-test writes where packets will be.
  if (SELF_TEST_BYTES > 256 * 1024) throw new RangeError("the arena is too small");
  const node = new Node(JSON.parse(Deno.args[0]!));
  node.receive();
  console.log(JSON.stringify({ ready: true }));
  const lines = Deno.stdin.readable.pipeThrough(new TextDecoderStream());
  let rest = "";
  for await (const chunk of lines) {
    rest += chunk;
    for (let end = rest.indexOf("\n"); end >= 0; end = rest.indexOf("\n")) {
      const order: Order = JSON.parse(rest.slice(0, end));
      rest = rest.slice(end + 1);
      if (order.order === "ping") node.ping(order.count, order.size, order.interval_ms);
      else if (order.order === "flood") node.flood(order.perTurn, order.turns);
      else console.log(JSON.stringify(node.report()));
    }
  }
  Deno.exit(0);
}
