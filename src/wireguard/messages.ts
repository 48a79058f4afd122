/**
 * WireGuard's four messages (its paper, section 5.4): where each field is and
 * how long each is. All numbers are little-endian. Pure.
 */

import { DATA_MESSAGE_MIN_BYTES, DATA_TYPE } from "../wire/data_message.ts";
import { MAC_BYTES } from "./hash.ts";
import { firstMessageBytes, secondMessageBytes, TAG_BYTES } from "./noise.ts";

/** What a datagram of WireGuard is: its first byte; the three after it are zero. */
export const MESSAGE = { initiation: 1, response: 2, cookie: 3, data: DATA_TYPE } as const;
/** One of MESSAGE. */
export type MessageType = typeof MESSAGE[keyof typeof MESSAGE];

/** Bytes of a timestamp (TAI64N). */
export const TIMESTAMP_BYTES = 12;
/** Bytes of a cookie, and of the nonce that its reply is sealed with. */
export const COOKIE_BYTES = 16;
export const COOKIE_NONCE_BYTES = 24;

const HEAD_BYTES = 4;
const INDEX_BYTES = 4;
const FIRST_NOISE = HEAD_BYTES + INDEX_BYTES;
const SECOND_NOISE = HEAD_BYTES + 2 * INDEX_BYTES;
const MACS_BYTES = 2 * MAC_BYTES;

/** Length of each message; of data: without a packet. */
export const MESSAGE_BYTES = {
  initiation: FIRST_NOISE + firstMessageBytes(TIMESTAMP_BYTES) + MACS_BYTES,
  response: SECOND_NOISE + secondMessageBytes(0) + MACS_BYTES,
  cookie: HEAD_BYTES + INDEX_BYTES + COOKIE_NONCE_BYTES + COOKIE_BYTES + TAG_BYTES,
  data: DATA_MESSAGE_MIN_BYTES,
} as const;

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** What a whole datagram is, or undefined where type, zeros or length are not WireGuard's. */
export function messageType(datagram: Uint8Array): MessageType | undefined {
  if (datagram.length < HEAD_BYTES) return undefined;
  const type = view(datagram).getUint32(0, true); // the zeros too
  const size = datagram.length;
  switch (type) {
    case MESSAGE.initiation:
      return size === MESSAGE_BYTES.initiation ? type : undefined;
    case MESSAGE.response:
      return size === MESSAGE_BYTES.response ? type : undefined;
    case MESSAGE.cookie:
      return size === MESSAGE_BYTES.cookie ? type : undefined;
    case MESSAGE.data:
      return size >= MESSAGE_BYTES.data ? type : undefined;
    default:
      return undefined;
  }
}

/** An initiation around the first message of Noise, its macs still zero. */
export function encodeInitiation(sender: number, noise: Uint8Array): Uint8Array<ArrayBuffer> {
  const message = new Uint8Array(MESSAGE_BYTES.initiation);
  view(message).setUint32(0, MESSAGE.initiation, true);
  view(message).setUint32(HEAD_BYTES, sender, true);
  message.set(noise, FIRST_NOISE);
  return message;
}

/** A response around the second message of Noise, its macs still zero. */
export function encodeResponse(
  sender: number,
  receiver: number,
  noise: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const message = new Uint8Array(MESSAGE_BYTES.response);
  view(message).setUint32(0, MESSAGE.response, true);
  view(message).setUint32(HEAD_BYTES, sender, true);
  view(message).setUint32(HEAD_BYTES + INDEX_BYTES, receiver, true);
  message.set(noise, SECOND_NOISE);
  return message;
}

/** A cookie reply to the sender of index `receiver`. */
export function encodeCookie(
  receiver: number,
  nonce: Uint8Array,
  sealed: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const message = new Uint8Array(MESSAGE_BYTES.cookie);
  view(message).setUint32(0, MESSAGE.cookie, true);
  view(message).setUint32(HEAD_BYTES, receiver, true);
  message.set(nonce, FIRST_NOISE);
  message.set(sealed, FIRST_NOISE + COOKIE_NONCE_BYTES);
  return message;
}

/** The index by which the sender of an initiation or a response wants to be answered. */
export function senderIndex(message: Uint8Array): number {
  return view(message).getUint32(HEAD_BYTES, true);
}

/** The index of the handshake or session that a response, cookie reply or data message is for. */
export function receiverIndex(message: Uint8Array): number {
  const response = message[0] === MESSAGE.response;
  return view(message).getUint32(response ? HEAD_BYTES + INDEX_BYTES : HEAD_BYTES, true);
}

/** The message of Noise within an initiation or a response. */
export function noiseOf(message: Uint8Array): Uint8Array {
  const at = message[0] === MESSAGE.response ? SECOND_NOISE : FIRST_NOISE;
  return message.subarray(at, message.length - MACS_BYTES);
}

/** The nonce and the sealed cookie of a cookie reply. */
export function cookieOf(
  message: Uint8Array,
): { readonly nonce: Uint8Array; readonly sealed: Uint8Array } {
  const sealedAt = FIRST_NOISE + COOKIE_NONCE_BYTES;
  return { nonce: message.subarray(FIRST_NOISE, sealedAt), sealed: message.subarray(sealedAt) };
}

/** The parts of an initiation or a response that its macs are over, and the macs. */
export function macsOf(message: Uint8Array): {
  readonly beforeMac1: Uint8Array;
  readonly mac1: Uint8Array;
  readonly beforeMac2: Uint8Array;
  readonly mac2: Uint8Array;
} {
  const mac1At = message.length - MACS_BYTES;
  const mac2At = message.length - MAC_BYTES;
  return {
    beforeMac1: message.subarray(0, mac1At),
    mac1: message.subarray(mac1At, mac2At),
    beforeMac2: message.subarray(0, mac2At),
    mac2: message.subarray(mac2At),
  };
}
