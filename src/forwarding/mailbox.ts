/**
 * Hellos on their way from the lane to the main thread, in shared memory: two
 * places for each peer, one for hellos that echo the token that this node gave
 * the peer, one for all others. The newest wins, and what it replaces is
 * counted, so that nothing that is sent here can make a queue grow, and no
 * unknown sender replaces what a peer has said.
 *
 * The lane is the only writer. Each place has a sequence number, odd while it
 * is being written (as table.ts has it); a bit for each place says that there
 * is something new, and one word says that somebody was told of it.
 */

import { CONTROL_MAX_BYTES, NODES_MAX } from "../base/limits.ts";
import { HELLO_BYTES } from "../wire/hello.ts";

/** Words of a sender: a socket address (io/sockaddr.ts). */
export const SENDER_WORDS = 8;
/** Places: of peer `index`, 2 * index for what is verified, and the next one for what is not. */
const PLACES = 2 * NODES_MAX;
/** Words before the bytes of a hello: PLACE. */
const PLACE = { sequence: 0, length: 1, largest: 2, count: 3, sender: 4 } as const;
const PLACE_HEADER_WORDS = PLACE.sender + SENDER_WORDS;
const PLACE_WORDS = PLACE_HEADER_WORDS + CONTROL_MAX_BYTES / 4;
/** One bit for each place. */
const BITS_WORDS = PLACES / 32;
/** The first word: 1 where the reader was told and has not looked yet. */
const HEADER_WORDS = 1;

/** Bytes of shared memory for a mailbox. */
export const MAILBOX_BYTES: number = 4 * (HEADER_WORDS + BITS_WORDS + PLACES * PLACE_WORDS);

/** A hello as it was put. */
export interface Mail {
  /** Index of the peer from whose address it came. */
  readonly peer: number;
  /** Whether it echoes the token that this node gave the peer. */
  readonly verified: boolean;
  /** The socket address that it came from, SENDER_WORDS words. */
  readonly sender: Int32Array<ArrayBuffer>;
  /** Its first CONTROL_MAX_BYTES. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Bytes of the whole datagram. */
  readonly length: number;
  /** Bytes of the largest one of this kind since the last look. */
  readonly largest: number;
  /** How many have come since the last look, but for those that try a size; the last one is here. */
  readonly count: number;
}

/** A mailbox from either side. */
export class Mailbox {
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  /** The place that the reader looks at next, so that peers of low indexes have no advantage. */
  #next = 0;

  /** Sees a mailbox in `memory`: new memory, or what another such object uses. */
  constructor(readonly memory: SharedArrayBuffer = new SharedArrayBuffer(MAILBOX_BYTES)) {
    this.#words = new Int32Array(memory);
    this.#bytes = new Uint8Array(memory);
  }

  /**
   * Lane: puts a hello of `length` bytes at `offset` of `source`, from the socket address at word
   * `senderAt` of `senders`. Returns whether one that nobody has looked at was replaced.
   */
  put(
    peer: number,
    verified: boolean,
    source: Uint8Array,
    offset: number,
    length: number,
    senders: Int32Array,
    senderAt: number,
  ): boolean {
    const words = this.#words;
    const place = 2 * peer + (verified ? 0 : 1);
    const at = placeAt(place);
    const replaced = (Atomics.load(words, bitsAt(place)) & bitOf(place)) !== 0;
    Atomics.add(words, at + PLACE.sequence, 1);
    words[at + PLACE.length] = length;
    // One that tries a size has no number of its own (peers/liveness.ts).
    const counted = length > HELLO_BYTES ? 0 : 1;
    words[at + PLACE.count] = counted + (replaced ? words[at + PLACE.count]! : 0);
    words[at + PLACE.largest] = Math.max(length, replaced ? words[at + PLACE.largest]! : 0);
    for (let i = 0; i < SENDER_WORDS; i++) {
      words[at + PLACE.sender + i] = senders[senderAt + i]!;
    }
    const to = 4 * (at + PLACE_HEADER_WORDS);
    const copied = Math.min(length, CONTROL_MAX_BYTES);
    for (let i = 0; i < copied; i++) this.#bytes[to + i] = source[offset + i]!;
    Atomics.add(words, at + PLACE.sequence, 1);
    Atomics.or(words, bitsAt(place), bitOf(place));
    return replaced;
  }

  /** Lane: whether the reader is to be told that there is something; once until it has looked. */
  announce(): boolean {
    return Atomics.exchange(this.#words, 0, 1) === 0;
  }

  /** Reader: whether somebody has announced something since the last `take`. */
  get announced(): boolean {
    return Atomics.load(this.#words, 0) === 1;
  }

  /**
   * Reader: hands over at most `most` hellos, in turn. Returns how many; as many as `most` means
   * that there may be more.
   */
  take(most: number, receive: (mail: Mail) => void): number {
    const words = this.#words;
    Atomics.store(words, 0, 0);
    let taken = 0;
    const start = this.#next;
    const fromStart = -1 << (start & 31);
    // The first word is looked at twice: from where the last look ended, and at the end before that.
    for (let looked = 0; looked <= BITS_WORDS && taken < most; looked++) {
      const group = ((start >>> 5) + looked) % BITS_WORDS;
      const part = looked === 0 ? fromStart : looked === BITS_WORDS ? ~fromStart : -1;
      let bits = Atomics.load(words, HEADER_WORDS + group) & part;
      for (let bit = 0; bits !== 0 && taken < most; bit++) {
        const mask = 1 << bit;
        if ((bits & mask) === 0) continue;
        bits &= ~mask;
        Atomics.and(words, HEADER_WORDS + group, ~mask);
        const place = 32 * group + bit;
        receive(this.#read(place));
        this.#next = (place + 1) % PLACES;
        taken++;
      }
    }
    return taken;
  }

  #read(place: number): Mail {
    const words = this.#words;
    const at = placeAt(place);
    for (;;) {
      const before = Atomics.load(words, at + PLACE.sequence);
      const length = words[at + PLACE.length]!;
      const copied = Math.max(0, Math.min(length, CONTROL_MAX_BYTES));
      const from = 4 * (at + PLACE_HEADER_WORDS);
      const mail: Mail = {
        peer: place >>> 1,
        verified: (place & 1) === 0,
        sender: words.slice(at + PLACE.sender, at + PLACE.sender + SENDER_WORDS),
        bytes: this.#bytes.slice(from, from + copied),
        length,
        largest: words[at + PLACE.largest]!,
        count: words[at + PLACE.count]!,
      };
      // The lane writes within a microsecond, and never twice without other work between.
      if ((before & 1) === 0 && Atomics.load(words, at + PLACE.sequence) === before) return mail;
    }
  }
}

const placeAt = (place: number): number => HEADER_WORDS + BITS_WORDS + place * PLACE_WORDS;
const bitsAt = (place: number): number => HEADER_WORDS + (place >>> 5);
const bitOf = (place: number): number => 1 << (place & 31);
