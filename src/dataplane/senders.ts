/**
 * Who sent a datagram: the peers by underlay address and port. Looked up for
 * every datagram, by the socket address as the kernel wrote it, word by word and
 * in place. Pure.
 */

import { AF_INET, SOCKADDR } from "../../ffi/socket.ts";
import type { LaneTable } from "../forwarding/lane_table.ts";
import { TRANSPORT } from "../forwarding/peer_row.ts";
import { putSockaddr, SOCKADDR_WORDS } from "../io/sockaddr.ts";

/** Sender of a datagram that comes from no known peer. */
export const UNKNOWN_PEER = -1;

/** Word 0 of a socket address holds the family in its lower half, and the port. */
const FAMILY_MASK = 0xffff;
/** The words of the address, from the first on and before the end. */
const V4_BEGIN = SOCKADDR.in_addr / 4;
const V6_BEGIN = SOCKADDR.in6_addr / 4;
/** The word of a cell behind its socket address's: the value; 0 in a free cell. */
const VALUE = SOCKADDR_WORDS - 1;
const CELLS_MIN = 4;

/**
 * Numbers above 0 by socket address, or by its address alone: open addressing
 * with linear probing, at most half full. One socket address may be in it
 * more than once; the first one in counts.
 */
class SocketAddressMap {
  #cells = new Int32Array(CELLS_MIN * SOCKADDR_WORDS);
  #mask = CELLS_MIN - 1;
  #used = 0;

  /** `word0Mask`: the bits of word 0 that tell entries apart. */
  constructor(readonly word0Mask: number) {}

  /** The number of the socket address at `at`, or 0. */
  get(names: Int32Array, at: number): number {
    return this.#cells[this.#find(names, at, 0) + VALUE]!;
  }

  /** Adds an entry. */
  add(names: Int32Array, at: number, value: number): void {
    if (2 * ++this.#used > this.#mask + 1) this.#grow();
    this.#put(names, at, value);
  }

  /** Gives the entry with number `from` another one. */
  change(names: Int32Array, at: number, from: number, to: number): void {
    this.#cells[this.#find(names, at, from) + VALUE] = to;
  }

  /** Removes the entry with this number, and closes the gap that it leaves. */
  remove(names: Int32Array, at: number, value: number): void {
    const cells = this.#cells;
    let hole = this.#find(names, at, value);
    const end = cells.length;
    for (let cell = (hole + SOCKADDR_WORDS) % end; cells[cell + VALUE] !== 0;) {
      const home = this.#home(cells, cell);
      // It may move up, unless the hole lies before where its search begins.
      if ((cell - home + end) % end >= (cell - hole + end) % end) {
        cells.copyWithin(hole, cell, cell + SOCKADDR_WORDS);
        hole = cell;
      }
      cell = (cell + SOCKADDR_WORDS) % end;
    }
    cells[hole + VALUE] = 0;
    this.#used--;
  }

  /** The first cell with the socket address (and the number, unless 0), or the free cell behind. */
  #find(names: Int32Array, at: number, value: number): number {
    const cells = this.#cells;
    const mask = cells.length - 1;
    for (let cell = this.#home(names, at);; cell = (cell + SOCKADDR_WORDS) & mask) {
      const found = cells[cell + VALUE]!;
      if (found === 0) return cell;
      if (value !== 0 && found !== value) continue;
      if (((cells[cell]! ^ names[at]!) & this.word0Mask) !== 0) continue;
      if (sameAddress(cells, cell, names, at)) return cell;
    }
  }

