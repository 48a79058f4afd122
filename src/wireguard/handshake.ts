/**
 * WireGuard's handshake: Noise IKpsk2 with WireGuard's prologue, a timestamp in
 * the first message and nothing in the second, within messages 1 and 2. Pure:
 * indices, timestamps and random bytes come in as arguments.
 */

import { hash } from "./hash.ts";
import { isZero, KEY_BYTES } from "../wire/keys.ts";
import {
  encodeInitiation,
  encodeResponse,
  MESSAGE,
  messageType,
  noiseOf,
  senderIndex,
} from "./messages.ts";
import { NoiseInitiator, NoiseResponder, type Party, type TransportKeys } from "./noise.ts";
import { PrivateKey } from "./x25519.ts";

const encoder = new TextEncoder();
const PROLOGUE = encoder.encode("WireGuard v1 zx2c4 Jason@zx2c4.com");
const LABEL_MAC1 = encoder.encode("mac1----");
const LABEL_COOKIE = encoder.encode("cookie--");
const NO_PAYLOAD = new Uint8Array(0);

/** Keys that follow from a public key alone: whoever knows it may use them. */
export interface PublicIdentity {
  readonly publicKey: Uint8Array;
  /** Keys mac1 of messages to the owner of the public key. */
  readonly mac1Key: Uint8Array;
  /** Seals cookies that the owner gives out. */
  readonly cookieKey: Uint8Array;
}

function publicIdentity(publicKey: Uint8Array): PublicIdentity {
  return {
    publicKey,
    mac1Key: hash(LABEL_MAC1, publicKey),
    cookieKey: hash(LABEL_COOKIE, publicKey),
  };
}

/** This node. */
export interface LocalIdentity extends PublicIdentity {
  readonly key: PrivateKey;
}

/** A peer as the handshake knows it. */
export interface RemoteIdentity extends PublicIdentity {
  /** All zeros where there is none. */
  readonly presharedKey: Uint8Array;
  /** The secret of both static keys. */
  readonly staticShared: Uint8Array;
}

/** The owner of a private key of 32 bytes. */
export function localIdentity(privateKey: Uint8Array): LocalIdentity {
  const key = new PrivateKey(privateKey);
  return { key, ...publicIdentity(key.publicKey) };
}

/**
 * A peer by its public key of 32 bytes. Undefined where that cannot be one: zeros, a point of low
 * order, or this node's own key.
 */
export function remoteIdentity(
  self: LocalIdentity,
  publicKey: Uint8Array,
  presharedKey: Uint8Array = new Uint8Array(KEY_BYTES),
): RemoteIdentity | undefined {
  if (publicKey.length !== KEY_BYTES || isZero(publicKey)) return undefined;
  if (publicKey.every((byte, i) => byte === self.publicKey[i])) return undefined;
  const staticShared = self.key.shared(publicKey);
  return staticShared && { ...publicIdentity(publicKey), presharedKey, staticShared };
}

function party(
  self: LocalIdentity,
  staticShared: (publicKey: Uint8Array) => Uint8Array | undefined,
): Party {
  return { key: self.key, staticShared };
}

/** An initiation on its way: the message, its macs still zero, and what its response is judged by. */
export interface Initiation {
  readonly message: Uint8Array<ArrayBuffer>;
  readonly noise: NoiseInitiator;
}

/**
 * Begins a handshake. `ephemeral` are 32 random bytes, `timestamp` is greater than any before.
 * Undefined where the peer's key is a point of low order.
 */
export function createInitiation(
  self: LocalIdentity,
  remote: RemoteIdentity,
  index: number,
  ephemeral: Uint8Array,
  timestamp: Uint8Array,
): Initiation | undefined {
  const me = party(self, () => remote.staticShared);
  const noise = NoiseInitiator.begin(me, remote.publicKey, PROLOGUE, ephemeral, timestamp);
  return noise && { message: encodeInitiation(index, noise.message), noise };
}

/** An initiation that is authentic, though perhaps a replay: its timestamp tells. */
export interface AcceptedInitiation<Remote extends RemoteIdentity> {
  readonly remote: Remote;
  readonly timestamp: Uint8Array;
  readonly senderIndex: number;
  readonly noise: NoiseResponder;
}

/** Judges an initiation whose length, type and mac1 are right. `find` knows peers by public key. */
export function acceptInitiation<Remote extends RemoteIdentity>(
  self: LocalIdentity,
  message: Uint8Array,
  find: (publicKey: Uint8Array) => Remote | undefined,
): AcceptedInitiation<Remote> | undefined {
  if (messageType(message) !== MESSAGE.initiation) return undefined;
  let remote: Remote | undefined;
  const me = party(self, (publicKey) => {
    remote = find(publicKey);
    return remote?.staticShared;
  });
  const noise = NoiseResponder.accept(me, PROLOGUE, noiseOf(message));
  if (!noise || !remote) return undefined;
  return { remote, timestamp: noise.payload, senderIndex: senderIndex(message), noise };
}

/** Answers an initiation: the message, its macs still zero, and the session's keys. */
export function createResponse(
  accepted: AcceptedInitiation<RemoteIdentity>,
  index: number,
  ephemeral: Uint8Array,
): { readonly message: Uint8Array<ArrayBuffer>; readonly keys: TransportKeys } | undefined {
  const { noise, remote, senderIndex } = accepted;
  const answer = noise.answer(remote.presharedKey, ephemeral, NO_PAYLOAD);
  if (!answer) return undefined;
  return { message: encodeResponse(index, senderIndex, answer.message), keys: answer.keys };
}

/** The session's keys from a response, or undefined where it is not the peer's to this initiation. */
export function acceptResponse(
  initiation: Initiation,
  remote: RemoteIdentity,
  message: Uint8Array,
): TransportKeys | undefined {
  if (messageType(message) !== MESSAGE.response) return undefined;
  return initiation.noise.finish(noiseOf(message), remote.presharedKey)?.keys;
}
