/** What lanes know of a peer: one row of the forwarding table. */

import { NO_TOKEN } from "../wire/hello.ts";
import { ROW, ROW_WORDS } from "./layout.ts";

/**
 * How a peer is reached, or why it is not. Lanes send to `plain`, `tunnet` and
 * `kernel` as it is, and take from them; to and from the others nothing passes.
 */
export const TRANSPORT = {
  /** Its address is not known, or the index is nobody's. */
  unresolved: 0,
  /** It runs in the other mode: it would not understand what this node sends. */
  other_mode: 1,
  /** It never said hello: whole packets with whole checksums. */
  plain: 2,
  /** It has said hello, and lanes use what it is capable of. */
  tunnet: 3,
  /** The same; the kernel path carries what it can. */
  kernel: 4,
  /** Only in a session. */
  sealed: 5,
} as const;
/** One of TRANSPORT. */
export type Transport = typeof TRANSPORT[keyof typeof TRANSPORT];

/** A peer as lanes see it. */
export interface PeerRow {
  /** The underlay address: 4 or 16 bytes; of no bytes where it is not known. */
  readonly address: Uint8Array;
  /** Its UDP port there. */
  readonly port: number;
  /** The largest inner packet that its path carries, in bytes. */
  readonly mtu_bytes: number;
  /** Bits of CAPABILITY that it has now; 0 for a plain peer. */
  readonly capabilities: number;
  /** Whether it has ever said hello: only then may it use what this node is capable of. */
  readonly heard: boolean;
  /** How it is reached. */
  readonly transport: Transport;
  /** What a hello of this peer has to echo (wire/hello.ts); 64 bits, NO_TOKEN: none does. */
  readonly token: bigint;
}

/** The row of an index that is nobody's. */
export const VACANT: PeerRow = {
  address: new Uint8Array(0),
  port: 0,
  mtu_bytes: 0,
  capabilities: 0,
  heard: false,
  transport: TRANSPORT.unresolved,
  token: NO_TOKEN,
};

/** Whether lanes exchange packets in the clear with a peer that is reached so. */
export function isOpen(transport: number): boolean {
  return transport >= TRANSPORT.plain && transport <= TRANSPORT.kernel;
}

/** Writes a row's words into `words`, of ROW_WORDS; `bytes` are the same memory. Throws a RangeError. */
export function encodeRow(row: PeerRow, words: Int32Array, bytes: Uint8Array): void {
  const { length } = row.address;
  if (length !== 0 && length !== 4 && length !== 16) {
    throw new RangeError(`an address of ${length} bytes`);
  }
  words[ROW.kind] = row.transport | (row.heard ? 1 << 8 : 0) | length << 16;
  words[ROW.port] = row.port;
  words[ROW.mtu] = row.mtu_bytes;
  words[ROW.capabilities] = row.capabilities | 0;
  words.fill(0, ROW.address, ROW_WORDS);
  bytes.set(row.address, 4 * ROW.address);
  words[ROW.token] = Number(BigInt.asIntN(32, row.token));
  words[ROW.token + 1] = Number(BigInt.asIntN(32, row.token >> 32n));
}

/** The row whose words start at `at`, copied out. */
export function decodeRow(words: Int32Array, at: number): PeerRow {
  const kind = words[at + ROW.kind]!;
  const size = kind >>> 16;
  const address = words.slice(at + ROW.address, at + ROW.token);
  const [low, high] = words.subarray(at + ROW.token, at + ROW_WORDS);
  return {
    address: new Uint8Array(address.buffer, 0, size),
    port: words[at + ROW.port]!,
    mtu_bytes: words[at + ROW.mtu]!,
    capabilities: words[at + ROW.capabilities]! >>> 0,
    heard: (kind & 1 << 8) !== 0,
    transport: (kind & 0xff) as Transport,
    token: BigInt(high! >>> 0) << 32n | BigInt(low! >>> 0),
  };
}