  /** The cell where the search for a socket address begins: not by flow or scope. */
  #home(names: Int32Array, at: number): number {
    const word0 = names[at]!;
    let hash = Math.imul(word0 & this.word0Mask, 0x9e3779b1);
    const v4 = (word0 & FAMILY_MASK) === AF_INET;
    const begin = at + (v4 ? V4_BEGIN : V6_BEGIN);
    const end = begin + (v4 ? 1 : 4);
    for (let i = begin; i < end; i++) {
      hash = Math.imul(hash ^ names[i]!, 0x85ebca6b);
      hash ^= hash >>> 15;
    }
    // Neighbours differ in an address's last byte, which is the highest here: it has to come down.
    hash = Math.imul(hash, 0xc2b2ae35);
    hash ^= hash >>> 13;
    return (hash & this.#mask) * SOCKADDR_WORDS;
  }

  #put(names: Int32Array, at: number, value: number): void {
    const cells = this.#cells;
    let cell = this.#home(names, at);
    while (cells[cell + VALUE] !== 0) cell = (cell + SOCKADDR_WORDS) % cells.length;
    for (let i = 0; i < VALUE; i++) cells[cell + i] = names[at + i]!;
    cells[cell + VALUE] = value;
  }

  #grow(): void {
    const old = this.#cells;
    this.#cells = new Int32Array(2 * old.length);
    this.#mask = 2 * this.#mask + 1;
    for (let cell = 0; cell < old.length; cell += SOCKADDR_WORDS) {
      if (old[cell + VALUE] !== 0) this.#put(old, cell, old[cell + VALUE]!);
    }
  }
}

function sameAddress(cells: Int32Array, cell: number, names: Int32Array, at: number): boolean {
  if ((names[at]! & FAMILY_MASK) === AF_INET) {
    return cells[cell + V4_BEGIN] === names[at + V4_BEGIN];
  }
  return cells[cell + V6_BEGIN] === names[at + V6_BEGIN] &&
    cells[cell + V6_BEGIN + 1] === names[at + V6_BEGIN + 1] &&
    cells[cell + V6_BEGIN + 2] === names[at + V6_BEGIN + 2] &&
    cells[cell + V6_BEGIN + 3] === names[at + V6_BEGIN + 3];
}

/** The senders that a lane knows. */
export class Senders {
  /** Index + 1 of the peer with a socket address. */
  readonly #peers = new SocketAddressMap(-1);
  /** How many peers have an address, from whatever port. */
  readonly #hosts = new SocketAddressMap(FAMILY_MASK);
  /** The socket address of each peer that is known by one. */
  readonly #names: (Int32Array<ArrayBuffer> | undefined)[] = [];

  /** Takes over the rows that the table has acquired. */
  useTable(table: LaneTable): void {
    // First all that go: an address may pass from one peer to another.
    for (const index of table.changed) this.#forget(index);
    for (const index of table.changed) this.#know(index, table);
  }

  /**
   * The peer whose address and port are at word `at` of `names`, which holds
   * socket addresses as the kernel gives them; or UNKNOWN_PEER.
   */
  peerAt(names: Int32Array, at: number): number {
    return this.#peers.get(names, at) - 1;
  }

  /** Whether the address there, from whatever port, is some peer's. */
  isHostAt(names: Int32Array, at: number): boolean {
    return this.#hosts.get(names, at) !== 0;
  }

  #know(index: number, table: LaneTable): void {
    const { address, port, transport } = table.peer(index);
    // Whose address is not known has none; of the rest, what is dropped is counted by its reason.
    if (transport === TRANSPORT.unresolved || address.length === 0) return;
    const name = new Int32Array(SOCKADDR_WORDS);
    putSockaddr(name, 0, address, port);
    this.#names[index] = name;
    this.#peers.add(name, 0, index + 1);
    const peers = this.#hosts.get(name, 0);
    if (peers === 0) this.#hosts.add(name, 0, 1);
    else this.#hosts.change(name, 0, peers, peers + 1);
  }

  #forget(index: number): void {
    const name = this.#names[index];
    if (!name) return;
    this.#names[index] = undefined;
    this.#peers.remove(name, 0, index + 1);
    const peers = this.#hosts.get(name, 0);
    if (peers === 1) this.#hosts.remove(name, 0, 1);
    else this.#hosts.change(name, 0, peers, peers - 1);
  }
}
