/**
 * The hello datagram, tunnet's own control message (wire contract, protocol
 * version 1). It tells a peer who speaks, and measures the round trip. Pure.
 *
 * | offset | bytes | field                                                   |
 * | ------ | ----- | ------------------------------------------------------- |
 * | 0      | 1     | 0xF1                                                    |
 * | 1      | 1     | protocol version                                        |
 * | 2      | 1     | mode: 0 tun, 1 tap                                      |
 * | 3      | 1     | length of the name in bytes                             |
 * | 4      | 4     | capabilities, one bit each                              |
 * | 8      | 8     | time of sending, µs on the sender's clock               |
 * | 16     | 8     | echo: the time of sending of the last hello from the peer, or 0 |
 * | 24     | 4     | µs that the echo lay here before it was sent back       |
 * | 28     | 4     | inner MTU in bytes                                      |
 * | 32     | n     | the sender's node name, UTF-8                           |
 * | 32 + n | 4     | number of this hello to this peer, from 1               |
 * | 36 + n | 1     | flags: 1 answer at once, 2 the sender is leaving, 4 a   |
 * |        |       | probe, from another port than the sender's              |
 * | 37 + n | 1     | length of the program's version in bytes                |
 * | 38 + n | v     | the program's version, ASCII                            |
 * | + 0    | 8     | token: what the peer has to echo to be believed         |
 * | + 8    | 8     | the token of the peer's that is echoed, or 0            |
 * | + 16   | 2     | number of the sender's last burst of sizes, or 0        |
 * | + 18   | 2     | number of the peer's burst that the next field is of, or 0 |
 * | + 20   | 2     | size of the largest hello of that burst that has come, in bytes |
 *
 * All numbers are in network order. What follows the name may be missing. A
 * hello is filled up with zeros to HELLO_BYTES, or to more where it finds out
 * what size a path carries; a longer datagram is read up to here.
 *
 * INVARIANT: nothing that a hello says changes anything before it has echoed a
 * token that was sent to the peer's address: whoever cannot receive there
 * cannot speak for the peer. A hello without it is answered, at most with as
 * many bytes as it had.
 */

import { NODE_NAME_MAX_BYTES, PROGRAM_VERSION_MAX_BYTES } from "../base/limits.ts";
import type { Mode } from "./mode.ts";

/** First byte of every control datagram: no IP version has it. */
export const CONTROL_FIRST_BYTE = 0xf1;

/** The protocol version spoken here. */
export const PROTOCOL_VERSION = 1;

/** No token: nobody echoes it. */
export const NO_TOKEN = 0n;

/** Every hello is as long as the longest, so that no answer is longer than what asked for it. */
export const HELLO_BYTES = 160;

/** Capabilities, one bit each: what the sender understands beyond complete, valid packets. */
export const CAPABILITY = {
  /** TCP and UDP checksums may hold the pseudo header's sum only; the receiver completes them. */
  partialChecksum: 1,
  /** What a kernel path sends: super-packets where the underlay has them, no UDP checksum. */
  kernelPath: 2,
} as const;

/** A hello, decoded. */
export interface Hello {
  readonly version: number;
  readonly mode: Mode;
  readonly capabilities: number;
  readonly sent_us: number;
  readonly echo_us: number;
  readonly held_us: number;
  readonly mtu_bytes: number;
  readonly name: string;
  /** Number of this hello among those to this peer; 0: the sender does not number them. */
  readonly number: number;
  /** The sender asks for a hello at once. */
  readonly answer: boolean;
  /** The sender is going down. */
  readonly leaving: boolean;
  /** It only tries whether datagrams get here, and comes from another port than the sender's. */
  readonly probe: boolean;
  /** Version of the sender's program; empty if it does not say. */
  readonly program: string;
  /** What the peer has to echo to be believed; NO_TOKEN: the sender knows of none. */
  readonly token: bigint;
  /** The last token that the sender has got from the peer, or NO_TOKEN. */
  readonly echoToken: bigint;
  /** Number of the last burst of sizes (peers/path_probe.ts) that the sender sent; 0: none. */
  readonly burst: number;
  /** The last one that the sender has got something of; 0: none. */
  readonly peerBurst: number;
  /** Size of the largest hello that has come of it, in bytes. */
  readonly largest_bytes: number;
}

const FIXED_BYTES = 32;
/** What follows the name, but for the version's text. */
const TAIL_BYTES = 6;
const FLAG = { answer: 1, leaving: 2, probe: 4 } as const;

/** Behind the version's text: both tokens, and what tells of sizes. */
const TOKENS_BYTES = 22;

/**
 * Encodes a hello as a datagram of `size_bytes`, at least HELLO_BYTES. The name is at most
 * NODE_NAME_MAX_BYTES long in UTF-8.
 */
