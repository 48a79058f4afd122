/**
 * The forwarding table (FIB) that the main thread publishes to the lanes: who
 * the peers are and which prefix belongs to whom, in shared memory.
 *
 * There are two halves. Generation g stands in half g % 2; the publisher writes
 * the other half and then raises the generation.
 * INVARIANT: a half is written only when every lane has moved on to the other
 * one (`seen` of each lane equals the current generation), so that no lane ever
 * reads a half that is being written, and neither side takes a lock.
 */

import { LANES_MAX, NODES_MAX } from "../base/limits.ts";
import { type Route, ROUTE_TABLE_BYTES, RouteTable } from "./prefixes.ts";

/** How a peer is reached and what it understands. */
export interface FibPeer {
  /** The underlay address: 4 or 16 bytes. */
  readonly address: Uint8Array;
  readonly port: number;
  /** The largest inner packet that its path carries, in bytes. */
  readonly mtu_bytes: number;
  /** Bits of CAPABILITY that it has now; 0 for a plain peer. */
  readonly capabilities: number;
  /** Whether it has ever said hello: only then may it use what this node is capable of. */
  readonly heard: boolean;
  /** How it is reached; REACH.udp if left out. */
  readonly reach?: Reach | undefined;
}

/** How a peer is reached, or why not: its address is not known, or it runs in the other mode. */
export const REACH = { udp: 0, unresolved: 1, foreign: 2 } as const;
/** One of REACH. */
export type Reach = typeof REACH[keyof typeof REACH];

const PEER_BYTES = 32;
const PEER = {
  version: 0,
  reach: 1,
  port: 2,
  mtu: 4,
  capabilities: 8,
  heard: 12,
  address: 16,
} as const;
const HEADER_BYTES = 4 * (1 + LANES_MAX);
const HALF_HEADER = { peerCount: 0, defaultPeer: 1 } as const;
const HALF_HEADER_BYTES = 16;
const HALF_BYTES = (HALF_HEADER_BYTES + PEER_BYTES * NODES_MAX + ROUTE_TABLE_BYTES + 7) & ~7;
const FIRST_HALF = (HEADER_BYTES + 7) & ~7;

/** Bytes of shared memory for a FIB. */
export const FIB_BYTES = FIRST_HALF + 2 * HALF_BYTES;

/** One half: a whole forwarding table. */
export class FibHalf {
  readonly routes: RouteTable;
  readonly #header: Int32Array;
  readonly #peers: DataView;

  constructor(buffer: ArrayBufferLike, offset: number) {
    this.#header = new Int32Array(buffer, offset, HALF_HEADER_BYTES / 4);
    this.#peers = new DataView(buffer, offset + HALF_HEADER_BYTES, PEER_BYTES * NODES_MAX);
    this.routes = new RouteTable(buffer, offset + HALF_HEADER_BYTES + PEER_BYTES * NODES_MAX);
  }

  /** Number of peers. */
  get peerCount(): number {
    return this.#header[HALF_HEADER.peerCount]!;
  }

  /** Index of the peer that may send any source, or -1. */
  get defaultPeer(): number {
    return this.#header[HALF_HEADER.defaultPeer]!;
  }

  /** Peer i, copied out. */
  peer(index: number): FibPeer {
    const at = PEER_BYTES * index;
    const size = this.#peers.getUint8(at + PEER.version) === 4 ? 4 : 16;
    const address = new Uint8Array(size);
    for (let i = 0; i < size; i++) address[i] = this.#peers.getUint8(at + PEER.address + i);
    return {
      address,
      port: this.#peers.getUint16(at + PEER.port),
      mtu_bytes: this.#peers.getUint32(at + PEER.mtu),
      capabilities: this.#peers.getUint32(at + PEER.capabilities),
      heard: this.#peers.getUint8(at + PEER.heard) === 1,
      reach: this.#peers.getUint8(at + PEER.reach) as Reach,
    };
  }

  /** Fills the half. `defaultPeer` is -1 where there is none. */
  write(
    peers: readonly FibPeer[],
    routes: readonly Route[],
    defaultPeer: number,
  ): void {
    if (peers.length > NODES_MAX) throw new RangeError(`more than ${NODES_MAX} peers`);
    for (const [index, peer] of peers.entries()) {
      const at = PEER_BYTES * index;
      this.#peers.setUint8(at + PEER.version, peer.address.length === 4 ? 4 : 6);
      this.#peers.setUint8(at + PEER.reach, peer.reach ?? REACH.udp);
      this.#peers.setUint16(at + PEER.port, peer.port);
      this.#peers.setUint32(at + PEER.mtu, peer.mtu_bytes);
      this.#peers.setUint32(at + PEER.capabilities, peer.capabilities);
      this.#peers.setUint8(at + PEER.heard, peer.heard ? 1 : 0);
      peer.address.forEach((byte, i) => this.#peers.setUint8(at + PEER.address + i, byte));
    }
    this.#header[HALF_HEADER.peerCount] = peers.length;
    this.#header[HALF_HEADER.defaultPeer] = defaultPeer;
    this.routes.write(routes, defaultPeer); // NO_ROUTE and "no default peer" are both -1
  }
}

/** Both halves and the generation, seen from either side. */
export class Fib {
  readonly #generations: Int32Array;
  readonly #halves: readonly [FibHalf, FibHalf];

  constructor(readonly memory: SharedArrayBuffer) {
    this.#generations = new Int32Array(memory, 0, 1 + LANES_MAX);
    this.#halves = [
      new FibHalf(memory, FIRST_HALF),
      new FibHalf(memory, FIRST_HALF + HALF_BYTES),
    ];
  }

  /** Publisher: the generation that lanes should be using. 0: nothing published yet. */
  get generation(): number {
    return Atomics.load(this.#generations, 0);
  }

  /** Publisher: whether `laneCount` lanes all use the current generation. */
  settled(laneCount: number): boolean {
    for (let lane = 0; lane < laneCount; lane++) {
      if (Atomics.load(this.#generations, 1 + lane) !== this.generation) return false;
    }
    return true;
  }

  /** Publisher: writes the idle half and makes it current. Only when `settled`. */
  publish(
    peers: readonly FibPeer[],
    routes: readonly Route[],
    defaultPeer: number,
  ): void {
    const next = this.generation + 1;
    this.#halves[next & 1]!.write(peers, routes, defaultPeer);
    Atomics.store(this.#generations, 0, next);
  }

  /** Lane: the current half, acknowledged as being in use by `lane`. */
  acquire(lane: number): FibHalf {
    const generation = this.generation;
    const half = this.#halves[generation & 1]!;
    half.routes.reload();
    Atomics.store(this.#generations, 1 + lane, generation);
    return half;
  }
}
