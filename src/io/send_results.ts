/** What became of datagrams that were queued to be sent. Pure. */

/** Outcomes of sending. */
export const OUTCOME = {
  sent: 0,
  /** The path does not carry a datagram of its size, and fragments are not allowed. */
  tooBig: 1,
  /** The socket's or the device's queue stayed full. */
  queueFull: 2,
  /** Anything else: no route, a firewall. */
  failed: 3,
} as const;
/** One of OUTCOME. */
export type Outcome = typeof OUTCOME[keyof typeof OUTCOME];

/** Results of one flush, one for each run and outcome: kept in arrays, so that nothing is allocated. */
export class SendResults {
  /** How many there are. */
  count = 0;
  #destination: Int32Array;
  #outcome: Uint8Array;
  #datagrams: Int32Array;
  #bytes: Int32Array;

  /** Grows beyond `capacity` where it must. */
  constructor(capacity: number) {
    this.#destination = new Int32Array(capacity);
    this.#outcome = new Uint8Array(capacity);
    this.#datagrams = new Int32Array(capacity);
    this.#bytes = new Int32Array(capacity);
  }

  /** Number of the destination of result i. */
  destinationOf(i: number): number {
    return this.#destination[i]!;
  }

  /** What became of its datagrams. */
  outcomeOf(i: number): Outcome {
    return this.#outcome[i] as Outcome;
  }

  /** How many datagrams had this outcome. */
  datagramsOf(i: number): number {
    return this.#datagrams[i]!;
  }

  /** Their bytes of UDP payload. */
  bytesOf(i: number): number {
    return this.#bytes[i]!;
  }

  /** Notes a result; none where no datagram had this outcome. */
  add(destination: number, outcome: Outcome, datagrams: number, bytes: number): void {
    if (datagrams === 0) return;
    if (this.count === this.#outcome.length) this.#grow();
    const i = this.count++;
    this.#destination[i] = destination;
    this.#outcome[i] = outcome;
    this.#datagrams[i] = datagrams;
    this.#bytes[i] = bytes;
  }

  /** Forgets all results. */
  clear(): void {
    this.count = 0;
  }

  #grow(): void {
    const grown = new SendResults(2 * this.#outcome.length);
    grown.#destination.set(this.#destination);
    grown.#outcome.set(this.#outcome);
    grown.#datagrams.set(this.#datagrams);
    grown.#bytes.set(this.#bytes);
    this.#destination = grown.#destination;
    this.#outcome = grown.#outcome;
    this.#datagrams = grown.#datagrams;
    this.#bytes = grown.#bytes;
  }
}