export function encodeHello(hello: Hello, size_bytes = HELLO_BYTES): Uint8Array<ArrayBuffer> {
  const encoder = new TextEncoder();
  const name = encoder.encode(hello.name).subarray(0, NODE_NAME_MAX_BYTES);
  const program = encoder.encode(hello.program).subarray(0, PROGRAM_VERSION_MAX_BYTES);
  const tail = FIXED_BYTES + name.length;
  const tokens = tail + TAIL_BYTES + program.length;
  const bytes = new Uint8Array(Math.max(size_bytes, HELLO_BYTES));
  const view = new DataView(bytes.buffer);
  view.setUint8(0, CONTROL_FIRST_BYTE);
  view.setUint8(1, hello.version);
  view.setUint8(2, hello.mode === "tap" ? 1 : 0);
  view.setUint8(3, name.length);
  view.setUint32(4, hello.capabilities);
  view.setBigUint64(8, BigInt(hello.sent_us));
  view.setBigUint64(16, BigInt(hello.echo_us));
  view.setUint32(24, hello.held_us);
  view.setUint32(28, hello.mtu_bytes);
  bytes.set(name, FIXED_BYTES);
  view.setUint32(tail, hello.number);
  const flags = (Object.keys(FLAG) as (keyof typeof FLAG)[])
    .reduce((bits, name) => hello[name] ? bits | FLAG[name] : bits, 0);
  view.setUint8(tail + 4, flags);
  view.setUint8(tail + 5, program.length);
  bytes.set(program, tail + TAIL_BYTES);
  view.setBigUint64(tokens, hello.token);
  view.setBigUint64(tokens + 8, hello.echoToken);
  view.setUint16(tokens + 16, hello.burst);
  view.setUint16(tokens + 18, hello.peerBurst);
  view.setUint16(tokens + 20, hello.largest_bytes);
  return bytes;
}

/** Decodes a hello; undefined if the bytes are none. Unknown versions are decoded as far as known. */
export function decodeHello(bytes: Uint8Array): Hello | undefined {
  if (bytes.length < FIXED_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint8(0) !== CONTROL_FIRST_BYTE || view.getUint8(1) === 0) return undefined;
  const mode = view.getUint8(2);
  const nameLength = view.getUint8(3);
  if (mode > 1 || nameLength > NODE_NAME_MAX_BYTES || nameLength > bytes.length - FIXED_BYTES) {
    return undefined;
  }
  const sent_us = Number(view.getBigUint64(8));
  const echo_us = Number(view.getBigUint64(16));
  if (!Number.isSafeInteger(sent_us) || !Number.isSafeInteger(echo_us)) return undefined;
  return {
    version: view.getUint8(1),
    mode: mode === 1 ? "tap" : "tun",
    capabilities: view.getUint32(4),
    sent_us,
    echo_us,
    held_us: view.getUint32(24),
    mtu_bytes: view.getUint32(28),
    name: decodeName(bytes.subarray(FIXED_BYTES, FIXED_BYTES + nameLength)),
    ...decodeTail(view, bytes, FIXED_BYTES + nameLength),
  };
}

/** Bytes of an unknown sender go to logs: only what a node or a version may be called. */
function decodeName(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes).replace(/[^A-Za-z0-9._-]/g, "?");
}

type Tokens = Pick<Hello, "token" | "echoToken" | "burst" | "peerBurst" | "largest_bytes">;
type Tail = Tokens & Pick<Hello, "number" | "answer" | "leaving" | "probe" | "program">;

/** What a hello says that is of no burst of sizes, and has seen none. */
export const NO_SIZES = { burst: 0, peerBurst: 0, largest_bytes: 0 } as const;
const NO_TOKENS: Tokens = { token: NO_TOKEN, echoToken: NO_TOKEN, ...NO_SIZES };
const NO_TAIL: Tail = {
  ...{ number: 0, answer: false, leaving: false, probe: false, program: "" },
  ...NO_TOKENS,
};

/** What follows the name; as of a sender that says nothing there, if it is not whole. */
function decodeTail(
  view: DataView,
  bytes: Uint8Array,
  at: number,
): Tail {
  const end = at + TAIL_BYTES;
  const length = end <= bytes.length ? view.getUint8(at + 5) : Infinity;
  if (length > PROGRAM_VERSION_MAX_BYTES || end + length > bytes.length) {
    return NO_TAIL;
  }
  const flags = view.getUint8(at + 4);
  return {
    number: view.getUint32(at),
    answer: (flags & FLAG.answer) !== 0,
    leaving: (flags & FLAG.leaving) !== 0,
    probe: (flags & FLAG.probe) !== 0,
    program: decodeName(bytes.subarray(end, end + length)),
    ...decodeTokens(view, end + length),
  };
}

/** What follows the version's text; as of a sender that knows of no tokens, if it is not whole. */
function decodeTokens(view: DataView, at: number): Tokens {
  if (at + TOKENS_BYTES > view.byteLength) return NO_TOKENS;
  return {
    token: view.getBigUint64(at),
    echoToken: view.getBigUint64(at + 8),
    burst: view.getUint16(at + 16),
    peerBurst: view.getUint16(at + 18),
    largest_bytes: view.getUint16(at + 20),
  };
}

/**
 * Whether a hello of `length` bytes at `offset` only tries whether datagrams get here: its sender's
 * port is no peer's, and need not be.
 */
export function isProbeAt(view: DataView, offset: number, length: number): boolean {
  const name_bytes = length < FIXED_BYTES ? Infinity : view.getUint8(offset + 3);
  const flags = FIXED_BYTES + name_bytes + 4;
  return flags < length && (view.getUint8(offset + flags) & FLAG.probe) !== 0;
}

/**
 * Where the token that a hello of `length` bytes at `offset` echoes stands in `view`, or -1: for a
 * lane, which compares it without decoding the rest.
 */
export function echoTokenAt(view: DataView, offset: number, length: number): number {
  const name_bytes = length < FIXED_BYTES ? Infinity : view.getUint8(offset + 3);
  if (name_bytes > NODE_NAME_MAX_BYTES) return -1;
  const tail = FIXED_BYTES + name_bytes;
  const program_bytes = tail + TAIL_BYTES > length ? Infinity : view.getUint8(offset + tail + 5);
  if (program_bytes > PROGRAM_VERSION_MAX_BYTES) return -1;
  const at = tail + TAIL_BYTES + program_bytes;
  return at + TOKENS_BYTES > length ? -1 : offset + at + 8;
}
