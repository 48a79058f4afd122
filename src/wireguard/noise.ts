/**
 * Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s (Noise Protocol Framework, revision 34):
 * two messages, after which both sides have a key for each direction. Prologue
 * and payloads are the caller's; WireGuard's are in handshake.ts. Pure: ephemeral
 * keys come in as arguments.
 *
 *   <- s
 *   ...
 *   -> e, es, s, ss, payload
 *   <- e, ee, se, psk, payload
 */

import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { derive2, derive3, hash, HASH_BYTES } from "./hash.ts";
import { erase, KEY_BYTES } from "../wire/keys.ts";
import { PrivateKey } from "./x25519.ts";

/** Bytes that encryption adds to a text. */
export const TAG_BYTES = 16;
/** A sealed static key: the key and a tag. */
const SEALED_KEY_BYTES = KEY_BYTES + TAG_BYTES;

/** Longer than a hash, so it is hashed to be the first one (section 5.2 of the framework). */
const PROTOCOL = hash(new TextEncoder().encode("Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"));
/** Each key of a handshake encrypts once: its nonce is 0. */
const NONCE_0 = new Uint8Array(12);
const EMPTY = new Uint8Array(0);

/** The keys of a session. */
export interface TransportKeys {
  readonly send: Uint8Array;
  readonly receive: Uint8Array;
}

/** The framework's SymmetricState: what both sides have said, and the keys that follow from it. */
class SymmetricState {
  #chaining = PROTOCOL.slice();
  #hash: Uint8Array = PROTOCOL;
  #key: Uint8Array = new Uint8Array(HASH_BYTES);

  mixHash(data: Uint8Array): void {
    this.#hash = hash(this.#hash, data);
  }

  mixKey(input: Uint8Array): void {
    const [chaining, key] = derive2(this.#chaining, input);
    erase(this.#chaining, this.#key);
    this.#chaining = chaining as Uint8Array<ArrayBuffer>;
    this.#key = key;
  }

  /** An ephemeral key is said: in patterns with a preshared key it is mixed in twice (section 9.2). */
  mixEphemeral(publicKey: Uint8Array): void {
    this.mixHash(publicKey);
    this.mixKey(publicKey);
  }

  mixPresharedKey(presharedKey: Uint8Array): void {
    const [chaining, said, key] = derive3(this.#chaining, presharedKey);
    erase(this.#chaining, this.#key);
    this.#chaining = chaining as Uint8Array<ArrayBuffer>;
    this.mixHash(said);
    this.#key = key;
  }

  seal(text: Uint8Array): Uint8Array {
    const sealed = chacha20poly1305(this.#key, NONCE_0, this.#hash).encrypt(text);
    this.mixHash(sealed);
    return sealed;
  }

  /** The text, or undefined where the tag is wrong. */
  open(sealed: Uint8Array): Uint8Array | undefined {
    try {
      const text = chacha20poly1305(this.#key, NONCE_0, this.#hash).decrypt(sealed);
      this.mixHash(sealed);
      return text;
    } catch {
      return undefined;
    }
  }

  split(): readonly [Uint8Array, Uint8Array] {
    return derive2(this.#chaining, EMPTY);
  }

  copy(): SymmetricState {
    const other = new SymmetricState();
    other.#chaining = this.#chaining.slice();
    other.#hash = this.#hash;
    other.#key = this.#key.slice();
    return other;
  }

  erase(): void {
    erase(this.#chaining, this.#key);
  }
}

/** What a party says of itself in a handshake. */
export interface Party {
  readonly key: PrivateKey;
  /** The secret of both static keys; undefined: there is no such peer, and the handshake ends. */
  staticShared(publicKey: Uint8Array): Uint8Array | undefined;
}

/** A first message of `payload` bytes' length. */
export const firstMessageBytes = (payload: number): number =>
  KEY_BYTES + SEALED_KEY_BYTES + payload + TAG_BYTES;
/** A second message of `payload` bytes' length. */
export const secondMessageBytes = (payload: number): number => KEY_BYTES + payload + TAG_BYTES;

/** The initiator between its message and the answer. */
export class NoiseInitiator {
  /** The first message. */
  readonly message: Uint8Array<ArrayBuffer>;
  readonly #state: SymmetricState;
  readonly #self: Party;
  readonly #ephemeral: PrivateKey;

  private constructor(
    state: SymmetricState,
    self: Party,
    ephemeral: PrivateKey,
    message: Uint8Array<ArrayBuffer>,
  ) {
    this.#state = state;
    this.#self = self;
    this.#ephemeral = ephemeral;
    this.message = message;
  }

  /**
   * Begins a handshake. `ephemeral` are 32 random bytes of this handshake alone. Undefined where
   * the responder's key is a point of low order or `self` has no secret with it.
   */
  static begin(
    self: Party,
    responder: Uint8Array,
    prologue: Uint8Array,
    ephemeral: Uint8Array,
    payload: Uint8Array,
  ): NoiseInitiator | undefined {
    const e = new PrivateKey(ephemeral);
    const es = e.shared(responder);
    const ss = self.staticShared(responder);
    if (!es || !ss) return undefined;
    const state = new SymmetricState();
    state.mixHash(prologue);
    state.mixHash(responder);
    state.mixEphemeral(e.publicKey);
    state.mixKey(es);
    erase(es);
    const sealedStatic = state.seal(self.key.publicKey);
    state.mixKey(ss);
    const message = new Uint8Array(firstMessageBytes(payload.length));
    message.set(e.publicKey);
    message.set(sealedStatic, KEY_BYTES);
    message.set(state.seal(payload), KEY_BYTES + SEALED_KEY_BYTES);
    return new NoiseInitiator(state, self, e, message);
  }

  /**
   * Takes the second message. Undefined where it is not authentic: the handshake then goes on
   * waiting, as anybody may have sent that.
   */
  finish(
    message: Uint8Array,
    presharedKey: Uint8Array,
  ): { readonly keys: TransportKeys; readonly payload: Uint8Array } | undefined {
    if (message.length < secondMessageBytes(0)) return undefined;
    const theirs = message.subarray(0, KEY_BYTES);
    const ee = this.#ephemeral.shared(theirs);
    const se = this.#self.key.shared(theirs);
    if (!ee || !se) return undefined;
    const state = this.#state.copy();
    state.mixEphemeral(theirs);
    state.mixKey(ee);
    state.mixKey(se);
    erase(ee, se);
    state.mixPresharedKey(presharedKey);
    const payload = state.open(message.subarray(KEY_BYTES));
    const keys = payload && state.split();
    state.erase();
    if (!keys) return undefined;
    this.erase();
    return { keys: { send: keys[0], receive: keys[1] }, payload };
  }

  /** Forgets the secrets: the handshake is over. */
  erase(): void {
    this.#state.erase();
  }
}

/** The responder between the first message and its answer. */
export class NoiseResponder {
  /** Who began: authentic. */
  readonly initiator: Uint8Array;
  /** What the first message carried: authentic, yet perhaps a replay. */
  readonly payload: Uint8Array;
  readonly #state: SymmetricState;
  readonly #ephemeral: Uint8Array;

  private constructor(
    state: SymmetricState,
    initiator: Uint8Array,
    payload: Uint8Array,
    ephemeral: Uint8Array,
  ) {
    this.#state = state;
    this.initiator = initiator;
    this.payload = payload;
    this.#ephemeral = ephemeral;
  }

  /** Judges a first message. Undefined where it is not authentic or its sender is not known. */
  static accept(
    self: Party,
    prologue: Uint8Array,
    message: Uint8Array,
  ): NoiseResponder | undefined {
    if (message.length < firstMessageBytes(0)) return undefined;
    const ephemeral = message.slice(0, KEY_BYTES);
    const es = self.key.shared(ephemeral);
    if (!es) return undefined;
    const state = new SymmetricState();
    state.mixHash(prologue);
    state.mixHash(self.key.publicKey);
    state.mixEphemeral(ephemeral);
    state.mixKey(es);
    erase(es);
    const payloadAt = KEY_BYTES + SEALED_KEY_BYTES;
    const initiator = state.open(message.subarray(KEY_BYTES, payloadAt));
    const ss = initiator && self.staticShared(initiator);
    if (!ss) return undefined;
    state.mixKey(ss);
    const payload = state.open(message.subarray(payloadAt));
    return payload && new NoiseResponder(state, initiator, payload, ephemeral);
  }

  /**
   * The second message and the keys. `ephemeral` are 32 random bytes of this handshake alone.
   * Undefined where the initiator's ephemeral or static key is a point of low order.
   */
  answer(
    presharedKey: Uint8Array,
    ephemeral: Uint8Array,
    payload: Uint8Array,
  ): { readonly keys: TransportKeys; readonly message: Uint8Array<ArrayBuffer> } | undefined {
    const e = new PrivateKey(ephemeral);
    const ee = e.shared(this.#ephemeral);
    const se = e.shared(this.initiator);
    if (!ee || !se) return undefined;
    this.#state.mixEphemeral(e.publicKey);
    this.#state.mixKey(ee);
    this.#state.mixKey(se);
    erase(ee, se);
    this.#state.mixPresharedKey(presharedKey);
    const message = new Uint8Array(secondMessageBytes(payload.length));
    message.set(e.publicKey);
    message.set(this.#state.seal(payload), KEY_BYTES);
    const [receive, send] = this.#state.split();
    this.#state.erase();
    return { keys: { send, receive }, message };
  }
}
